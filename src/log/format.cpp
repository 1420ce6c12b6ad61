// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "log/format.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <ctime>

#include "log/time.hpp"

namespace ct::internal {

namespace {

constexpr std::string_view Hex = "0123456789abcdef";
constexpr std::size_t K8sHead = 45; ///< Of a line: "TIME+hh:mm stdout F ".
constexpr std::size_t StreamAt = 36;
constexpr std::size_t TagAt = 43;
constexpr std::size_t JsonFrame = 96; ///< More than what is around the bytes and the labels.

char* put(char* to, std::string_view text) {
    std::memcpy(to, text.data(), text.size());
    return to + text.size();
}

/// The length of the UTF-8 character at the begin of \p text, or 0.
std::size_t valid_character(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned first = byte(0);
    const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() < size) return 0;
    for (std::size_t i = 1; i < size; ++i)
        if ((byte(i) & 0xC0U) != 0x80) return 0;
    // Longer than need be, surrogates, and beyond U+10FFFF.
    const unsigned second = byte(1);
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) || (first == 0xF0 && second < 0x90) ||
        (first == 0xF4 && second > 0x8F))
        return 0;
    return size;
}

bool is_plain(char c) {
    const auto value = static_cast<unsigned char>(c);
    return value >= 0x20 && value < 0x7F && c != '"' && c != '\\';
}

std::string attributes(const std::map<std::string, std::string>& labels) {
    std::string text;
    std::string quoted;
    const auto quote = [&](std::string_view part) {
        quoted.resize(6 * part.size());
        quoted.resize(static_cast<std::size_t>(write_json_text(part, quoted.data()) - quoted.data()));
        text += '"';
        text += quoted;
        text += '"';
    };
    for (const auto& [name, value] : labels) {
        text += text.empty() ? ",\"attrs\":{" : ",";
        quote(name);
        text += ':';
        quote(value);
    }
    if (!text.empty()) text += '}';
    return text;
}

} // namespace

char* write_json_text(std::string_view text, char* to) {
    while (!text.empty()) {
        const auto end = std::find_if_not(text.begin(), text.end(), is_plain);
        const auto plain = static_cast<std::size_t>(end - text.begin());
        to = put(to, text.substr(0, plain));
        text.remove_prefix(plain);
        if (text.empty()) break;
        const auto value = static_cast<unsigned char>(text.front());
        std::size_t used = 1;
        if (value == '"' || value == '\\') {
            *to++ = '\\';
            *to++ = text.front();
        } else if (value == '\n' || value == '\r' || value == '\t') {
            *to++ = '\\';
            *to++ = value == '\n' ? 'n' : value == '\r' ? 'r' : 't';
        } else if (value < 0x80) {
            to = put(to, "\\u00");
            *to++ = Hex[value >> 4U];
            *to++ = Hex[value & 15U];
        } else if (const std::size_t size = valid_character(text); size != 0) {
            to = put(to, text.substr(0, size));
            used = size;
        } else {
            to = put(to, "\xEF\xBF\xBD");
        }
        text.remove_prefix(used);
    }
    return to;
}

LogFormatter::LogFormatter(LogFormat format, TimeZone zone, const std::map<std::string, std::string>& labels)
    : format_(format), zone_(format == LogFormat::K8s ? zone : TimeZone::Utc),
      json_end_("Z\"" + attributes(labels) + "}\n") {}

std::size_t LogFormatter::most(const LogRecord& record) const noexcept {
    switch (format_) {
    case LogFormat::K8s: return record.bytes.size() + 64; // the head is copied in whole words
    case LogFormat::Plain: return record.bytes.size() + 1;
    case LogFormat::Json: break;
    }
    return 6 * record.bytes.size() + JsonFrame + json_end_.size();
}

void LogFormatter::write_time(LogTime time) {
    using namespace std::chrono;
    const auto second = floor<seconds>(time);
    const std::int64_t count = second.time_since_epoch().count();
    if (zone_ == TimeZone::Local && offset_second_ != count) {
        const std::time_t clock = count;
        std::tm local{};
        offset_ = ::localtime_r(&clock, &local) != nullptr ? local.tm_gmtoff : 0;
        offset_second_ = count;
    }
    const auto number = [](auto value) { return static_cast<std::uint64_t>(value); };
    char* to = put_time(head_.data(), count + offset_, number((time - second).count()));
    const std::int64_t minutes = (offset_ < 0 ? -offset_ : offset_) / 60;
    *to++ = offset_ < 0 ? '-' : '+';
    to = put_number(to, number(minutes / 60), 2);
    *to++ = ':';
    to = put_number(to, number(minutes % 60), 2);
    put(to, " stdout F ");
    time_ = time;
}

char* LogFormatter::write(const LogRecord& record, char* to) {
    if (format_ == LogFormat::Plain) {
        to = put(to, record.bytes);
        if (!record.partial) *to++ = '\n';
        return to;
    }
    if (time_ != record.time) write_time(record.time);
    if (format_ == LogFormat::Json) return write_json(record, to);
    // A copy of a size that the compiler knows is a few instructions.
    std::memcpy(to, head_.data(), 48);
    if (record.stream == Stream::Error) std::memcpy(to + StreamAt, "stderr", 6);
    if (record.partial) to[TagAt] = 'P';
    to = put(to + K8sHead, record.bytes);
    *to++ = '\n';
    return to;
}

char* LogFormatter::write_json(const LogRecord& record, char* to) {
    to = put(to, R"({"log":")");
    to = write_json_text(record.bytes, to);
    if (!record.partial) to = put(to, "\\n");
    to =
        put(to, record.stream == Stream::Error ? R"(","stream":"stderr","time":")" : R"(","stream":"stdout","time":")");
    to = put(to, {head_.data(), TimeSize});
    return put(to, json_end_);
}

} // namespace ct::internal
