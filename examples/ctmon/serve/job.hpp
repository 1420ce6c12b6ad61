// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.hpp"
#include "runtime.hpp"
#include "serve/message.hpp"

namespace ctmon {

/// Before the number of a further descriptor for the runtime.
inline constexpr std::string_view ForeignFd = "fd-";

/// A command line of the monitor with all that a process has besides: what a client sends to the server, and the server
/// leaves with its keeper.
struct Job {
    std::vector<std::string> arguments;
    Inherited inherited;
    /// By names: `directory`, `sync`, `attach`, `start`, `fd-N` (a further one for the runtime, with the number N
    /// there; 0 to 2 are its standard streams if the driver is passthrough), and the streams of Monitor::Saved.
    std::vector<std::pair<std::string, int>> fds; ///< Borrowed, for sending.
};

/// Appends \p job to \p words. \param fds  gets the descriptors, in their order
void append_job(const Job& job, std::vector<std::string>& words, std::vector<int>& fds);

/// A received one.
struct ReceivedJob {
    std::vector<std::string> arguments;
    Inherited inherited;
    std::vector<std::pair<std::string, ct::internal::UniqueFd>> fds;

    /// Takes it; empty if there is none.
    [[nodiscard]] ct::internal::UniqueFd take(std::string_view name);
};

/// \param at  where it begins in \p message, whose descriptors are taken. \returns none if it is no job
[[nodiscard]] std::optional<ReceivedJob> read_job(Message& message, std::size_t at);

} // namespace ctmon
