// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <string_view>

namespace ct::internal {

/// \throws Error with Errc::InvalidConfig
void check_exit_file(const std::string& path);

/// Puts a file with \p text in the place of whatever is at \p path: who looks there sees all of it or nothing of it.
/// \throws Error; nothing is left then
void write_exit_file(const std::string& path, std::string_view text);

} // namespace ct::internal
