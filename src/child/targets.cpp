// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <sys/syscall.h>

#include <cerrno>

#include "child/files.hpp"

namespace ct::internal::child {

namespace {

constexpr std::size_t PathMax = 4096;

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

} // namespace ct::internal::child
