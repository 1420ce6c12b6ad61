// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

namespace ct::internal {

/// The arguments (text or integers) joined into one string; GCC 12 has no std::format.
template <typename... Parts>
std::string concat(const Parts&... parts) {
    const auto text = [](const auto& part) {
        using Part = std::decay_t<decltype(part)>;
        if constexpr (std::is_integral_v<Part> && !std::is_same_v<Part, char>) {
            return std::to_string(part);
        } else if constexpr (std::is_same_v<Part, char>) {
            return std::string(1, part);
        } else {
            return std::string_view(part);
        }
    };
    std::string result;
    ((result += text(parts)), ...);
    return result;
}

/// \p items with \p separator between them.
template <typename Range>
std::string join(const Range& items, std::string_view separator) {
    std::string result;
    for (const auto& item : items) {
        if (!result.empty()) result += separator;
        result += item;
    }
    return result;
}

} // namespace ct::internal
