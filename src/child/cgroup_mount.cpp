// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>

#include <cerrno>

#include "child/files.hpp"

namespace ct::internal::child {

namespace {

/// The groups by their descriptors: what is mounted next may hide their paths.
class Sources {
public:
    Sources() = default;
    Sources(const Sources&) = delete;
    Sources& operator=(const Sources&) = delete;
    ~Sources() {
        for (std::uint32_t i = 0; i < count_; ++i) raw_syscall(SYS_close, fds_[i]);
    }
    long open(const CgroupMountArgs& args) noexcept {
        if (args.tree_count > CgroupMountArgs::MaxTrees) return -E2BIG;
        for (; count_ < args.tree_count; ++count_) {
            const long fd = raw_syscall(SYS_openat, AT_FDCWD, args.trees[count_].source,
                                        O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (fd < 0) return fd;
            fds_[count_] = fd;
        }
        return 0;
    }
    [[nodiscard]] long get(std::uint32_t index) const noexcept { return fds_[index]; }

private:
    std::uint32_t count_ = 0;
    long fds_[CgroupMountArgs::MaxTrees];
};

/// A bind, which looks the same as a mount of that hierarchy made within a cgroup namespace, and needs none.
long bind_group(const Context& context, long source, long target, const char* place,
                std::uint64_t attributes) noexcept {
    const ScopedFd tree(copied_tree(source, "", false));
    long error = tree.get();
    if (error >= 0) error = set_attributes(tree.get(), {attributes}, false);
    if (error >= 0) error = attach(tree.get(), target);
    if (!is_lacking(error)) return error;
    error = classic_mount(context, target, true, {.source = FdPath(source).get(), .flags = Bind});
    if (error < 0) return error;
    const ScopedFd top(open_in(context.root_fd, place, O_DIRECTORY));
    return top.get() < 0 ? top.get() : classic_remount(context, top.get(), attributes);
}

long make_read_only(const Context& context, long top) noexcept {
    const long error = set_attributes(top, {MOUNT_ATTR_RDONLY}, false);
    return is_lacking(error) ? classic_remount(context, top, ReadOnlyMount) : error;
}

/// Fills the tmpfs whose root is \p top, in which nobody has made any links yet.
long fill(const Context& context, const CgroupMountArgs& args, const Sources& sources, long top) noexcept {
    for (std::uint32_t i = 0; i < args.tree_count; ++i) {
        const CgroupTree& tree = args.trees[i];
        long error = raw_syscall(SYS_mkdirat, top, tree.name, 0755);
        if (error < 0) return error;
        const ScopedFd target(raw_syscall(SYS_openat, top, tree.name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (target.get() < 0) return target.get();
        error = bind_group(context, sources.get(i), target.get(), tree.place, args.attributes);
        if (error < 0) return error;
    }
    for (std::uint32_t i = 0; i < args.link_count; ++i) {
        const long error = raw_syscall(SYS_symlinkat, args.links[i].content, top, args.links[i].name);
        if (error < 0) return error;
    }
    return (args.attributes & MOUNT_ATTR_RDONLY) != 0 ? make_read_only(context, top) : 0;
}

} // namespace

long mount_cgroups(Context& context, const CgroupMountArgs& args) noexcept {
    Sources sources;
    long error = sources.open(args);
    if (error < 0) return error;
    // A link in the image would only lead elsewhere in the image; but there is no good reason for one.
    const char* const place = args.tmpfs != nullptr ? args.tmpfs->target : args.trees[0].place;
    const ScopedFd present(open_in_strictly(context.root_fd, place, O_DIRECTORY));
    if (present.get() < 0 && present.get() != -ENOENT) return present.get();
    if (args.tmpfs == nullptr) {
        const ScopedFd target(open_target(context, place, false));
        if (target.get() < 0) return target.get();
        return bind_group(context, sources.get(0), target.get(), place, args.attributes);
    }
    error = mount_in_root(context, *args.tmpfs);
    if (error < 0) return error;
    const ScopedFd top(open_in(context.root_fd, place, O_DIRECTORY));
    return top.get() < 0 ? top.get() : fill(context, args, sources, top.get());
}

} // namespace ct::internal::child
