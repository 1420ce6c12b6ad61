// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "config/subordinate_ids.hpp"

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <fstream>
#include <optional>

#include <ct/error.hpp>

#include "base/concat.hpp"

namespace ct::internal {

namespace {

constexpr std::uint64_t InvalidId = ~std::uint32_t{0};

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value > InvalidId) return std::nullopt;
    return value;
}

/// Empty for a user without a name.
std::string name_of(std::uint32_t uid) {
    std::array<char, 16384> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return {};
    return entry.pw_name;
}

} // namespace

std::vector<IdRange> subordinate_map(std::istream& file, std::string_view user_name, std::uint32_t uid,
                                     std::uint32_t own) {
    std::vector<IdRange> map{{0, own, 1}};
    std::uint64_t next = 1;
    for (std::string line; std::getline(file, line);) {
        const std::size_t first = line.find(':');
        const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
        if (second == std::string::npos) continue;
        const std::string_view text = line;
        const std::string_view user = text.substr(0, first);
        if ((user_name.empty() || user != user_name) && number(user) != uid) continue;
        const auto start = number(text.substr(first + 1, second - first - 1));
        const auto count = number(text.substr(second + 1));
        if (!start || !count || *count == 0 || *start + *count > InvalidId || next + *count > InvalidId) continue;
        map.push_back(
            {static_cast<std::uint32_t>(next), static_cast<std::uint32_t>(*start), static_cast<std::uint32_t>(*count)});
        next += *count;
    }
    return map;
}

std::vector<IdRange> subordinate_map_of_caller(const std::string& path, std::uint32_t own) {
    const std::uint32_t uid = ::geteuid();
    const std::string name = name_of(uid);
    std::ifstream file(path);
    auto map = subordinate_map(file, name, uid, own);
    if (map.size() > 1) return map;
    const std::string user = name.empty() ? std::to_string(uid) : name;
    throw Error(Errc::Unsupported, Stage::IdMap, concat("map the subordinate ids of user '", user, "' from"), path,
                concat("it gives that user none; add a line such as \"", user, ":100000:65536\""));
}

} // namespace ct::internal
