// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <vector>

#include "cgroup/groups.hpp"

namespace ct::internal {

/// The processes in the group and in all below it, in ascending order, each once.
[[nodiscard]] std::vector<pid_t> processes_in(const Group& group);

} // namespace ct::internal
