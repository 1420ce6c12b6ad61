// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <ct/log.hpp>
#include <ct/process.hpp>

namespace ct::internal {

/// \throws Error with Errc::InvalidConfig for a malformed value
void check_log(const Log& log);

/// Absolute, and without what a log cannot show.
void check_directory_path(std::string_view what, const std::string& path);
/// Absolute, of a file, and without what a log cannot show.
void check_file_path(std::string_view what, const std::string& path);

/// What of \p process contradicts that its output is logged.
void log_violations(std::vector<std::string>& found, const ProcessSpec& process);

/// \p process with pipes for what is logged.
[[nodiscard]] ProcessSpec pipes_for_output(ProcessSpec process);

} // namespace ct::internal
