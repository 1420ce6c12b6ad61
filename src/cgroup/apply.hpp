// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include "cgroup/groups.hpp"

namespace ct::internal {

/// Writes limits and values to groups that are to have them, the latter in their order.
/// \throws Error that names the file and the value
void apply_settings(const Groups& groups, const Cgroup& cgroup);

} // namespace ct::internal
