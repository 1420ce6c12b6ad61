// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/syscall.h>

#include <cerrno>

#include "child/files.hpp"

/// Copies a directory tree. The image's files are hostile: each is opened by its name alone in an open directory,
/// without following a link, and looked at again once it is open. The copy is a file system that nobody else sees yet.
namespace ct::internal::child {

namespace {

constexpr int MaxDepth = 64; ///< Each level has two descriptors and its place on the stack.

struct Entry {
    std::uint64_t inode;
    std::int64_t next; ///< Where lseek(2) finds the entry after this one.
    std::uint16_t length;
};
constexpr std::size_t NameOffset = 19; ///< Of the name, behind one byte for the type; see getdents64(2).

/// A directory that is being copied.
struct Level {
    long source;
    long copy;
    timespec times[2]; ///< Set in the end: every new entry changes them.
};

void set_times(timespec (&times)[2], const struct statx& status) noexcept {
    times[0].tv_sec = status.stx_atime.tv_sec;
    times[0].tv_nsec = status.stx_atime.tv_nsec;
    times[1].tv_sec = status.stx_mtime.tv_sec;
    times[1].tv_nsec = status.stx_mtime.tv_nsec;
}

long look_at_name(long directory, const char* name, struct statx& status) noexcept {
    return raw_syscall(SYS_statx, directory, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &status);
}

/// Those that the tmpfs or the user namespace does not take are left out.
void copy_extended_attributes(long from, long to) noexcept {
    char names[4096];
    char value[4096];
    const long length = raw_syscall(SYS_flistxattr, from, names, sizeof names);
    for (long at = 0; at < length;) {
        const char* const name = names + at;
        const long size = raw_syscall(SYS_fgetxattr, from, name, value, sizeof value);
        if (size >= 0) raw_syscall(SYS_fsetxattr, to, name, value, size, 0);
        while (at < length && names[at] != '\0') ++at;
        ++at;
    }
}

/// A user who is unknown in the user namespace cannot own the copy; then its set-id bits would be somebody else's.
std::uint32_t copied_mode(const struct statx& status, long chown_result) noexcept {
    return status.stx_mode & (chown_result < 0 ? 01777U : 07777U);
}

long copy_attributes(long from, long to, const struct statx& status) noexcept {
    const long owned = raw_syscall(SYS_fchown, to, status.stx_uid, status.stx_gid);
    if (owned < 0 && owned != -EINVAL) return owned;
    copy_extended_attributes(from, to);
    return raw_syscall(SYS_fchmod, to, copied_mode(status, owned));
}

long copy_file(const Level& level, const char* name) noexcept {
    const ScopedFd from(
        raw_syscall(SYS_openat, level.source, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (from.get() < 0) return from.get();
    struct statx status;
    long error = look_at(from.get(), status);
    if (error < 0) return error;
    if ((status.stx_mode & TypeMask) != RegularType) return -ESTALE;
    const ScopedFd to(raw_syscall(SYS_openat, level.copy, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (to.get() < 0) return to.get();
    long sent = 0;
    do {
        sent = raw_syscall(SYS_sendfile, to.get(), from.get(), nullptr, 1L << 30);
    } while (sent > 0);
    if (sent < 0) return sent;
    error = copy_attributes(from.get(), to.get(), status);
    if (error < 0) return error;
    timespec times[2];
    set_times(times, status);
    return raw_syscall(SYS_utimensat, to.get(), nullptr, times, 0);
}

/// What cannot be opened.
long copy_node(const Level& level, const char* name, const struct statx& status) noexcept {
    long error;
    if ((status.stx_mode & TypeMask) == LinkType) {
        char content[4096];
        const long length = raw_syscall(SYS_readlinkat, level.source, name, content, sizeof content - 1);
        if (length < 0) return length;
        content[length] = '\0';
        error = raw_syscall(SYS_symlinkat, content, level.copy, name);
    } else {
        const std::uint32_t minor = status.stx_rdev_minor;
        const std::uint32_t device = (minor & 0xffU) | status.stx_rdev_major << 8U | (minor & ~0xffU) << 12U;
        error = raw_syscall(SYS_mknodat, level.copy, name, (status.stx_mode & TypeMask) | 0600U, device);
    }
    if (error < 0) return error;
    const long owned = raw_syscall(SYS_fchownat, level.copy, name, status.stx_uid, status.stx_gid, AT_SYMLINK_NOFOLLOW);
    if (owned < 0 && owned != -EINVAL) return owned;
    if ((status.stx_mode & TypeMask) != LinkType) {
        error = raw_syscall(SYS_fchmodat, level.copy, name, copied_mode(status, owned));
        if (error < 0) return error;
    }
    timespec times[2];
    set_times(times, status);
    return raw_syscall(SYS_utimensat, level.copy, name, times, AT_SYMLINK_NOFOLLOW);
}

/// Begins with a directory whose both sides are open; takes over the descriptors, also on failure.
long enter(Level& level, long source, long copy) noexcept {
    level.source = source;
    level.copy = copy;
    struct statx status;
    const long error = look_at(source, status);
    if (error < 0) return error;
    set_times(level.times, status);
    return copy_attributes(source, copy, status);
}

long leave(const Level& level) noexcept {
    const long error = raw_syscall(SYS_utimensat, level.copy, nullptr, level.times, 0);
    raw_syscall(SYS_close, level.source);
    raw_syscall(SYS_close, level.copy);
    return error;
}

long open_directory(long directory, const char* name) noexcept {
    return raw_syscall(SYS_openat, directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/// Makes the directory \p name of \p level and begins with it as \p below.
long descend(const Level& level, Level& below, const char* name) noexcept {
    const long made = raw_syscall(SYS_mkdirat, level.copy, name, 0700);
    if (made < 0) return made;
    const long source = open_directory(level.source, name);
    if (source < 0) return source;
    const long copy = open_directory(level.copy, name);
    if (copy < 0) {
        raw_syscall(SYS_close, source);
        return copy;
    }
    const long error = enter(below, source, copy);
    if (error < 0) (void)leave(below);
    return error;
}

bool is_dots(const char* name) noexcept {
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/// For the parent's message.
void keep_name(Context& context, const char* name) noexcept {
    char* const message = context.handshake.message;
    std::size_t length = 0;
    for (; name[length] != '\0' && length + 1 < sizeof context.handshake.message; ++length) {
        message[length] = name[length];
    }
    message[length] = '\0';
}

/// Copies the entries of the deepest level up to the end of \p entries, or to a directory, with which a new level
/// begins.
long copy_entries(Context& context, Level* levels, int& depth, const char* entries, long length) noexcept {
    const Level& level = levels[depth - 1];
    for (long at = 0; at < length;) {
        const auto* const entry = reinterpret_cast<const Entry*>(entries + at);
        const char* const name = entries + at + NameOffset;
        at += entry->length;
        if (is_dots(name)) continue;
        struct statx status;
        long error = look_at_name(level.source, name, status);
        const std::uint32_t type = status.stx_mode & TypeMask;
        if (error >= 0 && type == DirectoryType) {
            error = depth == MaxDepth ? -ENAMETOOLONG : descend(level, levels[depth], name);
            // The rest of these entries is read again.
            if (error >= 0) error = raw_syscall(SYS_lseek, level.source, entry->next, 0);
            if (error >= 0) {
                ++depth;
                return 0;
            }
        } else if (error >= 0) {
            error = type == RegularType ? copy_file(level, name) : copy_node(level, name, status);
        }
        if (error < 0) {
            keep_name(context, name);
            return error;
        }
    }
    return 0;
}

} // namespace

long copy_up(Context& context, long source, long copy) noexcept {
    Level levels[MaxDepth + 1];
    alignas(Entry) char entries[8192];
    int depth = 0;
    // Both may have been opened for their names alone.
    const long from = open_directory(source, ".");
    const long to = from < 0 ? from : open_directory(copy, ".");
    if (to < 0) {
        if (from >= 0) raw_syscall(SYS_close, from);
        return to;
    }
    long error = enter(levels[depth++], from, to);
    while (error >= 0 && depth > 0) {
        const long length = raw_syscall(SYS_getdents64, levels[depth - 1].source, entries, sizeof entries);
        if (length > 0) {
            error = copy_entries(context, levels, depth, entries, length);
        } else {
            error = length;
            if (error == 0) error = leave(levels[--depth]);
        }
    }
    while (depth > 0) (void)leave(levels[--depth]);
    return error;
}

} // namespace ct::internal::child
