// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>

#include <cerrno>

#include "child/files.hpp"

namespace ct::internal::child {

namespace {

bool changes_attributes(const MountArgs& args) noexcept {
    return (args.attributes | args.cleared | args.propagation) != 0;
}

/// On a shared mount it becomes shared itself, whatever it was before.
long attach_as_wanted(const MountArgs& args, long tree, long target) noexcept {
    const long error = attach(tree, target);
    if (error < 0 || args.propagation == 0) return error;
    return set_attributes(tree, {0, 0, args.propagation}, args.recursive);
}

long mount_bind(Context& context, const MountArgs& args, long target) noexcept {
    const ScopedFd tree(copied_tree(AT_FDCWD, args.source, args.recursive));
    long error = tree.get();
    if (error >= 0 && changes_attributes(args)) {
        error = set_attributes(tree.get(), {args.attributes, args.cleared, args.propagation}, args.recursive);
    }
    if (error >= 0) error = attach_as_wanted(args, tree.get(), target);
    return is_lacking(error) ? classic_bind(context, args, target) : error;
}

/// With a copy of what the target holds, and then perhaps read-only.
long mount_copy(Context& context, const MountArgs& args, long target) noexcept {
    const ScopedFd tree(new_file_system(context, args, args.attributes & ~std::uint64_t{MOUNT_ATTR_RDONLY}));
    if (tree.get() < 0) return tree.get();
    long error = copy_up(context, target, tree.get());
    const Attributes attributes{args.attributes & MOUNT_ATTR_RDONLY, 0, args.propagation};
    if (error >= 0 && (attributes.set | attributes.propagation) != 0) {
        error = set_attributes(tree.get(), attributes, false);
    }
    return error < 0 ? error : attach_as_wanted(args, tree.get(), target);
}

long mount_new(Context& context, const MountArgs& args, long target) noexcept {
    const ScopedFd tree(new_file_system(context, args, args.attributes));
    if (tree.get() < 0) return tree.get();
    const long error = args.propagation == 0 ? 0 : set_attributes(tree.get(), {0, 0, args.propagation}, false);
    return error < 0 ? error : attach_as_wanted(args, tree.get(), target);
}

long mount_file_system(Context& context, const MountArgs& args, long target) noexcept {
    const bool plain = !args.copy_up && args.propagation == 0;
    const bool quick = plain && args.data != nullptr && !args.takes_paths && context.home_fd >= 0;
    if (quick) {
        // mount(2) is 3 us faster than fsopen(2) and its kin. Those get their turn when it fails: they say why.
        const long error = classic_mount(context, target, false, {args.source, args.type, args.flags, args.data});
        if (error >= 0) return error;
    }
    const long error = args.copy_up ? mount_copy(context, args, target) : mount_new(context, args, target);
    return is_lacking(error) ? classic_file_system(context, args, target) : error;
}

} // namespace

void keep_message(Context& context, long fs_fd) noexcept {
    char* const message = context.handshake.message;
    long length = raw_syscall(SYS_read, fs_fd, message, sizeof context.handshake.message - 1);
    if (length < 0) length = 0;
    while (length > 0 && message[length - 1] == '\n') --length;
    // The first two characters are the kind of the message: "e ", "w " or "i ".
    for (long i = 2; i < length; ++i) message[i - 2] = message[i];
    message[length > 2 ? length - 2 : 0] = '\0';
}

long new_file_system(Context& context, const MountArgs& args, std::uint64_t attributes) noexcept {
    const ScopedFd fs(raw_syscall(SYS_fsopen, args.type, FSOPEN_CLOEXEC));
    if (fs.get() < 0) return fs.get();
    const auto configure = [&](unsigned command, const char* key, const char* value) noexcept {
        const long error = raw_syscall(SYS_fsconfig, fs.get(), command, key, value, 0);
        if (error < 0) keep_message(context, fs.get());
        return error;
    };
    long error = configure(FSCONFIG_SET_STRING, "source", args.source);
    for (std::uint32_t i = 0; error >= 0 && i < args.option_count; ++i) {
        const MountOption& option = args.options[i];
        error = configure(option.value != nullptr ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, option.key, option.value);
    }
    // Also the file system itself: it may lie on a read-only device.
    if (error >= 0 && (attributes & MOUNT_ATTR_RDONLY) != 0) error = configure(FSCONFIG_SET_FLAG, "ro", nullptr);
    if (error >= 0) error = configure(FSCONFIG_CMD_CREATE, nullptr, nullptr);
    if (error < 0) return error;
    const long tree = raw_syscall(SYS_fsmount, fs.get(), FSMOUNT_CLOEXEC, attributes);
    if (tree < 0) keep_message(context, fs.get());
    return tree;
}

long set_attributes(long tree, const Attributes& attributes, bool recursive) noexcept {
    mount_attr attr;
    attr.attr_set = attributes.set;
    attr.attr_clr = attributes.cleared;
    attr.propagation = attributes.propagation;
    attr.userns_fd = 0;
    return raw_syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | (recursive ? AtRecursive : 0), &attr, sizeof attr);
}

long copied_tree(long fd, const char* source, bool recursive) noexcept {
    const unsigned empty = source[0] == '\0' ? AT_EMPTY_PATH : 0;
    return raw_syscall(SYS_open_tree, fd, source,
                       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | empty | (recursive ? AtRecursive : 0));
}

long empty_file_system(const char* type, std::uint64_t attributes) noexcept {
    const ScopedFd fs(raw_syscall(SYS_fsopen, type, FSOPEN_CLOEXEC));
    if (fs.get() < 0) return fs.get();
    const long error = raw_syscall(SYS_fsconfig, fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
    return error < 0 ? error : raw_syscall(SYS_fsmount, fs.get(), FSMOUNT_CLOEXEC, attributes);
}

long attach(long tree, long target) noexcept {
    return raw_syscall(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

long mount_in_root(Context& context, const MountArgs& args) noexcept {
    const ScopedFd target(open_target(context, args.target, args.target_is_file));
    if (target.get() < 0) return target.get();
    if (args.tree >= 0) return attach(args.tree, target.get());
    return args.type == nullptr ? mount_bind(context, args, target.get())
                                : mount_file_system(context, args, target.get());
}

long unmount_in_root(Context& context, const PathArgs& args) noexcept {
    // Its name in its directory, since umount2(2) takes no descriptor. Who is hostile inside can move directories
    // about, but only within the container.
    char parent[4096];
    std::size_t length = 0;
    std::size_t slash = 0;
    for (; args.path[length] != '\0'; ++length) {
        if (length + 1 >= sizeof parent) return -ENAMETOOLONG;
        parent[length] = args.path[length];
        if (parent[length] == '/') slash = length;
    }
    parent[slash == 0 ? 1 : slash] = '\0';
    const ScopedFd directory(open_in_strictly(context.root_fd, parent, O_DIRECTORY));
    if (directory.get() < 0) return directory.get();
    const long error = raw_syscall(SYS_fchdir, directory.get());
    if (error < 0) return error;
    return raw_syscall(SYS_umount2, args.path + slash + 1, DetachedUmount | NoFollowUmount);
}

} // namespace ct::internal::child
