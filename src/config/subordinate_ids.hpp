// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <istream>
#include <string>
#include <string_view>
#include <vector>

#include <ct/namespaces.hpp>

namespace ct::internal {

/// The map of an ordinary user's containers, see Container::map_subordinate_ids(): \p own on 0, and above all ranges
/// that subuid(5) in \p file gives to the user, by name or by number. Lines that are malformed do not count.
/// Just the first range if there are none.
[[nodiscard]] std::vector<IdRange> subordinate_map(std::istream& file, std::string_view user_name, std::uint32_t uid,
                                                   std::uint32_t own);

/// The same for /etc/subuid or /etc/subgid and the calling process's effective user.
/// \throws Error with Errc::Unsupported if there are none
[[nodiscard]] std::vector<IdRange> subordinate_map_of_caller(const std::string& path, std::uint32_t own);

} // namespace ct::internal
