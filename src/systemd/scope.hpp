// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>

#include <ct/session.hpp>

#include "cgroup/groups.hpp"

/// Containers in transient scopes of systemd.
///
/// The scope's own group stays systemd's, which writes to its control files whenever it sees fit. What the container is
/// in is a group below it; by Delegate=yes systemd leaves that alone.
namespace ct::internal {

/// "libct-web.scope"
[[nodiscard]] std::string scope_of(const std::string& container);

/// The groups have been made in the scope of that container.
[[nodiscard]] bool is_in_scope(const Groups& groups, const std::string& container);

/// Before anything is touched. \throws Error with Errc::Unsupported for a host or controller that cannot do that
void check_scopes(const Hierarchies& hierarchies, const Cgroup& cgroup);

/// Makes the scope with \p process in it, in a group there that has the container's name. After a failure there is
/// none.
[[nodiscard]] Groups make_scope(const Hierarchies& hierarchies, const std::string& container, pid_t process,
                                const Cgroup& cgroup, const SessionOptions& options,
                                std::shared_ptr<const GroupMark> mark);

/// The name of a slice. \throws Error with Errc::InvalidConfig
void check_slice(const std::string& slice);

} // namespace ct::internal
