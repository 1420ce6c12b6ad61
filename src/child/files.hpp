// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <linux/mount.h>
#include <linux/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>

#include "child/child_ops.hpp"
#include "child/raw_syscall.hpp"
#include "child/scoped_fd.hpp"

/// What the operations on files have in common.
namespace ct::internal::child {

inline constexpr int AtRecursive = 0x8000; // AT_RECURSIVE, from <linux/fcntl.h>, which <fcntl.h> excludes

// <sys/mount.h> cannot be included together with <linux/mount.h>.
inline constexpr unsigned long DetachedUmount = 2;  // MNT_DETACH
inline constexpr unsigned long NoFollowUmount = 8;  // UMOUNT_NOFOLLOW
inline constexpr unsigned long ReadOnlyMount = 1;   // MS_RDONLY
inline constexpr unsigned long Remount = 32;        // MS_REMOUNT
inline constexpr unsigned long Bind = 4096;         // MS_BIND
inline constexpr unsigned long Recursive = 1 << 14; // MS_REC
inline constexpr unsigned long Slave = 1 << 19;     // MS_SLAVE

// Of a file's mode, see inode(7).
inline constexpr std::uint32_t TypeMask = 0170000U;
inline constexpr std::uint32_t SocketType = 0140000U;
inline constexpr std::uint32_t LinkType = 0120000U;
inline constexpr std::uint32_t RegularType = 0100000U;
inline constexpr std::uint32_t DirectoryType = 0040000U;
inline constexpr std::uint32_t CharacterType = 0020000U;

/// Opens \p path with \p root as "/": neither ".." nor a symbolic link, nor a rename under way, leads out of it.
long open_in(long root, const char* path, std::uint64_t flags) noexcept;

/// The same, for what is in it: with O_RDONLY and the like.
long open_content_in(long root, const char* path, std::uint64_t flags) noexcept;

/// The first without following any link at all.
long open_in_strictly(long root, const char* path, std::uint64_t flags) noexcept;

/// Opens \p path below the directory \p base, which has no hostile links.
long open_below(long base, const char* path) noexcept;

/// What statx(2) tells of an open file. \returns -errno
inline long look_at(long fd, struct statx& status) noexcept {
    constexpr int empty_path = 0x1000; // AT_EMPTY_PATH
    return raw_syscall(SYS_statx, fd, "", empty_path, STATX_BASIC_STATS, &status);
}

/// Opens a mount's target inside the root, creating what is missing of it.
long open_target(Context& context, const char* target, bool is_file) noexcept;

/// The same for a file that is to be covered even if it is a symbolic link: nothing happens where that leads.
long open_entry(Context& context, const char* target) noexcept;

/// Remembers what was created, by identity, so that the parent removes nothing else after a failure.
/// \param length  of the part of the present step's path that names it
void remember_created(Context& context, const struct statx& status, std::size_t length) noexcept;

/// What mount_setattr(2) changes.
struct Attributes {
    std::uint64_t set;
    std::uint64_t cleared = 0;
    std::uint64_t propagation = 0;
};
long set_attributes(long tree, const Attributes& attributes, bool recursive) noexcept;

/// A copy of the tree at \p source, or of \p fd if \p source is "", mounted nowhere yet.
long copied_tree(long fd, const char* source, bool recursive) noexcept;

/// A new file system without options, mounted nowhere yet.
long empty_file_system(const char* type, std::uint64_t attributes) noexcept;

long attach(long tree, long target) noexcept;

/// Keeps what the file system said of a failed configuration: it knows more than errno.
void keep_message(Context& context, long fs_fd) noexcept;

/// A new file system with these attributes, mounted nowhere yet.
long new_file_system(Context& context, const MountArgs& args, std::uint64_t attributes) noexcept;

/// Fills the new tmpfs whose root is \p copy with what the directory \p source holds.
long copy_up(Context& context, long source, long copy) noexcept;

/// \name Without the calls that came with Linux 5.2 and 5.12
/// @{

/// Whether the kernel, or somebody's filter of system calls, may lack the call that gave \p result.
inline bool is_lacking(long result) noexcept {
    return result == -ENOSYS || result == -EPERM;
}

/// mount(2) on an open file or directory.
struct ClassicMount {
    const char* source;
    const char* type = nullptr;
    std::uint64_t flags = 0;
    const char* data = nullptr;
};
long classic_mount(const Context& context, long target, bool by_path, const ClassicMount& mount) noexcept;

/// Changes the flags of one mount by its root directory or file.
long classic_remount(const Context& context, long top, std::uint64_t flags) noexcept;

long classic_bind(Context& context, const MountArgs& args, long target) noexcept;
long classic_file_system(Context& context, const MountArgs& args, long target) noexcept;

/// "/proc/self/fd/N".
class FdPath {
public:
    explicit FdPath(long fd) noexcept;
    [[nodiscard]] const char* get() const noexcept { return text_; }

private:
    char text_[32];
};
/// @}

} // namespace ct::internal::child
