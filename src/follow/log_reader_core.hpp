// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <memory>

#include <ct/log_reader.hpp>

#include "base/unique_fd.hpp"
#include "follow/log_source.hpp"
#include "follow/run_follower.hpp"

namespace ct::internal {

/// A log and, if that is known, the container that it is of.
class LogReaderCore {
public:
    /// \param run  null: the log has no end
    LogReaderCore(std::unique_ptr<LogSource> source, std::unique_ptr<RunFollower> run, bool follow);

    LogReader::Next read(const RecordHandler& handler);
    [[nodiscard]] int fd() const noexcept { return poll_.get(); }

private:
    void watch(int fd);

    const std::unique_ptr<LogSource> source_;
    const std::unique_ptr<RunFollower> run_;
    const bool follow_;
    UniqueFd poll_;
};

} // namespace ct::internal
