// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <vector>

#include "cgroup/groups.hpp"
#include "cgroup/hierarchies.hpp"

namespace ct::internal {

/// What a container has at /sys/fs/cgroup.
struct CgroupView {
    struct Tree {
        std::string source;             ///< The group, by its path on the host.
        std::string name;               ///< Of its directory in the tmpfs.
        std::vector<std::string> links; ///< Further names.
        bool operator==(const Tree&) const = default;
    };
    std::vector<Tree> trees; ///< If there is no tmpfs, one.
    bool in_tmpfs = true;
};

/// All groups of a container in the manner of its host.
[[nodiscard]] CgroupView view_of(const Groups& groups, const Hierarchies& hierarchies);

} // namespace ct::internal
