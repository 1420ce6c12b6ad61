// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <ct/error.hpp>

#include "cgroup/groups.hpp"

/// The files of a cgroup.
namespace ct::internal {

/// Writes \p value by one write(2). \throws Error with Stage::Cgroup that names file and value
void write_control(const Group& group, const std::string& file, std::string_view value);

/// What write_control() throws for that errno.
[[nodiscard]] Error write_error(const Group& group, const std::string& file, std::string_view value, int error);

/// The whole text, without the newline at its end. \throws Error with Stage::Cgroup
[[nodiscard]] std::string read_control(const Group& group, const std::string& file);

/// The same; empty if there is no such file (ENOENT), or it has nothing to say (ENODEV, EOPNOTSUPP).
[[nodiscard]] std::optional<std::string> try_read_control(const Group& group, const std::string& file);

/// "memory.max" and the like: a name in the group's own directory, and none of those that move processes.
/// \throws Error with Errc::InvalidConfig
void check_control_name(std::string_view file);

} // namespace ct::internal
