// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <string>

#include "base/sys.hpp"
#include "launch/failure.hpp"

namespace ct::internal {

namespace {

std::string_view target_of(const Step& step) {
    switch (step.op) {
    case Op::Mount: return static_cast<const MountArgs*>(step.args)->target;
    case Op::AttachOverlay: return static_cast<const OverlayArgs*>(step.args)->place.target;
    case Op::AttachTree: return static_cast<const TreeArgs*>(step.args)->place.target;
    default: return static_cast<const PathArgs*>(step.args)->path;
    }
}

/// Whether the root directory is an overlay, and what was made in it is looked for in its upper directory: that has the
/// inode numbers of the overlay, but not its device.
bool is_overlay(const Plan& plan) {
    const auto covers = [](const Step& step) {
        return step.op == Op::AttachOverlay && static_cast<const OverlayArgs*>(step.args)->place.root != nullptr;
    };
    return std::any_of(plan.steps.steps().begin(), plan.steps.steps().end(), covers);
}

void remove_entry(int root, std::string_view path, const CreatedEntry& entry, bool any_device) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) return;
    const UniqueFd parent = sys::open_directory_in(root, slash == 0 ? "/" : std::string(path.substr(0, slash)));
    const std::string name(path.substr(slash + 1));
    struct stat status {};
    if (!parent || ::fstatat(parent.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) return;
    const bool ours =
        status.st_ino == entry.inode &&
        (any_device || status.st_dev == ::makedev(entry.device_major, entry.device_minor)) &&
        (entry.is_directory != 0 ? S_ISDIR(status.st_mode) : S_ISREG(status.st_mode) && status.st_size == 0);
    // A directory in which something was put meanwhile stays: rmdir refuses.
    if (ours) ::unlinkat(parent.get(), name.c_str(), entry.is_directory != 0 ? AT_REMOVEDIR : 0);
}

} // namespace

void remove_created(const Plan& plan, const Handshake& handshake, int root_lock) noexcept {
    if (handshake.created_count == 0 || root_lock < 0 || ::flock(root_lock, LOCK_EX | LOCK_NB) < 0) return;
    const bool any_device = is_overlay(plan);
    for (std::uint32_t i = std::min(handshake.created_count, Handshake::MaxCreated); i-- > 0;) {
        const CreatedEntry& entry = handshake.created[i];
        const auto& step = plan.steps.steps().at(entry.step);
        const std::string_view target = target_of(step).substr(0, entry.length);
        remove_entry(root_lock, target, entry, any_device);
    }
}

} // namespace ct::internal
