// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ct::internal {

/// ProcessSpec::user_name in its parts.
struct UserName {
    std::string user;
    std::string group;                     ///< Empty: that of the user's entry.
    std::optional<std::uint32_t> uid = {}; ///< If the user is a number.
    std::optional<std::uint32_t> gid = {};
};

/// \p text has to be well-formed.
[[nodiscard]] UserName parse_user_name(std::string_view text);

/// What is wrong with it, each as one clause.
[[nodiscard]] std::vector<std::string> user_name_violations(std::string_view text);

} // namespace ct::internal
