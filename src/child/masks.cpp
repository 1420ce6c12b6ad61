// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include <cerrno>

#include "child/files.hpp"

namespace ct::internal::child {

namespace {

constexpr std::uint64_t Locked = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

/// Opens what is to be masked. -ENOENT if it is missing and may be.
///
/// Who can change the image's files while the container starts could lead "/proc" to a directory of his own, so that a
/// directory of his is masked and the real file is not: it has to be the real thing, and the rest is opened below it.
long open_masked(const Context& context, const MaskArgs& args) noexcept {
    if (args.base == nullptr) return open_in(context.root_fd, args.path, 0);
    const ScopedFd base(open_in(context.root_fd, args.base, O_DIRECTORY));
    if (base.get() < 0) return args.base_may_be_missing ? base.get() : -ENODEV;
    struct statfs status;
    const long error = raw_syscall(SYS_fstatfs, base.get(), &status);
    if (error < 0) return error;
    const ScopedFd found(open_below(base.get(), args.below));
    if (static_cast<std::uint32_t>(status.f_type) != args.magic) {
        return found.get() < 0 && args.base_may_be_missing ? found.get() : -ENODEV;
    }
    return found.get() < 0 ? found.get() : raw_syscall(SYS_fcntl, found.get(), F_DUPFD_CLOEXEC, 0);
}

bool is_missing(long result) noexcept {
    return result == -ENOENT || result == -ENOTDIR;
}

/// The null device of the host: the one in the image may be anything.
long open_null(Context& context) noexcept {
    if (context.null_fd >= 0) return 0;
    const long null = raw_syscall(SYS_openat, AT_FDCWD, "/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (null < 0) return null;
    context.null_fd = static_cast<int>(null);
    struct statx status;
    const long error = look_at(null, status);
    if (error < 0) return error;
    const bool genuine =
        (status.stx_mode & TypeMask) == CharacterType && status.stx_rdev_major == 1 && status.stx_rdev_minor == 3;
    return genuine ? 0 : -ENXIO;
}

long mask_file(Context& context, long target) noexcept {
    const long error = open_null(context);
    if (error < 0) return error;
    const ScopedFd tree(copied_tree(context.null_fd, "", false));
    const long masked = tree.get() < 0 ? tree.get() : attach(tree.get(), target);
    if (!is_lacking(masked)) return masked;
    return classic_mount(context, target, true, {.source = FdPath(context.null_fd).get(), .flags = Bind});
}

long mask_directory(Context& context, long target) noexcept {
    // All share one file system: it is empty, and stays so.
    const long tree =
        context.empty_fd >= 0 ? copied_tree(context.empty_fd, "", false) : empty_file_system("tmpfs", Locked);
    const long masked = tree < 0 ? tree : attach(tree, target);
    if (masked >= 0 && context.empty_fd < 0) {
        context.empty_fd = static_cast<int>(tree);
    } else if (tree >= 0) {
        raw_syscall(SYS_close, tree);
    }
    if (!is_lacking(masked)) return masked;
    // The attributes have the values of the MS_ flags.
    return classic_mount(context, target, false, {.source = "tmpfs", .type = "tmpfs", .flags = Locked});
}

long classic_read_only(Context& context, const MaskArgs& args, long target, bool is_file) noexcept {
    // Not recursively: what is mounted below is left out, rather than left writable.
    const FdPath path(target);
    const char* const source = is_file ? path.get() : ".";
    const long error = classic_mount(context, target, is_file, {.source = source, .flags = Bind});
    if (error < 0) return error;
    const ScopedFd top(open_masked(context, args));
    return top.get() < 0 ? top.get() : classic_remount(context, top.get(), ReadOnlyMount);
}

} // namespace

long mask_path(Context& context, const MaskArgs& args) noexcept {
    const ScopedFd target(open_masked(context, args));
    if (target.get() < 0) return is_missing(target.get()) ? 0 : target.get();
    struct statx status;
    const long error = look_at(target.get(), status);
    if (error < 0) return error;
    const bool is_directory = (status.stx_mode & TypeMask) == DirectoryType;
    return is_directory ? mask_directory(context, target.get()) : mask_file(context, target.get());
}

long read_only_path(Context& context, const MaskArgs& args) noexcept {
    const ScopedFd target(open_masked(context, args));
    if (target.get() < 0) return is_missing(target.get()) ? 0 : target.get();
    const ScopedFd tree(copied_tree(target.get(), "", true));
    long error = tree.get();
    if (error >= 0) error = set_attributes(tree.get(), {MOUNT_ATTR_RDONLY}, true);
    if (error >= 0) error = attach(tree.get(), target.get());
    if (!is_lacking(error)) return error;
    struct statx status;
    const long looked = look_at(target.get(), status);
    if (looked < 0) return looked;
    return classic_read_only(context, args, target.get(), (status.stx_mode & TypeMask) != DirectoryType);
}

} // namespace ct::internal::child
