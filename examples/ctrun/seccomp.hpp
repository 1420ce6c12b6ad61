// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <ct/ct.hpp>

/// The options that restrict a process. Each function throws std::invalid_argument.
namespace ctrun {

/// `default`, or a file with the `seccomp` object of an OCI configuration; keeps rules that \p seccomp has.
void set_profile(std::optional<ct::Seccomp>& seccomp, const std::string& text);
/// CALL[,CALL...]=ACTION, put before all rules so far.
void add_rule(ct::Seccomp& seccomp, const std::string& text);
void add_port(std::optional<std::vector<std::uint16_t>>& ports, const std::string& text);

} // namespace ctrun
