// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <sys/syscall.h>

#include <cerrno>

#include "child/files.hpp"

namespace ct::internal::child {

namespace {

long write_all(long fd, const char* text, std::size_t length) noexcept {
    while (length > 0) {
        const long written = raw_syscall(SYS_write, fd, text, length);
        if (written == -EINTR) continue;
        if (written < 0) return written;
        text += written;
        length -= static_cast<std::size_t>(written);
    }
    return 0;
}

/// Takes away the tmpfs; what is bound of it stays.
long hide(Context& context) noexcept {
    const ScopedFd tmpfs(context.names_fd);
    context.names_fd = -1;
    // umount2(2) takes no descriptor.
    long error = raw_syscall(SYS_fchdir, tmpfs.get());
    if (error >= 0) error = raw_syscall(SYS_umount2, ".", DetachedUmount);
    const long home = raw_syscall(SYS_fchdir, context.home_fd >= 0 ? context.home_fd : context.root_fd);
    return error < 0 ? error : home;
}

} // namespace

long make_name_files(Context& context, const NameFilesArgs& args) noexcept {
    const long tmpfs = new_file_system(context, *args.tmpfs, args.tmpfs->attributes);
    if (tmpfs < 0) return tmpfs;
    context.names_fd = static_cast<int>(tmpfs);
    // Before Linux 6.15 only what is mounted can be bound. Nobody looks at the root through this place meanwhile.
    long error = attach(tmpfs, context.root_fd);
    for (std::uint32_t i = 0; error >= 0 && i < args.count; ++i) {
        const NamedText& file = args.files[i];
        constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
        const ScopedFd made(raw_syscall(SYS_openat, tmpfs, file.name, flags, 0644));
        error = made.get() < 0 ? made.get() : write_all(made.get(), file.text, file.length);
    }
    return error;
}

long bind_name_file(Context& context, const NameFileArgs& args) noexcept {
    const ScopedFd target(open_entry(context, args.target));
    if (target.get() < 0) return target.get();
    const ScopedFd file(raw_syscall(SYS_openat, context.names_fd, args.name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (file.get() < 0) return file.get();
    const ScopedFd tree(copied_tree(file.get(), "", false));
    long error = tree.get() < 0 ? tree.get() : attach(tree.get(), target.get());
    if (error >= 0 && args.attributes != 0) {
        error = set_attributes(tree.get(), {args.attributes}, false);
        if (is_lacking(error)) error = classic_remount(context, tree.get(), args.attributes);
    }
    return error < 0 || !args.last ? error : hide(context);
}

} // namespace ct::internal::child
