// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/syscall.h>

#include <cerrno>

#include "child/files.hpp"

namespace ct::internal::child {

long open_directory(Context& context, const PathArgs& args) noexcept {
    const long directory = open_target(context, args.path, false);
    if (directory < 0) return directory;
    if (context.directory_fd >= 0) raw_syscall(SYS_close, context.directory_fd);
    context.directory_fd = static_cast<int>(directory);
    return 0;
}

long make_node(const Context& context, const NodeArgs& args) noexcept {
    const long error =
        raw_syscall(SYS_mknodat, context.directory_fd, args.name, args.mode, args.minor | args.major << 8U);
    if (error != -EEXIST) return error;
    // The image may bring its own, if it is the same device.
    struct statx status;
    const long found =
        raw_syscall(SYS_statx, context.directory_fd, args.name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &status);
    if (found < 0) return found;
    const bool same = (status.stx_mode & 0170000U) == (args.mode & 0170000U) && status.stx_rdev_major == args.major &&
                      status.stx_rdev_minor == args.minor;
    return same ? 0 : error;
}

long make_symlink(const Context& context, const SymlinkArgs& args) noexcept {
    const long error = raw_syscall(SYS_symlinkat, args.content, context.directory_fd, args.name);
    return error == -EEXIST ? 0 : error;
}

} // namespace ct::internal::child
