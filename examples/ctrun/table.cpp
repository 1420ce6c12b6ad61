// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "table.hpp"

#include <algorithm>

namespace ctrun {

namespace {

/// In characters of UTF-8, as long as each takes one column.
std::size_t width(const std::string& text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

} // namespace

Table::Table(std::vector<std::string> head) {
    if (!head.empty()) rows_.push_back(std::move(head));
}

void Table::add(std::vector<std::string> row) {
    // What comes from a container shall not command the terminal.
    for (std::string& word : row)
        std::ranges::replace_if(
            word, [](char c) { return static_cast<unsigned char>(c) < 0x20U || c == 0x7f; }, '?');
    rows_.push_back(std::move(row));
}

void Table::print(std::ostream& stream) const {
    std::vector<std::size_t> widths;
    for (const auto& row : rows_) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
    }
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            stream << row[i];
            if (i + 1 < row.size()) stream << std::string(widths[i] - width(row[i]) + 2, ' ');
        }
        stream << '\n';
    }
}

} // namespace ctrun
