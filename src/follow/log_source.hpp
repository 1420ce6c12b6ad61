// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <memory>
#include <string>

#include <ct/log_reader.hpp>

namespace ct::internal {

/// One log, from where it is read.
class LogSource {
public:
    LogSource() = default;
    LogSource(const LogSource&) = delete;
    LogSource& operator=(const LogSource&) = delete;
    virtual ~LogSource() = default;

    /// Some of the next records. \returns false once there are no more at present
    virtual bool read(const RecordHandler& handler) = 0;
    /// Nothing will follow: what is left is not a whole record.
    virtual void finish(const RecordHandler&) {}
    /// Readable when there may be more; -1 if it is not followed.
    [[nodiscard]] virtual int fd() const noexcept = 0;
};

/// \throws Error also if a log of that kind cannot be read
[[nodiscard]] std::unique_ptr<LogSource> open_source(const LogTarget& target, const std::string& container,
                                                     const LogReaderOptions& options);

} // namespace ct::internal
