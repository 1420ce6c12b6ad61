// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/unique_fd.hpp"
#include "follow/log_line.hpp"
#include "follow/log_source.hpp"
#include "follow/rotated_file.hpp"

namespace ct::internal {

/// A file with the older ones that it was rotated to.
class FileSource final : public LogSource {
public:
    FileSource(const LogFile& log, LogReaderOptions options);

    bool read(const RecordHandler& handler) override;
    void finish(const RecordHandler& handler) override;
    [[nodiscard]] int fd() const noexcept override { return watch_.get(); }

private:
    void begin();
    /// Moves to the begin of the last \p lines lines.
    void begin_with_last(std::uint64_t lines);
    void watch_file();
    void forget_changes();
    /// Hands on all whole lines of the buffer.
    void hand_on(const RecordHandler& handler);
    void hand_on(std::string_view line, bool cut, const RecordHandler& handler);
    /// Leaves out what is too old.
    void filter(const LogRecord& record, const RecordHandler& handler);
    /// \returns whether there is something to read now
    bool go_on(const RecordHandler& handler);

    const LogReaderOptions options_;
    const bool plain_;
    LogLineParser parser_;
    RotatedFile file_;
    UniqueFd watch_;
    int file_watch_ = -1;
    std::uint64_t offset_ = 0;  ///< Of what comes after the buffer.
    std::string buffer_;        ///< Begins with a line, or with the rest of one.
    bool within_line_ = false;  ///< The begin of the line was handed on already.
    bool interrupted_ = false;  ///< A handler has thrown: whole lines are left in the buffer.
    bool complete_ = false;     ///< The open file is not written to any more.
    bool since_passed_ = false; ///< The last record with a time was late enough.
};

} // namespace ct::internal
