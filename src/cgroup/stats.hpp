// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <ct/stats.hpp>

#include "cgroup/groups.hpp"

namespace ct::internal {

/// What the groups have used, as far as they exist: a group that is gone tells nothing. Opens, reads and closes each
/// file once. \throws Error with Stage::Cgroup for a file that is there and cannot be read
[[nodiscard]] Stats read_stats(const Groups& groups);
/// The same, but only of CPU time, memory and I/O: who tells an end must not read what nobody asks for.
[[nodiscard]] Stats read_usage(const Groups& groups);

} // namespace ct::internal
