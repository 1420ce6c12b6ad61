// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <string_view>

#include "messages.hpp"
#include "options.hpp"

namespace ctmon {

/// Replaces \p path by a file with \p text, atomically: a draft `<name>.XXXXXX` beside it is renamed. Mode 0666 less
/// the umask. \throws ct::Error; no draft is left then
void replace_file(const std::string& path, std::string_view text);

/// `<persist-dir>/exit`, then `<exit-dir>/<cid>`, each with the decimal \p code. What fails is told, and keeps the
/// other from nothing. \returns whether all was written
bool write_exit_files(const Options& options, int code, const Messages& messages);

} // namespace ctmon
