// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "host_side.hpp"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "area/image.hpp"
#include "area/overlay_view.hpp"
#include "base/concat.hpp"
#include "base/sys.hpp"
#include "config/defaults.hpp"
#include "config/names.hpp"
#include "config/paths.hpp"
#include "config/validate.hpp"
#include "state/cleanup.hpp"

namespace ct::internal {

namespace {

constexpr int DetachedUmount = 2; // MNT_DETACH; <sys/mount.h> and <linux/mount.h> exclude each other

/// For reading if that is allowed, so that it can be locked.
UniqueFd open_directory(const std::string& path, std::string_view action) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) return sys::above_stdio(UniqueFd(fd), Stage::Root, action);
    if (errno == EACCES) return sys::open(path, O_PATH | O_DIRECTORY, Stage::Root, action);
    throw sys::error(errno, Stage::Root, action, path);
}

} // namespace

HostSide::HostSide(const Spec& spec, const Announce& announce, const Warn& warn, HostNetwork& network,
                   const std::string& name) {
    open_files_root(spec);
    open_bound_directories(spec);
    if (HostLinks::needed(spec.network)) links_ = std::make_shared<HostLinks>(spec.network);
    if (HostNics::needed(spec.network)) nics_ = std::make_shared<HostNics>(spec.network, warn);
    if (spec.root && !makes_namespace(spec, Namespace::Mount)) {
        if (spec.private_area) mount_private_area(spec, std::get<BindDir>(*spec.private_area), announce);
        chroot_ = sys::open(spec.root->path, O_PATH | O_DIRECTORY, Stage::Root, "open the root");
        if (spec.root->host_mounts) watch_mounts(spec);
    }
    if (!spec.network.bridges.empty()) {
        bridges_ = std::make_shared<BridgeUse>(network, network.take(spec.network, name, *links_));
    }
}

HostSide HostSide::adopted(UniqueFd chroot) {
    HostSide side;
    side.chroot_ = std::move(chroot);
    return side;
}

void HostSide::open_files_root(const Spec& spec) {
    if (spec.root) {
        files_root_ = open_directory(spec.root->path, "open the root");
        if (spec.private_area) open_area(spec);
    } else if (!spec.mounts.empty() || spec.default_mounts || spec.default_devices || spec.network.names) {
        files_root_ = open_directory("/", "open the root");
    }
    // Fails for a directory that was opened by O_PATH, or that somebody has locked alone: then nothing is removed
    // later.
    if (files_root_) (void)::flock(files_root_.get(), LOCK_SH | LOCK_NB);
}

void HostSide::open_area(const Spec& spec) {
    const bool covers = covers_root(*spec.private_area);
    if (const auto* bind = std::get_if<BindDir>(&*spec.private_area)) {
        UniqueFd area = open_directory(bind->source, "open the private area");
        if (covers) files_root_ = std::move(area);
        return;
    }
    if (const auto* overlay = std::get_if<OverlayArea>(&*spec.private_area)) open_upper(*overlay);
    if (const auto* image = std::get_if<ImageArea>(&*spec.private_area)) {
        image_ = open_image(*image, has_namespace(spec, Namespace::User));
    }
    // Nothing is made in the root directory itself then; and what is gone with the container need not be removed.
    if (covers) files_root_.reset();
}

void HostSide::open_upper(const OverlayArea& overlay) {
    if (overlay.upper.empty()) return;
    upper_ = open_directory(overlay.upper, "open the upper directory of the overlay");
    work_ = open_directory(overlay.work, "open the work directory of the overlay");
    check_upper(overlay, upper_.get(), work_.get());
    lock_upper(overlay, upper_.get());
    lock_work(overlay, work_.get());
}

void HostSide::open_bound_directories(const Spec& spec) {
    std::vector<std::pair<std::string, std::string>> binds; // targets and sources
    const auto* const area = spec.private_area ? std::get_if<BindDir>(&*spec.private_area) : nullptr;
    if (area != nullptr && !covers_root(*area)) binds.emplace_back(normal_path(area->target), area->source);
    for (const Mount& mount : spec.mounts) {
        if (mount.type.empty()) binds.emplace_back(normal_path(mount.target), mount.source);
    }
    if (binds.empty()) return;
    std::vector<std::string> targets;
    if (spec.default_mounts || spec.default_devices) targets.emplace_back("/dev/null");
    for (const Mount& mount : spec.mounts) targets.push_back(normal_path(mount.target));
    for (const Device& device : spec.devices) targets.push_back(normal_path(device.path));
    for (const std::string_view path : name_files(spec)) targets.emplace_back(path);
    if (spec.cgroup.mount != CgroupMount::None) targets.emplace_back(CgroupPlace);
    for (auto& [target, source] : binds) {
        const std::string below = target + '/';
        if (std::none_of(targets.begin(), targets.end(),
                         [&](const std::string& other) { return other.starts_with(below); })) {
            continue;
        }
        // A missing one is reported by the plan, and for files there is nothing to do.
        UniqueFd directory(::open(source.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!directory) continue;
        directory = sys::above_stdio(std::move(directory), Stage::Mounts, "duplicate a directory");
        if (::flock(directory.get(), LOCK_SH | LOCK_NB) < 0) continue;
        bound_.push_back({std::move(target), directory.get(), directory.get()});
        bound_directories_.push_back(std::move(directory));
    }
}

namespace {

/// What a path leads to in the root; empty if there is nothing.
UniqueFd open_in_root(int root, const std::string& path) noexcept {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    return UniqueFd(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
}

} // namespace

void HostSide::watch_mounts(const Spec& spec) {
    const auto root =
        std::make_shared<UniqueFd>(sys::open(spec.root->path, O_PATH | O_DIRECTORY, Stage::Root, "open the root"));
    std::vector<std::string> targets;
    for (const Mount& mount : spec.mounts) targets.push_back(mount.target);
    // Devices are bound where none can be made.
    for (const Device& device : spec.devices) targets.push_back(device.path);
    for (const std::string& target : targets) {
        const UniqueFd before = open_in_root(root->get(), target);
        teardown_.add([root, target, present = before ? mount_id(before.get()) : 0] {
            // Nothing was mounted if it is still what it was, or on the mount of its directory.
            const UniqueFd now = open_in_root(root->get(), target);
            const UniqueFd parent = open_in_root(root->get(), target + "/..");
            if (!now) return;
            const std::uint64_t id = mount_id(now.get());
            if (id == present || (parent && present == 0 && id == mount_id(parent.get()))) return;
            ::syscall(SYS_umount2, concat("/proc/self/fd/", now.get()).c_str(), DetachedUmount);
        });
    }
}

void HostSide::mount_private_area(const Spec& spec, const BindDir& area, const Announce& announce) {
    const auto fail = [&](std::string_view action, const std::string& path) {
        return sys::error(errno, Stage::Root, action, path);
    };
    const UniqueFd root = sys::open(spec.root->path, O_PATH | O_DIRECTORY, Stage::Root, "open the root");
    const UniqueFd target = sys::open_directory_in(root.get(), area.target);
    if (!target)
        throw fail(concat("in the root '", spec.root->path, "' open the target of the private area"), area.target);
    const auto tree = std::make_shared<UniqueFd>(
        static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, area.source.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
    if (!*tree) throw fail("copy the mount of the private area", area.source);
    if (area.read_only) {
        mount_attr attributes{};
        attributes.attr_set = MOUNT_ATTR_RDONLY;
        if (::syscall(SYS_mount_setattr, tree->get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) < 0) {
            throw fail("make read-only the private area", area.source);
        }
    }
    sys::fault_point(Stage::Root, "mount the private area on", spec.root->path);
    if (announce) announce({path_of_fd(target.get()), mount_id(tree->get())});
    if (::syscall(SYS_move_mount, tree->get(), "", target.get(), "",
                  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0) {
        throw fail(concat("mount the private area '", area.source, "' on"), spec.root->path);
    }
    // By descriptor: whatever happens to the path meanwhile, this very mount is taken away.
    teardown_.add([tree] { ::syscall(SYS_umount2, concat("/proc/self/fd/", tree->get()).c_str(), DetachedUmount); });
}

void HostSide::take_over(std::shared_ptr<HostLinks> links) {
    if (links_) {
        links_->take_over(*links);
    } else {
        links_ = std::move(links);
    }
}

void HostSide::take_over(std::shared_ptr<HostNics> nics) {
    if (nics_) {
        nics_->take_over(*nics);
    } else {
        nics_ = std::move(nics);
    }
}

} // namespace ct::internal
