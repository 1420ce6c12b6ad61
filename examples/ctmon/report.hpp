// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "base/unique_fd.hpp"

namespace ctmon {

/// One JSON object and a newline, at most 4096 bytes long: a longer message is cut, never within an escape or a UTF-8
/// character. What is not UTF-8 becomes U+FFFD, byte by byte. An empty message is left out.
[[nodiscard]] std::string format_report(std::string_view key, int value, std::string_view message);

/// A pipe or socket to the client that started the monitor: sync pipe or attach pipe. Once the client is gone, or if
/// there is none, reports are thrown away.
class ReportPipe {
public:
    ReportPipe() = default;
    /// \param patience  how long a client may leave a report untaken; then it is given up
    explicit ReportPipe(ct::internal::UniqueFd fd, std::chrono::milliseconds patience = std::chrono::seconds(5))
        : fd_(std::move(fd)), patience_(patience) {}

    /// Waits for the client to take it, whether the descriptor is blocking or not; repeats what was written in part.
    /// SIGPIPE is ignored by the process.
    void send(std::string_view key, int value, std::string_view message = {}) noexcept;
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

private:
    ct::internal::UniqueFd fd_;
    std::chrono::milliseconds patience_{};
};

} // namespace ctmon
