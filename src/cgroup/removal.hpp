// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <string>

#include "cgroup/groups.hpp"

namespace ct::internal {

/// Kills every process in the groups, waits for their end, and removes the groups with all that the container has made
/// below them. \throws Error with Stage::Cgroup that names those that are still there after \p limit
void remove_groups(const Groups& groups, std::chrono::nanoseconds limit);

/// The same for one who cannot wait: kills, and removes what is empty. \returns 0 if all are gone; EBUSY if they may be
/// the next time; else another errno
[[nodiscard]] int try_remove_groups(const Groups& groups);

/// Removes the group and all below it, as far as nobody is in there. \returns errno; EBUSY if somebody is
[[nodiscard]] int remove_tree(int parent, const std::string& name) noexcept;

} // namespace ct::internal
