// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string_view>

namespace ctrun {

/// Nobody reads what is printed any more: a reason to end, and none to complain.
struct NobodyReads {};

/// Writes all of \p bytes, however long that takes. \throws NobodyReads, std::system_error
void write_all(int fd, std::string_view bytes);

} // namespace ctrun
