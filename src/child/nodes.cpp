// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/syscall.h>

#include <cerrno>

#include "child/files.hpp"

namespace ct::internal::child {

namespace {

bool is_device(const struct statx& status, std::uint32_t type, std::uint32_t major, std::uint32_t minor) noexcept {
    return (status.stx_mode & TypeMask) == (type & TypeMask) && status.stx_rdev_major == major &&
           status.stx_rdev_minor == minor;
}

long look_at_name(const Context& context, const char* name, struct statx& status) noexcept {
    return raw_syscall(SYS_statx, context.directory_fd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &status);
}

/// Remembers what a step has created in the open directory.
void remember_name(Context& context, const char* name) noexcept {
    if (context.directory_passing) return;
    struct statx status;
    if (look_at_name(context, name, status) >= 0) remember_created(context, status, CreatedEntry::WholePath);
}

} // namespace

long open_directory(Context& context, const DirectoryArgs& args) noexcept {
    const long directory = open_target(context, args.path, false);
    if (directory < 0) return directory;
    if (context.directory_fd >= 0) raw_syscall(SYS_close, context.directory_fd);
    context.directory_fd = static_cast<int>(directory);
    context.directory_passing = args.passing;
    return 0;
}

long make_node(Context& context, const NodeArgs& args) noexcept {
    if (args.replace) {
        const long removed = raw_syscall(SYS_unlinkat, context.directory_fd, args.name, 0);
        if (removed < 0 && removed != -ENOENT) return removed;
    }
    // As the kernel encodes large numbers, see makedev(3).
    const std::uint32_t device = (args.minor & 0xffU) | args.major << 8U | (args.minor & ~0xffU) << 12U;
    long error = raw_syscall(SYS_mknodat, context.directory_fd, args.name, args.mode, device);
    if (error == -EEXIST) {
        // The image may bring its own, if it is the same device.
        struct statx status;
        const long found = look_at_name(context, args.name, status);
        if (found < 0) return found;
        return is_device(status, args.mode, args.major, args.minor) ? 0 : error;
    }
    if (error < 0) return error;
    remember_name(context, args.name);
    if (!args.owned || (args.uid | args.gid) == 0) return 0;
    return raw_syscall(SYS_fchownat, context.directory_fd, args.name, args.uid, args.gid, AT_SYMLINK_NOFOLLOW);
}

long bind_node(Context& context, const BindNodeArgs& args) noexcept {
    const ScopedFd source(raw_syscall(SYS_openat, AT_FDCWD, args.source, O_PATH | O_CLOEXEC));
    if (source.get() < 0) return source.get();
    struct statx status;
    long error = look_at(source.get(), status);
    if (error < 0) return error;
    if (!is_device(status, args.type, args.major, args.minor)) return -ENODEV;
    const ScopedFd target(open_target(context, args.target, true));
    if (target.get() < 0) return target.get();
    const ScopedFd tree(copied_tree(source.get(), "", false));
    error = tree.get() < 0 ? tree.get() : attach(tree.get(), target.get());
    if (!is_lacking(error)) return error;
    return classic_mount(context, target.get(), true, {.source = FdPath(source.get()).get(), .flags = Bind});
}

long make_symlink(Context& context, const SymlinkArgs& args) noexcept {
    const long error = raw_syscall(SYS_symlinkat, args.content, context.directory_fd, args.name);
    if (error >= 0) remember_name(context, args.name);
    return error == -EEXIST ? 0 : error;
}

} // namespace ct::internal::child
