// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>

#include <cerrno>

#include "child/files.hpp"

// <sys/mount.h> cannot be included together with <linux/mount.h>.
namespace {
constexpr unsigned long DetachedUmount = 2; // MNT_DETACH
} // namespace

namespace ct::internal::child {

long slave_propagation(Context& context) noexcept {
    // If the working directory is not to be had, mounts are made without leaving it.
    context.home_fd = static_cast<int>(raw_syscall(SYS_openat, AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    mount_attr attr;
    attr.attr_set = 0;
    attr.attr_clr = 0;
    attr.propagation = 1UL << 19; // MS_SLAVE
    attr.userns_fd = 0;
    const long error = raw_syscall(SYS_mount_setattr, -1, "/", AtRecursive, &attr, sizeof attr);
    if (error != -ENOSYS) return error;
    // Before Linux 5.12.
    return raw_syscall(SYS_mount, nullptr, "/", nullptr, (1UL << 19) | (1UL << 14), nullptr); // MS_SLAVE | MS_REC
}

long attach_root(Context& context, const AttachRootArgs& args) noexcept {
    const ScopedFd target(raw_syscall(SYS_openat, AT_FDCWD, args.root, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (target.get() < 0) return target.get();
    const long tree = copied_tree(args.source, args.recursive);
    if (tree < 0) return tree;
    context.root_fd = static_cast<int>(tree);
    return attach(tree, target.get());
}

long open_root(Context& context) noexcept {
    const long root = raw_syscall(SYS_openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return root;
    context.root_fd = static_cast<int>(root);
    return 0;
}

long read_only_root(Context& context) noexcept {
    const long error = set_attributes(context.root_fd, MOUNT_ATTR_RDONLY, false);
    if (error != -ENOSYS) return error;
    // Before Linux 5.12. mount(2): MS_REMOUNT | MS_BIND changes the flags of this mount alone.
    const long moved = raw_syscall(SYS_fchdir, context.root_fd);
    if (moved < 0) return moved;
    return raw_syscall(SYS_mount, nullptr, ".", nullptr, 32UL | 4096UL | 1UL, nullptr); // MS_REMOUNT|MS_BIND|MS_RDONLY
}

long pivot_root(Context& context) noexcept {
    long error = raw_syscall(SYS_fchdir, context.root_fd);
    // pivot_root(2): with "." twice the old root lies on top of the new one and needs no directory inside.
    if (error >= 0) error = raw_syscall(SYS_pivot_root, ".", ".");
    if (error >= 0) error = raw_syscall(SYS_umount2, ".", DetachedUmount);
    if (error >= 0) error = raw_syscall(SYS_chdir, "/");
    return error;
}

long change_root(const PathArgs& args) noexcept {
    const long error = raw_syscall(SYS_chroot, args.path != nullptr ? args.path : ".");
    return error < 0 ? error : raw_syscall(SYS_chdir, "/");
}

} // namespace ct::internal::child
