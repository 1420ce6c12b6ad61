// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <ct/log.hpp>

namespace ct::internal {

/// Reads the lines that LogFormatter writes, and others of these formats.
class LogLineParser {
public:
    explicit LogLineParser(LogFormat format) : format_(format) {}

    /// \param line  without its newline
    /// \returns a record whose bytes are in \p line or, until the next call, in this object. A line that is not of the
    ///          format is Stream::Output as it is, without a time.
    [[nodiscard]] LogRecord parse(std::string_view line);

private:
    [[nodiscard]] bool parse_json(std::string_view line, LogRecord& record);

    const LogFormat format_;
    std::string text_;
};

/// Counts lines of output, the last one first. Pieces of a line are one.
class LineCount {
public:
    /// \returns how many there are up to now
    std::uint64_t add(const LogRecord& record) {
        bool& seen = seen_[record.stream == Stream::Error ? 1 : 0];
        if (!record.partial || !seen) ++count_; // an unfinished line counts, too
        seen = true;
        return count_;
    }

private:
    std::array<bool, 2> seen_{};
    std::uint64_t count_ = 0;
};

/// A record without a time has this one.
inline constexpr LogTime NoTime{};

} // namespace ct::internal
