// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <functional>

#include "child/handshake.hpp"
#include "plan/plan.hpp"

namespace ct::internal {

/// The life of a process that was just forked: joins namespaces, becomes the container's process, performs the plan
/// and calls \p callable.
[[noreturn]] void run_callable(const Plan& plan, Handshake& handshake, const std::function<int()>& callable) noexcept;

} // namespace ct::internal
