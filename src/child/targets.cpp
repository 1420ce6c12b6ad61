// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <sys/syscall.h>

#include <cerrno>

#include "child/child_main.hpp"
#include "child/files.hpp"

namespace ct::internal::child {

namespace {

constexpr std::size_t PathMax = 4096;

long resolve(long directory, const char* path, std::uint64_t flags, std::uint64_t how_to_resolve) noexcept {
    open_how how;
    how.flags = flags | O_CLOEXEC;
    how.mode = 0;
    how.resolve = how_to_resolve;
    long fd = -EAGAIN;
    // openat2(2): EAGAIN when a rename or mount somewhere on the system made the walk doubtful.
    for (int attempt = 0; fd == -EAGAIN && attempt < 128; ++attempt) {
        fd = raw_syscall(SYS_openat2, directory, path, &how, sizeof how);
    }
    return fd;
}

bool is_directory(long fd) noexcept {
    struct statx status;
    return look_at(fd, status) >= 0 && (status.stx_mode & TypeMask) == DirectoryType;
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
    struct statx status;
    if (fd >= 0 && made >= 0 && look_at(fd, status) >= 0) remember_created(context, status, length);
    return fd;
}

} // namespace

void remember_created(Context& context, const struct statx& status, std::size_t length) noexcept {
    Handshake& handshake = context.handshake;
    if (handshake.created_count == Handshake::MaxCreated) await_parent(handshake, Await::Created);
    if (handshake.created_count == Handshake::MaxCreated) return; // the host is gone
    CreatedEntry& entry = handshake.created[handshake.created_count];
    entry.step = handshake.step;
    entry.length = static_cast<std::uint16_t>(length);
    entry.type = static_cast<std::uint16_t>(status.stx_mode & TypeMask);
    entry.inode = status.stx_ino;
    entry.device_major = status.stx_dev_major;
    entry.device_minor = status.stx_dev_minor;
    __atomic_store_n(&handshake.created_count, handshake.created_count + 1, __ATOMIC_RELEASE);
}

long open_in(long root, const char* path, std::uint64_t flags) noexcept {
    return resolve(root, path, flags | O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

long open_content_in(long root, const char* path, std::uint64_t flags) noexcept {
    return resolve(root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

long open_in_strictly(long root, const char* path, std::uint64_t flags) noexcept {
    return resolve(root, path, flags | O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
}

long open_below(long base, const char* path) noexcept {
    return resolve(base, path, O_PATH, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
}

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

long open_entry(Context& context, const char* target) noexcept {
    char parent[PathMax];
    std::size_t length = 0;
    std::size_t slash = 0;
    for (; target[length] != '\0'; ++length) {
        if (length + 1 >= PathMax) return -ENAMETOOLONG;
        parent[length] = target[length];
        if (parent[length] == '/') slash = length;
    }
    parent[slash] = '\0';
    const char* const name = target + slash + 1;
    const ScopedFd directory(open_target(context, slash == 0 ? "/" : parent, false));
    if (directory.get() < 0) return directory.get();
    // A single name in an already resolved directory.
    constexpr int made_flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    const long made = raw_syscall(SYS_openat, directory.get(), name, made_flags, 0644);
    if (made >= 0) {
        struct statx status;
        if (look_at(made, status) >= 0) remember_created(context, status, length);
        raw_syscall(SYS_close, made);
    }
    const long fd = raw_syscall(SYS_openat, directory.get(), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return made < 0 && made != -EEXIST ? made : fd;
    if (!is_directory(fd)) return fd;
    raw_syscall(SYS_close, fd);
    return -EISDIR;
}

} // namespace ct::internal::child
