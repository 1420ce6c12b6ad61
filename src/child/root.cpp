// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>

#include <cerrno>

#include "child/files.hpp"

namespace ct::internal::child {

namespace {

long change_propagation(const char* path, std::uint64_t propagation, bool recursive) noexcept {
    mount_attr attr;
    attr.attr_set = 0;
    attr.attr_clr = 0;
    attr.propagation = propagation;
    attr.userns_fd = 0;
    const long error = raw_syscall(SYS_mount_setattr, AT_FDCWD, path, recursive ? AtRecursive : 0, &attr, sizeof attr);
    if (!is_lacking(error)) return error;
    // Before Linux 5.12.
    return raw_syscall(SYS_mount, nullptr, path, nullptr, propagation | (recursive ? Recursive : 0), nullptr);
}

} // namespace

long slave_propagation(Context& context) noexcept {
    // If the working directory is not to be had, mounts are made without leaving it.
    context.home_fd = static_cast<int>(raw_syscall(SYS_openat, AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    return change_propagation("/", Slave, true);
}

long attach_root(Context& context, const AttachRootArgs& args) noexcept {
    const ScopedFd target(raw_syscall(SYS_openat, AT_FDCWD, args.root, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (target.get() < 0) return target.get();
    const long tree = copied_tree(AT_FDCWD, args.source, args.recursive);
    const long error = tree < 0 ? tree : attach(tree, target.get());
    if (is_lacking(error)) {
        if (tree >= 0) raw_syscall(SYS_close, tree);
        const std::uint64_t how = Bind | (args.recursive ? Recursive : 0);
        const long bound = raw_syscall(SYS_mount, args.source, args.root, nullptr, how, nullptr);
        if (bound < 0) return bound;
        const long root = raw_syscall(SYS_openat, AT_FDCWD, args.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root >= 0) context.root_fd = static_cast<int>(root);
        return root;
    }
    if (tree >= 0) context.root_fd = static_cast<int>(tree);
    return error;
}

long open_root(Context& context, const PathArgs& args) noexcept {
    const long root = raw_syscall(SYS_openat, AT_FDCWD, args.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return root;
    context.root_fd = static_cast<int>(root);
    return 0;
}

long root_propagation(const Context& context, const PropagationArgs& args) noexcept {
    if (args.pivoted) return change_propagation("/", args.propagation, false);
    const long error = set_attributes(context.root_fd, {0, 0, args.propagation}, true);
    if (!is_lacking(error)) return error;
    const std::uint64_t how = args.propagation | Recursive;
    return classic_mount(context, context.root_fd, false, {.source = nullptr, .flags = how});
}

long read_only_root(Context& context) noexcept {
    const long error = set_attributes(context.root_fd, {MOUNT_ATTR_RDONLY}, false);
    return is_lacking(error) ? classic_remount(context, context.root_fd, ReadOnlyMount) : error;
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
