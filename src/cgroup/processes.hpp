// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <vector>

#include "cgroup/groups.hpp"

namespace ct::internal {

/// The processes in the group and in all below it, in ascending order, each once, as far as this process can see them;
/// such as have ended and wait to be reaped may be among them.
[[nodiscard]] std::vector<pid_t> processes_in(const Group& group);
/// The same for groups of which all have the same processes, and there is at least one.
[[nodiscard]] std::vector<pid_t> processes_in(const Groups& groups);

} // namespace ct::internal
