// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/membership.hpp"

#include <fcntl.h>

#include <cerrno>

#include "base/concat.hpp"
#include "base/sys.hpp"

namespace ct::internal {

Membership::Membership(std::shared_ptr<const Groups> groups) : groups_(std::move(groups)) {
    layout_.used = !groups_->empty();
    layout_.limits_memory = groups_->find(Controller::Memory) != nullptr;
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

} // namespace ct::internal
