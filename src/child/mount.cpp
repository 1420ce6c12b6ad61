// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>

#include <cerrno>

#include "child/files.hpp"

namespace ct::internal::child {

namespace {

/// Keeps what the file system said of a failed configuration: it knows more than errno.
void keep_message(Context& context, long fs_fd) noexcept {
    char* const message = context.handshake.message;
    long length = raw_syscall(SYS_read, fs_fd, message, sizeof context.handshake.message - 1);
    if (length < 0) length = 0;
    while (length > 0 && message[length - 1] == '\n') --length;
    // The first two characters are the kind of the message: "e ", "w " or "i ".
    for (long i = 2; i < length; ++i) message[i - 2] = message[i];
    message[length > 2 ? length - 2 : 0] = '\0';
}

/// A new file system, mounted nowhere yet.
long new_file_system(Context& context, const MountArgs& args) noexcept {
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
    if (error >= 0 && (args.attributes & MOUNT_ATTR_RDONLY) != 0) error = configure(FSCONFIG_SET_FLAG, "ro", nullptr);
    if (error >= 0) error = configure(FSCONFIG_CMD_CREATE, nullptr, nullptr);
    if (error < 0) return error;
    const long tree = raw_syscall(SYS_fsmount, fs.get(), FSMOUNT_CLOEXEC, args.attributes);
    if (tree < 0) keep_message(context, fs.get());
    return tree;
}

long bound_tree(const MountArgs& args) noexcept {
    const long tree = copied_tree(args.source, args.recursive);
    if (tree < 0 || args.attributes == 0) return tree;
    const long error = set_attributes(tree, args.attributes, args.recursive);
    if (error >= 0) return tree;
    raw_syscall(SYS_close, tree);
    return error;
}

} // namespace

long set_attributes(long tree, std::uint64_t attributes, bool recursive) noexcept {
    mount_attr attr;
    attr.attr_set = attributes;
    attr.attr_clr = 0;
    attr.propagation = 0;
    attr.userns_fd = 0;
    return raw_syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | (recursive ? AtRecursive : 0), &attr, sizeof attr);
}

long copied_tree(const char* source, bool recursive) noexcept {
    return raw_syscall(SYS_open_tree, AT_FDCWD, source,
                       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AtRecursive : 0));
}

long attach(long tree, long target) noexcept {
    return raw_syscall(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

long mount_in_root(Context& context, const MountArgs& args) noexcept {
    const ScopedFd target(open_target(context, args.target, args.target_is_file));
    if (target.get() < 0) return target.get();
    if (args.data != nullptr && context.home_fd >= 0 && raw_syscall(SYS_fchdir, target.get()) >= 0) {
        // mount(2) is 3 us faster than fsopen(2) and its kin. Those get their turn when it fails: they say why.
        // Of the attributes exactly these have the values of the MS_ flags.
        constexpr std::uint64_t same = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
        const long error = raw_syscall(SYS_mount, args.source, ".", args.type, args.attributes & same, args.data);
        const long home = raw_syscall(SYS_fchdir, context.home_fd);
        if (home < 0) return home;
        if (error >= 0) return 0;
    }
    const ScopedFd tree(args.type == nullptr ? bound_tree(args) : new_file_system(context, args));
    return tree.get() < 0 ? tree.get() : attach(tree.get(), target.get());
}

} // namespace ct::internal::child
