// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <ct/log.hpp>

/// How records look in files.
namespace ct::internal {

/// "YYYY-MM-DDThh:mm:ss.nnnnnnnnn"
inline constexpr std::size_t TimeSize = 29;

enum class TimeZone { Utc, Local };

/// Writes records, one after the other. Keeps what those of one read have in common.
class LogFormatter {
public:
    LogFormatter(LogFormat format, TimeZone zone, const std::map<std::string, std::string>& labels);

    /// More than any record takes.
    [[nodiscard]] std::size_t most(const LogRecord& record) const noexcept;
    /// \param to  with room for most() bytes \returns the end of what was written
    char* write(const LogRecord& record, char* to);

private:
    void write_time(LogTime time);
    char* write_json(const LogRecord& record, char* to);

    const LogFormat format_;
    const TimeZone zone_;
    std::string json_end_;        ///< After the time.
    std::optional<LogTime> time_; ///< What `head_` tells.
    /// TIME+hh:mm STREAM F BYTES; for JSON only the time. Read by whole words, so there is room after it.
    std::array<char, 64> head_{};
    std::optional<std::int64_t> offset_second_; ///< The second for which `offset_` was found out.
    std::int64_t offset_ = 0;                   ///< Of the time zone, in seconds.
};

/// \p text as the inside of a JSON string. What is not UTF-8 becomes U+FFFD, byte by byte.
/// \param to  with room for six times as many bytes
char* write_json_text(std::string_view text, char* to);

} // namespace ct::internal
