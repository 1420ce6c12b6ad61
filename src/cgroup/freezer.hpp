// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "cgroup/groups.hpp"

namespace ct::internal {

/// The group that freezes all processes of the container: that of version 2, or of the freezer of version 1.
/// \throws Error with Errc::InvalidState if there is neither
[[nodiscard]] const Group& freezing_group(const Groups& groups);

/// The file that freezes such a group, and what is written to it.
struct FreezeFile {
    const char* name;
    const char* freeze;
    const char* thaw;
};
[[nodiscard]] const FreezeFile& freeze_file(const Group& group);

/// Whether the processes are frozen, or are to be: by the group itself or one above, and by whomever.
[[nodiscard]] bool is_frozen(const Groups& groups);
/// The same for groups by their paths; those that are gone, or cannot be looked at, are not frozen.
[[nodiscard]] bool is_frozen(const std::vector<std::string>& paths);

/// Freezes all processes of the groups, and waits until that is so.
/// \throws Error with ETIMEDOUT if they are not frozen after \p limit; they go on then
void freeze(const Groups& groups, std::chrono::nanoseconds limit);
/// Waits for what was written already. The same, but leaves everything as it is.
void await_frozen(const Group& group, std::chrono::nanoseconds limit);

/// Lets them go on, and waits until that is so.
/// \throws Error with ETIMEDOUT
void thaw(const Groups& groups, std::chrono::nanoseconds limit);

/// Asks for the same, and does not wait.
void begin_thaw(const Groups& groups) noexcept;

/// Lets all go on that version 1 has frozen, also by groups below or above: they cannot be killed before.
void thaw_for_kill(const Groups& groups);
/// The same for one process, while the group stays as it is: it leaves the group.
void thaw_for_kill(const Groups& groups, pid_t process) noexcept;

} // namespace ct::internal
