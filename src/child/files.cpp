// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <sys/syscall.h>

#include <cerrno>

#include "child/child_ops.hpp"
#include "child/raw_syscall.hpp"
#include "child/scoped_fd.hpp"

// <sys/mount.h> cannot be included together with <linux/mount.h>.
namespace {
constexpr unsigned long DetachedUmount = 2; // MNT_DETACH
constexpr std::size_t PathMax = 4096;
constexpr int AtRecursive = 0x8000; // AT_RECURSIVE, from <linux/fcntl.h>, which <fcntl.h> excludes
} // namespace

namespace ct::internal::child {

namespace {

/// Opens \p path with \p root as "/": neither ".." nor a symbolic link, nor a rename under way, leads out of it.
long open_in(long root, const char* path, std::uint64_t flags) noexcept {
    open_how how;
    how.flags = flags | O_PATH | O_CLOEXEC;
    how.mode = 0;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    long fd = -EAGAIN;
    // openat2(2): EAGAIN when a rename or mount somewhere on the system made the walk doubtful.
    for (int attempt = 0; fd == -EAGAIN && attempt < 128; ++attempt) {
        fd = raw_syscall(SYS_openat2, root, path, &how, sizeof how);
    }
    return fd;
}

/// Remembers what was created, by identity, so that the parent removes nothing else after a failure.
void remember_created(Handshake& handshake, long fd, std::size_t length, bool is_directory) noexcept {
    if (handshake.created_count == Handshake::MaxCreated) return;
    struct statx status;
    if (raw_syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_INO, &status) < 0) return;
    CreatedEntry& entry = handshake.created[handshake.created_count];
    entry.step = handshake.step;
    entry.length = static_cast<std::uint16_t>(length);
    entry.is_directory = is_directory ? 1 : 0;
    entry.inode = status.stx_ino;
    entry.device_major = status.stx_dev_major;
    entry.device_minor = status.stx_dev_minor;
    __atomic_store_n(&handshake.created_count, handshake.created_count + 1, __ATOMIC_RELEASE);
}

bool is_directory(long fd) noexcept {
    struct statx status;
    return raw_syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, &status) >= 0 &&
           (status.stx_mode & 0170000U) == 0040000U;
}

/// Makes one missing component of a target, and opens it. A single name in an already resolved directory: neither
/// mkdirat(2) nor O_EXCL follow a link there.
long create_component(Context& context, long parent, const char* name, const char* path, std::size_t length,
                      bool is_file) noexcept {
    long made;
    if (is_file) {
        made = raw_syscall(SYS_openat, parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (made >= 0) raw_syscall(SYS_close, made);
    } else {
        made = raw_syscall(SYS_mkdirat, parent, name, 0755);
    }
    // EEXIST: somebody was faster, or a dangling link is in the way; the next look tells.
    if (made < 0 && made != -EEXIST) return made;
    const long fd = open_in(context.root_fd, path, is_file ? 0 : O_DIRECTORY);
    if (fd == -ENOENT) return -ELOOP;
    if (fd >= 0 && made >= 0) remember_created(context.handshake, fd, length, !is_file);
    return fd;
}

} // namespace

long open_target(Context& context, const char* target, bool is_file) noexcept {
    char path[PathMax];
    std::size_t length = 0;
    for (; target[length] != '\0'; ++length) {
        if (length + 1 >= PathMax) return -ENAMETOOLONG;
        path[length] = target[length];
    }
    while (length > 1 && path[length - 1] == '/') --length;
    path[length] = '\0';

    // Back to the longest leading part that exists ...
    std::size_t known = length;
    long fd = open_in(context.root_fd, path, is_file ? 0 : O_DIRECTORY);
    while (fd == -ENOENT && known > 1) {
        while (known > 1 && path[known - 1] != '/') --known;
        while (known > 1 && path[known - 1] == '/') --known;
        const char cut = path[known];
        path[known] = '\0';
        fd = open_in(context.root_fd, path, O_DIRECTORY);
        path[known] = cut;
    }
    if (fd >= 0 && known == length && is_file && is_directory(fd)) {
        raw_syscall(SYS_close, fd);
        return -EISDIR;
    }
    // ... and forth again.
    while (fd >= 0 && known < length) {
        const ScopedFd parent(fd);
        std::size_t name = known;
        while (path[name] == '/') ++name;
        known = name;
        while (known < length && path[known] != '/') ++known;
        const char cut = path[known];
        path[known] = '\0';
        fd = create_component(context, parent.get(), path + name, path, known, is_file && known == length);
        path[known] = cut;
    }
    return fd;
}

void keep_message(Context& context, long fs_fd) noexcept {
    char* const message = context.handshake.message;
    long length = raw_syscall(SYS_read, fs_fd, message, sizeof context.handshake.message - 1);
    if (length < 0) length = 0;
    while (length > 0 && message[length - 1] == '\n') --length;
    // The first two characters are the kind of the message: "e ", "w " or "i ".
    for (long i = 2; i < length; ++i) message[i - 2] = message[i];
    message[length > 2 ? length - 2 : 0] = '\0';
}

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

namespace {

long set_attributes(long tree, std::uint64_t attributes, bool recursive) noexcept {
    mount_attr attr;
    attr.attr_set = attributes;
    attr.attr_clr = 0;
    attr.propagation = 0;
    attr.userns_fd = 0;
    return raw_syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | (recursive ? AtRecursive : 0), &attr, sizeof attr);
}

/// A copy of the tree at \p source, mounted nowhere yet.
long copied_tree(const char* source, bool recursive) noexcept {
    return raw_syscall(SYS_open_tree, AT_FDCWD, source,
                       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AtRecursive : 0));
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

long attach(long tree, long target) noexcept {
    return raw_syscall(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

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
