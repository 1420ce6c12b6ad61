// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/stat.h>
#include <sys/syscall.h>

#include <cerrno>

#include "child/files.hpp"

/// Private areas other than binds.
namespace ct::internal::child {

namespace {

constexpr std::size_t TextMax = 256; // fsconfig(2): with the NUL
constexpr std::size_t NumberMax = 12;

long open_directory_at(long directory, const char* path) noexcept {
    return raw_syscall(SYS_openat, directory, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/// The mount point of an area. What takes the place of the root directory goes over "/": there it hides nothing from
/// this process, whose root is below it, and sources of mounts are what the host has at that path.
long open_place(Context& context, const AreaPlace& place) noexcept {
    return place.root != nullptr ? open_directory_at(AT_FDCWD, "/") : open_target(context, place.target, false);
}

/// Attaches \p tree to its place; in place of the root directory it is the root from now on.
long settle(Context& context, const AreaPlace& place, long target, long tree) noexcept {
    const long error = attach(tree, target);
    if (error >= 0 && place.root != nullptr) context.root_fd = static_cast<int>(tree);
    return error;
}

/// Appends a number to \p text. \returns its new length, or 0 if it does not fit
std::size_t append_number(char* text, std::size_t length, long number) noexcept {
    char digits[NumberMax];
    std::size_t count = 0;
    do {
        digits[count++] = static_cast<char>('0' + number % 10);
        number /= 10;
    } while (number > 0);
    if (length + count >= TextMax) return 0;
    while (count > 0) text[length++] = digits[--count];
    text[length] = '\0';
    return length;
}

/// The directories of an overlay by descriptor, so that neither their names nor their number can be a difficulty, and
/// no path of the host is seen in the container's mount table.
struct Layers {
    int lower[OverlayArgs::MaxLower];
    std::uint32_t count = 0;
    long upper = -1;
    long work = -1;
    bool keeps_upper = false; ///< It was offered to the parent.

    Layers() noexcept = default; // leaves `lower` as it is
    Layers(const Layers&) = delete;
    Layers& operator=(const Layers&) = delete;
    ~Layers() {
        for (std::uint32_t i = 0; i < count; ++i) raw_syscall(SYS_close, lower[i]);
        if (upper >= 0 && !keeps_upper) raw_syscall(SYS_close, upper);
        if (work >= 0) raw_syscall(SYS_close, work);
    }
};

/// Opens directory number \p index of the plan's, which an error then tells.
long open_layer(Context& context, std::uint32_t index, const char* path) noexcept {
    const long fd = open_directory_at(AT_FDCWD, path);
    if (fd < 0) context.handshake.candidate = index + 1;
    return fd;
}

long open_lower(Context& context, const OverlayArgs& args, long target, Layers& layers) noexcept {
    if (args.lower_count == 0) {
        const char* const root = args.place.root;
        const long fd = root != nullptr ? open_directory_at(AT_FDCWD, root) : open_directory_at(target, ".");
        if (fd < 0) return fd;
        layers.lower[layers.count++] = static_cast<int>(fd);
    }
    for (std::uint32_t i = 0; i < args.lower_count; ++i) {
        const long fd = open_layer(context, i, args.lower[i]);
        if (fd < 0) return fd;
        layers.lower[layers.count++] = static_cast<int>(fd);
    }
    return 0;
}

/// The upper directory is what the overlay's own root looks like.
long copy_attributes(long from, long directory, const char* name) noexcept {
    struct statx status;
    long error = raw_syscall(SYS_statx, from, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &status);
    if (error < 0) return error;
    error = raw_syscall(SYS_fchownat, directory, name, status.stx_uid, status.stx_gid, AT_SYMLINK_NOFOLLOW);
    if (error < 0 && error != -EINVAL) return error; // EINVAL: an id that this user namespace has not
    return raw_syscall(SYS_fchmodat, directory, name, status.stx_mode & 07777U);
}

/// A throw-away upper on a tmpfs, which is mounted at \p target until finish_upper(): before Linux 6.15 overlays refuse
/// a file system that is mounted nowhere.
long make_upper(Context& context, const OverlayArgs& args, long target, Layers& layers) noexcept {
    MountOption size;
    size.key = "size";
    size.value = args.size;
    MountArgs tmpfs;
    tmpfs.source = "tmpfs";
    tmpfs.target = nullptr;
    tmpfs.type = "tmpfs";
    tmpfs.options = &size;
    tmpfs.option_count = args.size != nullptr ? 1 : 0;
    tmpfs.data = nullptr;
    tmpfs.attributes = 0;
    tmpfs.recursive = false;
    tmpfs.target_is_file = false;
    const ScopedFd tree(new_file_system(context, tmpfs, 0));
    long error = tree.get() < 0 ? tree.get() : attach(tree.get(), target);
    if (error >= 0) error = raw_syscall(SYS_mkdirat, tree.get(), "work", 0700);
    if (error >= 0) error = layers.work = open_directory_at(tree.get(), "work");
    if (error >= 0) error = raw_syscall(SYS_mkdirat, tree.get(), "upper", 0755);
    if (error >= 0) error = copy_attributes(layers.lower[0], tree.get(), "upper");
    if (error >= 0) error = layers.upper = open_directory_at(tree.get(), "upper");
    return error;
}

long open_upper(Context& context, const OverlayArgs& args, Layers& layers) noexcept {
    layers.upper = open_layer(context, args.lower_count, args.upper);
    if (layers.upper < 0) return layers.upper;
    layers.work = open_layer(context, args.lower_count + 1, args.work);
    return layers.work;
}

/// Takes the tmpfs out of the mount table again: only the overlay has it now, and the parent.
long finish_upper(Context& context, Layers& layers) noexcept {
    const ScopedFd top(open_directory_at(layers.upper, ".."));
    long error = top.get() < 0 ? top.get() : raw_syscall(SYS_fchdir, top.get());
    if (error >= 0) error = raw_syscall(SYS_umount2, ".", DetachedUmount);
    context.handshake.offered[OverlayArgs::UpperSlot] = static_cast<std::int32_t>(layers.upper);
    layers.keeps_upper = true;
    return error;
}

/// A file system under configuration; the first error ends it.
class FileSystem {
public:
    FileSystem(Context& context, const char* type) noexcept
        : context_(context), fd_(raw_syscall(SYS_fsopen, type, FSOPEN_CLOEXEC)), error_(fd_.get()) {}

    void set(const char* key, const char* value) noexcept {
        configure(value != nullptr ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value);
    }
    void set_number(const char* key, long number) noexcept {
        char text[TextMax];
        append_number(text, 0, number);
        set(key, text);
    }
    [[nodiscard]] long create() noexcept {
        configure(FSCONFIG_CMD_CREATE, nullptr, nullptr);
        return error_ < 0 ? error_ : raw_syscall(SYS_fsmount, fd_.get(), FSMOUNT_CLOEXEC, 0);
    }

private:
    void configure(unsigned command, const char* key, const char* value) noexcept {
        if (error_ < 0) return;
        error_ = raw_syscall(SYS_fsconfig, fd_.get(), command, key, value, 0);
        if (error_ < 0) keep_message(context_, fd_.get());
    }

    Context& context_;
    const ScopedFd fd_;
    long error_;
};

/// All lower directories as one string where that is possible: one by one they are taken since Linux 6.5.
void set_lower(FileSystem& overlay, const Layers& layers) noexcept {
    char text[TextMax];
    std::size_t length = append_number(text, 0, layers.lower[0]);
    for (std::uint32_t i = 1; i < layers.count && length > 0; ++i) {
        text[length++] = ':';
        length = append_number(text, length, layers.lower[i]);
    }
    if (length > 0) {
        overlay.set("lowerdir", text);
        return;
    }
    for (std::uint32_t i = 0; i < layers.count; ++i) overlay.set_number("lowerdir+", layers.lower[i]);
}

/// An overlay of the layers, mounted nowhere yet. The working directory is the one of the process's descriptors, so
/// that a number is a path.
long new_overlay(Context& context, const OverlayArgs& args, const Layers& layers) noexcept {
    const ScopedFd fds(open_directory_at(AT_FDCWD, "/proc/self/fd"));
    const long moved = fds.get() < 0 ? fds.get() : raw_syscall(SYS_fchdir, fds.get());
    if (moved < 0) {
        context.handshake.candidate = args.lower_count + 3;
        return moved;
    }
    FileSystem overlay(context, "overlay");
    overlay.set("source", "overlay");
    set_lower(overlay, layers);
    overlay.set_number("upperdir", layers.upper);
    overlay.set_number("workdir", layers.work);
    // What the upper directory holds shall be files and marks of deletion, and mean the same over other directories.
    overlay.set("redirect_dir", "nofollow");
    overlay.set("metacopy", "off");
    overlay.set("index", "off");
    if (args.user_xattr) overlay.set("userxattr", nullptr);
    return overlay.create();
}

} // namespace

long attach_overlay(Context& context, const OverlayArgs& args) noexcept {
    const ScopedFd target(open_place(context, args.place));
    if (target.get() < 0) return target.get();
    Layers layers;
    long error = open_lower(context, args, target.get(), layers);
    if (error < 0) return error;
    error = args.upper != nullptr ? open_upper(context, args, layers) : make_upper(context, args, target.get(), layers);
    if (error < 0) return error;
    ScopedFd tree(new_overlay(context, args, layers));
    error = tree.get();
    if (error >= 0 && args.upper == nullptr) error = finish_upper(context, layers);
    if (error >= 0 && context.home_fd >= 0) error = raw_syscall(SYS_fchdir, context.home_fd);
    if (error >= 0) error = settle(context, args.place, target.get(), tree.get());
    if (error >= 0 && args.place.root != nullptr) (void)tree.release(); // it is the root's descriptor
    return error;
}

long attach_file_system(Context& context, const MountArgs& args) noexcept {
    const AreaPlace place = {args.target, nullptr};
    const ScopedFd target(open_place(context, place));
    if (target.get() < 0) return target.get();
    const long tree = new_file_system(context, args, args.attributes);
    return tree < 0 ? tree : settle(context, place, target.get(), tree);
}

long attach_tree(Context& context, const TreeArgs& args) noexcept {
    const ScopedFd target(open_place(context, args.place));
    return target.get() < 0 ? target.get() : settle(context, args.place, target.get(), args.fd);
}

} // namespace ct::internal::child
