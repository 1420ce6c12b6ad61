// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "log/split.hpp"

#include <algorithm>
#include <cstring>

namespace ct::internal {

namespace {

bool continues_character(char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80;
}

/// How long the UTF-8 character is that begins with \p byte; 1 if none does.
std::size_t character_size(char byte) {
    const auto value = static_cast<unsigned char>(byte);
    if (value >= 0xF0 && value < 0xF8) return 4;
    if (value >= 0xE0) return value < 0xF0 ? 3 : 1;
    return value >= 0xC0 ? 2 : 1;
}

/// Where to cut \p text, which is longer than \p limit.
std::size_t cut(std::string_view text, std::size_t limit) {
    std::size_t begin = limit;
    while (begin > 0 && limit - begin < 3 && continues_character(text[begin])) --begin;
    const bool spans = begin > 0 && begin < limit && begin + character_size(text[begin]) > limit;
    return spans ? begin : limit;
}

} // namespace

std::size_t split_lines(std::string_view text, std::size_t limit, const LogRecord& model, std::size_t most,
                        std::vector<LogRecord>& records) {
    std::size_t at = 0;
    const auto take = [&](std::size_t size, bool partial) {
        LogRecord& record = records.emplace_back(model);
        record.bytes = text.substr(at, size);
        record.partial = partial;
    };
    while (at < text.size() && records.size() < most) {
        const char* const begin = text.data() + at;
        const std::size_t left = text.size() - at;
        // One byte more: a line of just that size is whole.
        const void* const newline = std::memchr(begin, '\n', std::min(limit + 1, left));
        if (newline != nullptr) {
            const auto size = static_cast<std::size_t>(static_cast<const char*>(newline) - begin);
            take(size, false);
            at += size + 1;
        } else if (left > limit) {
            const std::size_t size = cut(text.substr(at), limit);
            take(size, true);
            at += size;
        } else {
            break;
        }
    }
    return at;
}

} // namespace ct::internal
