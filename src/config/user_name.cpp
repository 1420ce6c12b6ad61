// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "config/user_name.hpp"

#include <algorithm>
#include <charconv>

#include "base/concat.hpp"

namespace ct::internal {

namespace {

constexpr std::uint32_t NoId = ~0U;  // "no change" to the kernel
constexpr std::size_t Longest = 255; // UserIds::NameSize

bool is_number(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<std::uint32_t> id_of(std::string_view text) {
    std::uint32_t id = 0;
    const char* const end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, id);
    if (error != std::errc{} || stopped != end || id == NoId) return std::nullopt;
    return id;
}

void check_part(std::vector<std::string>& found, std::string_view what, std::string_view text) {
    if (text.empty()) {
        found.push_back(concat("the name of the ", what, " is empty"));
    } else if (is_number(text)) {
        if (!id_of(text)) found.push_back(concat(what, " id ", text, " is not a ", what));
    } else if (text.front() == '-' || text.front() == '+') {
        found.push_back(concat(what, " '", text, "' is neither a name nor a number"));
    } else if (text.size() > Longest) {
        found.push_back(concat("the name of the ", what, " is longer than ", Longest, " bytes"));
    } else if (text.find_first_of(std::string_view("\0\n:,", 4)) != std::string_view::npos) {
        found.push_back(concat("the name of the ", what, " has a character that no name has"));
    }
}

} // namespace

UserName parse_user_name(std::string_view text) {
    const std::size_t colon = text.find(':');
    UserName name;
    name.user = text.substr(0, colon);
    if (colon != std::string_view::npos) name.group = text.substr(colon + 1);
    if (is_number(name.user)) name.uid = id_of(name.user);
    if (is_number(name.group)) name.gid = id_of(name.group);
    return name;
}

std::vector<std::string> user_name_violations(std::string_view text) {
    std::vector<std::string> found;
    const std::size_t colon = text.find(':');
    check_part(found, "user", text.substr(0, colon));
    if (colon != std::string_view::npos) check_part(found, "group", text.substr(colon + 1));
    return found;
}

} // namespace ct::internal
