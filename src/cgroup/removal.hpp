// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>

#include "cgroup/groups.hpp"

namespace ct::internal {

/// Kills every process in the groups, waits for their end, and removes the groups with all below them.
/// \throws Error with Stage::Cgroup that names the first one that cannot go before \p limit has passed
void remove_groups(const Groups& groups, std::chrono::nanoseconds limit);

} // namespace ct::internal
