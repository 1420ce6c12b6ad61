// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cgroup/groups.hpp"

namespace ct::internal {

/// Ends all processes in the groups, waits for that, and removes the groups with all that the container has made below
/// them. \returns a sentence for each that is still there after \p limit
[[nodiscard]] std::vector<std::string> remove_groups(const Groups& groups, std::chrono::nanoseconds limit);

/// Removes the group and all below it, as far as nobody is in there. \returns errno; EBUSY if somebody is
[[nodiscard]] int remove_tree(int parent, const std::string& name) noexcept;

} // namespace ct::internal
