// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>

#include "cgroup/groups.hpp"

namespace ct::internal {

/// Sends SIGKILL to every process in the groups and in those below, also to frozen ones; none can fork its way out. On
/// hosts with neither cgroup.kill (Linux 5.14) nor a freezer they can: call it again. Does not wait for their end.
/// \param limit  how long it may take to freeze them, where that is the way; who is not frozen then is killed as well
void kill_all(const Groups& groups, std::chrono::nanoseconds limit);

/// The way without cgroup.kill.
void kill_frozen(const Groups& groups, std::chrono::nanoseconds limit);

/// Sends SIGKILL to those who are in the group, or one below, at this moment.
void kill_members(const Group& group) noexcept;

} // namespace ct::internal
