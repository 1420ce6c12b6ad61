// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "capi/guard.hpp"

/// Structs that begin with their size, so that callers and libraries of different releases understand each other.
namespace ct::capi {

inline constexpr std::size_t LargestStruct = 4096; ///< Beyond it a size is none.

inline void check_struct_size(std::size_t size) {
    // No struct ends within a field.
    require(size >= sizeof(std::size_t) && size <= LargestStruct && size % alignof(std::size_t) == 0, LCTERR_INVARG,
            "a struct has no valid struct_size");
}

/// What the caller has given. What an older caller does not know is 0; what a newer one asks for has to be.
template <typename Struct>
[[nodiscard]] Struct read_struct(const Struct* given) {
    require(given != nullptr, LCTERR_INVARG, "an argument is NULL");
    const std::size_t size = given->struct_size;
    check_struct_size(size);
    const auto* const bytes = reinterpret_cast<const std::byte*>(given);
    for (std::size_t i = sizeof(Struct); i < size; ++i) {
        require(bytes[i] == std::byte{0}, LCTERR_INVARG, "a struct has fields that this release does not know");
    }
    Struct known{};
    std::memcpy(&known, given, std::min(size, sizeof known));
    return known;
}

/// Fills the caller's struct as far as it goes; what this release does not know is 0.
template <typename Struct>
void write_struct(Struct* to, const Struct& value) {
    require(to != nullptr, LCTERR_INVARG, "an argument is NULL");
    const std::size_t size = to->struct_size;
    check_struct_size(size);
    std::memset(static_cast<void*>(to), 0, size);
    std::memcpy(static_cast<void*>(to), &value, std::min(size, sizeof value));
    to->struct_size = size;
}

inline std::string text_or(const char* text, const char* other = "") {
    return text == nullptr ? other : text;
}

/// "mnt" and "/mnt" are the same place in the root.
inline std::string inside(std::string_view path) {
    return path.starts_with('/') ? std::string(path) : '/' + std::string(path);
}

/// Writes text as snprintf(3) does. \returns its length
inline int write_text(std::string_view text, char* buffer, std::size_t size) {
    require(buffer != nullptr || size == 0, LCTERR_INVARG, "an argument is NULL");
    if (size > 0) {
        const std::size_t length = std::min(text.size(), size - 1);
        std::memcpy(buffer, text.data(), length);
        buffer[length] = '\0';
    }
    return static_cast<int>(text.size());
}

inline std::string_view bytes_of(const void* bytes, std::size_t length) {
    require(bytes != nullptr || length == 0, LCTERR_INVARG, "there are no bytes");
    return {static_cast<const char*>(bytes), length};
}

/// Of a list that ends with NULL.
inline std::vector<std::string> text_list(const char* const* list) {
    std::vector<std::string> texts;
    for (; list != nullptr && *list != nullptr; ++list) texts.emplace_back(*list);
    return texts;
}

} // namespace ct::capi
