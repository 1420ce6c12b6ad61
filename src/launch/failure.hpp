// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <ct/error.hpp>
#include <ct/process.hpp>

#include "child/handshake.hpp"
#include "launch/launch.hpp"
#include "plan/plan.hpp"

namespace ct::internal {

/// The sentence for a step that failed, from what the child left in the handshake.
[[nodiscard]] Error step_error(const Plan& plan, const Handshake& handshake);

/// The sentence for a clone3(2) that failed.
[[nodiscard]] Error clone_error(int error_number, const Plan& plan);

/// The sentence for a child that died without having failed.
[[nodiscard]] Error death_error(const Plan& plan, const Handshake& handshake, const ExitStatus& status);

/// One more clause for a failed step that mounts, makes nodes or runs hooks; or empty.
[[nodiscard]] std::string mount_hint(const Plan& plan, const Handshake& handshake);

/// The clause for a hook's command: how it ended, and the last that it wrote.
/// \param time_limit  if it was killed because of that
[[nodiscard]] std::string hook_hint(std::optional<std::chrono::milliseconds> time_limit, const ExitStatus& status,
                                    std::string_view text);

/// Removes the mount points and nodes that a failed child has created in the directory \p root_lock or one of those
/// \p bound below it, if they are still what it created, are empty and no other container holds a lock on that
/// directory: removing a mount point would detach what others have mounted there.
void remove_created(const Plan& plan, std::span<const CreatedEntry> created, int root_lock,
                    std::span<const FilesRoot> bound);

} // namespace ct::internal
