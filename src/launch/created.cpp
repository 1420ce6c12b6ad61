// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/split_path.hpp"
#include "base/sys.hpp"
#include "launch/failure.hpp"

namespace ct::internal {

namespace {

/// Whether the root directory is an overlay, and what was made in it is looked for in its upper directory: that has the
/// inode numbers of the overlay, but not its device.
bool is_overlay(const Plan& plan) {
    const auto covers = [](const Step& step) {
        return step.op == Op::AttachOverlay && static_cast<const OverlayArgs*>(step.args)->place.root != nullptr;
    };
    return std::any_of(plan.steps.steps().begin(), plan.steps.steps().end(), covers);
}

/// For as long as it lives no other container begins to use the directory.
class Alone {
public:
    explicit Alone(const FilesRoot& root) : root_(root), locked_(::flock(root.lock, LOCK_EX | LOCK_NB) == 0) {}
    Alone(const Alone&) = delete;
    Alone& operator=(const Alone&) = delete;
    ~Alone() {
        if (locked_) ::flock(root_.lock, LOCK_SH | LOCK_NB);
    }

    explicit operator bool() const { return locked_; }

private:
    const FilesRoot& root_;
    bool locked_;
};

void remove_entry(int root, std::string_view path, const CreatedEntry& entry, bool any_device) {
    if (path.find('/') == std::string_view::npos) return;
    const auto [directory, name] = split_path(path);
    const UniqueFd parent = sys::open_directory_in(root, directory);
    struct stat status {};
    if (!parent || ::fstatat(parent.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) return;
    const bool ours = status.st_ino == entry.inode &&
                      (any_device || status.st_dev == ::makedev(entry.device_major, entry.device_minor)) &&
                      (status.st_mode & S_IFMT) == entry.type && (entry.type != S_IFREG || status.st_size == 0);
    // A directory in which something was put meanwhile stays: rmdir refuses.
    if (ours) ::unlinkat(parent.get(), name.c_str(), entry.type == S_IFDIR ? AT_REMOVEDIR : 0);
}

std::string_view path_of(const Plan& plan, const CreatedEntry& entry) {
    const std::string_view path = plan.steps.info(entry.step).path;
    return entry.length == CreatedEntry::WholePath ? path : path.substr(0, entry.length);
}

/// \p path as seen from \p target; empty if it is not below.
std::string_view path_below(std::string_view path, std::string_view target) {
    if (target == "/") return path;
    if (!path.starts_with(target) || path.size() <= target.size() || path[target.size()] != '/') return {};
    return path.substr(target.size());
}

} // namespace

void remove_created(const Plan& plan, std::span<const CreatedEntry> created, int root_lock,
                    std::span<const FilesRoot> bound) {
    if (created.empty()) return;
    std::vector<FilesRoot> roots(bound.begin(), bound.end());
    if (root_lock >= 0) roots.push_back({"/", root_lock, root_lock});
    for (const FilesRoot& root : roots) {
        const Alone alone(root);
        if (!alone) continue;
        const bool any_device = root.target == "/" && is_overlay(plan);
        // Whether it was created in this directory or in one that was mounted over it, its identity tells.
        for (std::size_t i = created.size(); i-- > 0;) {
            const std::string_view path = path_below(path_of(plan, created[i]), root.target);
            if (!path.empty()) remove_entry(root.directory, path, created[i], any_device);
        }
    }
}

} // namespace ct::internal
