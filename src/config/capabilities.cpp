// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "config/capabilities.hpp"

#include <sys/capability.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <optional>

namespace ct::internal {

namespace {

std::optional<int> number_of(const std::string& name) {
    std::string lower;
    for (const char c : name) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (!lower.starts_with("cap_")) lower.insert(0, "cap_");
    cap_value_t value = 0;
    if (::cap_from_name(lower.c_str(), &value) < 0) return std::nullopt;
    return value;
}

bool is_all(const std::string& name) {
    return name == "ALL" || name == "all";
}

} // namespace

bool is_capability(const std::string& name) {
    return is_all(name) || (name.find('\0') == std::string::npos && number_of(name));
}

std::uint64_t capability_set(const std::vector<std::string>& names, std::uint64_t all) {
    std::uint64_t set = 0;
    for (const std::string& name : names) {
        if (is_all(name)) {
            set |= all;
        } else if (const auto number = number_of(name)) {
            set |= std::uint64_t{1} << *number;
        }
    }
    return set;
}

std::string capability_name(std::uint32_t number) {
    const std::unique_ptr<char, int (*)(void*)> name(::cap_to_name(static_cast<cap_value_t>(number)), ::cap_free);
    return name ? name.get() : std::string();
}

std::uint32_t last_capability() {
    return static_cast<std::uint32_t>(cap_max_bits()) - 1;
}

} // namespace ct::internal
