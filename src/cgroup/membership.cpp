// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/membership.hpp"

#include <fcntl.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "cgroup/control_file.hpp"

namespace ct::internal {

namespace {

/// Where below its container's group of version 2 a process is; empty if it is in that one, or not below.
std::string place_below(const Group& group, pid_t pid) {
    const Hierarchy& hierarchy = *group.hierarchy;
    const std::string above = concat("0::", hierarchy.root == "/" ? "" : hierarchy.root,
                                     group.path.substr(hierarchy.mount_point.size()), "/");
    std::ifstream file(concat("/proc/", pid, "/cgroup"));
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(above)) return line.substr(above.size());
    }
    return {};
}

/// Whether the group, or one above it that can be seen, has a limit of memory.
bool is_limited(const Group& group) {
    const bool version_2 = group.hierarchy->version == 2;
    const std::string name = version_2 ? "/memory.max" : "/memory.limit_in_bytes";
    constexpr std::uint64_t unlimited = std::uint64_t{1} << 62U; // version 1 has the largest number of whole pages
    for (std::string path = group.path;; path.resize(path.rfind('/'))) {
        std::ifstream file(path + name);
        std::uint64_t limit = unlimited;
        if (file >> limit && limit < unlimited) return true; // "max" is no number
        if (path.size() <= group.hierarchy->mount_point.size() || path.rfind('/') == 0) return false;
    }
}

} // namespace

Membership::Membership(std::shared_ptr<const Groups> groups, bool occupied) : groups_(std::move(groups)) {
    layout_.used = !groups_->empty();
    const Group* const memory = groups_->find(Controller::Memory);
    layout_.limits_memory = memory != nullptr;
    layout_.shares_memory_limit = memory != nullptr && (occupied || is_limited(*memory->parent));
    for (const Group& group : groups_->all()) {
        if (group.hierarchy->version == 2) {
            layout_.directory = group.directory.get();
            layout_.directory_path = group.path;
            continue;
        }
        const std::string path = concat(group.path, "/tasks");
        sys::fault_point(Stage::Cgroup, "open", path);
        UniqueFd file(::openat(group.directory.get(), "tasks", O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
        if (!file) throw sys::error(errno, Stage::Cgroup, "open", path);
        layout_.tasks.push_back({file.get(), path});
        files_.push_back(std::move(file));
    }
}

Membership Membership::moved_later() {
    Membership membership;
    membership.layout_.used = true;
    membership.layout_.limits_memory = true;
    membership.layout_.shares_memory_limit = true; // nobody knows that of a slice
    return membership;
}

void Membership::follow(pid_t leader) {
    const Group* const group = groups_ != nullptr ? groups_->unified() : nullptr;
    if (group == nullptr || read_control(*group, "cgroup.subtree_control").empty()) return;
    const std::string below = place_below(*group, leader);
    if (below.empty()) return;
    const std::string path = concat(group->path, "/", below);
    sys::fault_point(Stage::Cgroup, "open the cgroup", path);
    UniqueFd directory(
        ::openat(group->directory.get(), below.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory) throw sys::error(errno, Stage::Cgroup, "open the cgroup", path);
    layout_.directory = directory.get();
    layout_.directory_path = path;
    files_.push_back(std::move(directory));
}

} // namespace ct::internal
