// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <string_view>

namespace ct::internal {

[[nodiscard]] std::string to_hex(std::string_view bytes);
/// \param digits  such ones; a last one without a partner does not count
[[nodiscard]] std::string from_hex(std::string_view digits);

} // namespace ct::internal
