// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <string>

#include <ct/spec.hpp>

/// What hooks read on their standard input, see ct::Hook.
namespace ct::internal {

/// \param pid  or -1 for none
[[nodiscard]] std::string hook_state(const std::string& container, HookPoint point, const Spec& spec, pid_t pid);

/// The same, all but the pid and the closing brace.
[[nodiscard]] std::string hook_state_without_pid(const std::string& container, HookPoint point, const Spec& spec);

} // namespace ct::internal
