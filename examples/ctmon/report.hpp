// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"

namespace ctmon {

/// One JSON object and a newline, at most 4096 bytes long: a longer message is cut, never within an escape or a UTF-8
/// character. An empty message is left out.
[[nodiscard]] std::string format_report(std::string_view key, int value, std::string_view message);

/// A pipe or socket to the client that started the monitor: sync pipe or attach pipe. Once the client is gone, or if
/// there is none, reports are thrown away.
class ReportPipe {
public:
    ReportPipe() = default;
    explicit ReportPipe(ct::internal::UniqueFd fd) : fd_(std::move(fd)) {}

    /// Waits for the client to take it, whether the descriptor is blocking or not; repeats what was written in part.
    void send(std::string_view key, int value, std::string_view message = {}) noexcept;
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

private:
    ct::internal::UniqueFd fd_;
};

} // namespace ctmon
