// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include <ct/log.hpp>

namespace ct::internal {

/// Appends the lines of \p text to \p records, until there are \p most. They are like \p model, and their bytes are
/// parts of \p text. A line that is longer than \p limit is cut into partial records of that size, or up to 3 bytes
/// less where that would cut a UTF-8 character. \returns how many bytes are in these records, with their newlines. If
/// there are less than \p most, the rest is the
///          begin of a line, of at most \p limit bytes.
[[nodiscard]] std::size_t split_lines(std::string_view text, std::size_t limit, const LogRecord& model,
                                      std::size_t most, std::vector<LogRecord>& records);

} // namespace ct::internal
