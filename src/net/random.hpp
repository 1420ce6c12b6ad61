// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// What is left to choose: names and addresses that nobody else will have.
namespace ct::internal {

/// \p prefix and eight hexadecimal digits.
[[nodiscard]] std::string random_link_name(std::string_view prefix);
/// A MAC address with this first byte.
[[nodiscard]] std::string random_mac(std::uint8_t first);

} // namespace ct::internal
