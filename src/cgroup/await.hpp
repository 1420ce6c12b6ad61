// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <functional>

#include "cgroup/groups.hpp"

/// Waiting for a group to change.
namespace ct::internal {

/// Waits until \p done says so, which is asked whenever the file cgroup.events of version 2 has changed.
/// \returns false if \p limit has passed first
[[nodiscard]] bool await_event(const Group& group, std::chrono::nanoseconds limit, const std::function<bool()>& done);

/// The same for what the kernel does not tell: asks again after ever longer pauses, 50 us to 20 ms.
[[nodiscard]] bool await_by_looking(std::chrono::nanoseconds limit, const std::function<bool()>& done);

} // namespace ct::internal
