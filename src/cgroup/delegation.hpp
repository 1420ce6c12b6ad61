// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cgroup/groups.hpp"

/// Groups that a container with a user namespace may divide further.
namespace ct::internal {

/// Ids of this process's user namespace.
struct RootIds {
    uid_t uid;
    gid_t gid;
};

/// User and group 0 of the user namespace of \p pid. \throws Error with Errc::InvalidConfig if it has none
[[nodiscard]] RootIds root_of(pid_t pid);

/// What \p map, a text as /proc/PID/uid_map has it, makes of 0; empty if nothing.
[[nodiscard]] std::optional<std::uint32_t> outside_of_root(std::string_view map);

/// The files that come with a group: with them one can move processes in it and let groups below use controllers, but
/// not change its limits.
/// \param delegate  the text of /sys/kernel/cgroup/delegate, or empty
[[nodiscard]] std::vector<std::string> delegated_files(int version, std::string_view delegate);

/// Makes \p owner the owner of the groups' directories and of the delegated files.
void delegate_groups(const Groups& groups, const RootIds& owner);

} // namespace ct::internal
