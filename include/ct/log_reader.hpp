// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <ct/export.hpp>
#include <ct/log.hpp>

/// \file
/// Reading what built-in sinks have logged, also while it is being written: see Session::read_log().
namespace ct {

namespace internal {
class LogReaderCore;
} // namespace internal

/// "2024-02-29T23:59:58.000000042Z"
[[nodiscard]] CT_EXPORT std::string to_rfc3339(LogTime time);
/// With any fraction of a second, and any offset from UTC. Empty if it is none.
[[nodiscard]] CT_EXPORT std::optional<LogTime> parse_rfc3339(std::string_view text);

struct LogReaderOptions {
    /// Only what was logged then or later. LogFormat::Plain has no times.
    std::optional<LogTime> since = {};
    /// Only the last lines of what there is at first; pieces of one line count once. Files are read from their end for
    /// that.
    std::optional<std::uint64_t> tail = {};
    /// LogReader::fd() tells when there is more. Otherwise the log ends where it ends now.
    bool follow = false;
};

/// Reads a log in the order in which it was written, with the rotated files PATH.1, PATH.2 and so on of a LogFile, and
/// across rotations that happen meanwhile. What a file holds is not trusted: a line that is not of its format is a
/// record of its own, with these bytes and no time; only regular files are opened, and no link is followed.
/// One thread at a time may use it.
class CT_EXPORT LogReader {
public:
    enum class Next : std::uint8_t {
        More,    ///< Call read() again.
        Nothing, ///< Everything was read, up to now: wait for fd().
        End,     ///< Everything was read, and nothing will follow.
        Orphaned ///< The same, but the container may go on: the process that has logged it is gone.
    };

    /// Reads what a sink for \p target writes, of \p container if it is a journal. With LogReaderOptions::follow it
    /// never ends.
    /// \throws Error with Errc::Unsupported for a Syslog, or without a journal; with Errc::InvalidConfig for options
    ///         that this kind of log does not have
    LogReader(const LogTarget& target, const std::string& container, LogReaderOptions options = {});
    LogReader(LogReader&&) noexcept;
    LogReader& operator=(LogReader&&) noexcept;
    ~LogReader();

    /// Calls \p handler with some of the next records; never blocks for longer than reading a piece of a file takes.
    /// The name of the container is not in them.
    /// \throws Error also if something else was put in the place of a file
    [[nodiscard]] Next read(const RecordHandler& handler);
    /// Readable when read() may have more. Borrowed; -1 without LogReaderOptions::follow.
    [[nodiscard]] int fd() const noexcept;

    /// Made by Session.
    explicit LogReader(std::unique_ptr<internal::LogReaderCore> core) noexcept;

private:
    std::unique_ptr<internal::LogReaderCore> core_;
};

} // namespace ct
