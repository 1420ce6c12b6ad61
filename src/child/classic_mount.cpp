// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include <cerrno>

#include "child/files.hpp"

/// Mounting with mount(2) alone. Its targets are paths: the working directory, or one in /proc/self/fd.
namespace ct::internal::child {

namespace {

/// A fake /proc could lead anywhere in the container.
long check_proc() noexcept {
    struct statfs status;
    const long error = raw_syscall(SYS_statfs, "/proc", &status);
    if (error < 0) return error;
    return status.f_type == PROC_SUPER_MAGIC ? 0 : -ENOSYS;
}

bool same_file(long a, long b) noexcept {
    struct statx first;
    struct statx second;
    return look_at(a, first) >= 0 && look_at(b, second) >= 0 && first.stx_ino == second.stx_ino &&
           first.stx_dev_major == second.stx_dev_major && first.stx_dev_minor == second.stx_dev_minor;
}

/// Sets what is left for a mount that is there already. \p top is its root.
long finish(const Context& context, const MountArgs& args, long top, std::uint64_t flags) noexcept {
    long error = flags != 0 ? classic_remount(context, top, flags) : 0;
    if (error >= 0 && args.propagation != 0) {
        const std::uint64_t how = args.propagation | (args.recursive ? Recursive : 0);
        error = classic_mount(context, top, args.target_is_file, {.source = nullptr, .flags = how});
    }
    return error;
}

} // namespace

FdPath::FdPath(long fd) noexcept {
    const char* const prefix = "/proc/self/fd/";
    char* end = text_;
    for (const char* from = prefix; *from != '\0'; ++from) *end++ = *from;
    char digits[20];
    int count = 0;
    do {
        digits[count++] = static_cast<char>('0' + fd % 10);
        fd /= 10;
    } while (fd > 0);
    while (count > 0) *end++ = digits[--count];
    *end = '\0';
}

long classic_mount(const Context& context, long target, bool by_path, const ClassicMount& mount) noexcept {
    const auto mount_on = [&](const char* path) noexcept {
        return raw_syscall(SYS_mount, mount.source, path, mount.type, mount.flags, mount.data);
    };
    if (by_path) {
        const long error = check_proc();
        return error < 0 ? error : mount_on(FdPath(target).get());
    }
    const long moved = raw_syscall(SYS_fchdir, target);
    if (moved < 0) return moved;
    const long error = mount_on(".");
    const long home = context.home_fd >= 0 ? raw_syscall(SYS_fchdir, context.home_fd) : 0;
    return home < 0 ? home : error;
}

long classic_remount(const Context& context, long top, std::uint64_t flags) noexcept {
    struct statx kind;
    struct statfs status;
    long error = look_at(top, kind);
    if (error >= 0) error = raw_syscall(SYS_fstatfs, top, &status);
    if (error < 0) return error;
    // mount(2): MS_REMOUNT | MS_BIND sets all flags of this mount, so restate those that it has. Up to MS_NODIRATIME
    // they are the same as in statfs(2), ST_VALID (32) and ST_RELATIME (4096) apart.
    constexpr long same = 1 | 2 | 4 | 8 | 1024 | 2048;
    constexpr unsigned long no_symlinks = 256;    // MS_NOSYMFOLLOW
    constexpr unsigned long relative = 1UL << 21; // MS_RELATIME
    constexpr unsigned long strict = 1UL << 24;   // MS_STRICTATIME
    unsigned long all = static_cast<unsigned long>(status.f_flags & same);
    if ((status.f_flags & 0x2000) != 0) all |= no_symlinks;
    constexpr unsigned long times = 1024 | relative | strict;
    if ((flags & times) != 0) all &= ~1024UL;
    all |= flags;
    if ((all & times) == 0) all |= (status.f_flags & 4096) != 0 ? relative : strict;
    const bool is_file = (kind.stx_mode & TypeMask) != DirectoryType;
    return classic_mount(context, top, is_file, {.source = nullptr, .flags = Remount | Bind | all});
}

long classic_bind(Context& context, const MountArgs& args, long target) noexcept {
    // Without mount_setattr(2) only one mount at a time can be changed.
    if (args.recursive && (args.attributes | args.cleared) != 0) return -ENOSYS;
    const std::uint64_t how = Bind | (args.recursive ? Recursive : 0);
    const long error = classic_mount(context, target, args.target_is_file, {.source = args.source, .flags = how});
    if (error < 0 || (args.flags | args.propagation) == 0) return error;
    const ScopedFd source(raw_syscall(SYS_openat, AT_FDCWD, args.source, O_PATH | O_CLOEXEC));
    const ScopedFd top(open_in(context.root_fd, args.target, 0));
    if (source.get() < 0) return source.get();
    if (top.get() < 0) return top.get();
    // Somebody may have put something else into the target's place meanwhile.
    if (!same_file(source.get(), top.get())) return -ESTALE;
    return finish(context, args, top.get(), args.flags);
}

long classic_file_system(Context& context, const MountArgs& args, long target) noexcept {
    if (args.data == nullptr) return -ENOSYS;
    const bool later = args.copy_up && (args.flags & ReadOnlyMount) != 0;
    const std::uint64_t flags = later ? args.flags & ~ReadOnlyMount : args.flags;
    const long error = classic_mount(context, target, args.takes_paths, {args.source, args.type, flags, args.data});
    if (error < 0 || (!args.copy_up && args.propagation == 0)) return error;
    const ScopedFd top(open_in(context.root_fd, args.target, O_DIRECTORY));
    if (top.get() < 0) return top.get();
    if (same_file(target, top.get())) return -ESTALE;
    const long copied = args.copy_up ? copy_up(context, target, top.get()) : 0;
    return copied < 0 ? copied : finish(context, args, top.get(), later ? ReadOnlyMount : 0);
}

} // namespace ct::internal::child
