// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

#include <ct/process.hpp>

struct rusage;

namespace ct::internal {

/// What has to be done while a thread waits for a process, which may not end before.
class Meanwhile {
public:
    using TimePoint = std::chrono::steady_clock::time_point;
    virtual ~Meanwhile() = default;
    /// What to wait for; -1 is nothing.
    [[nodiscard]] virtual std::array<int, 2> descriptors() const = 0;
    /// When run() should be called even if nothing is ready.
    [[nodiscard]] virtual std::optional<TimePoint> until() const = 0;
    virtual void run() = 0;
};

/// Blocks until the process has ended (it may be reaped already, by whomever), at most for \p limit. Serves for any
/// descriptor that becomes readable.
/// \returns whether it has ended
/// \param pidfd  or -1 to wait for the end of \p limit, or for one run of \p meanwhile
[[nodiscard]] bool wait_until_ended(int pidfd, std::optional<std::chrono::nanoseconds> limit,
                                    Meanwhile* meanwhile = nullptr);

/// Reaps a process that has ended. If the host's own waitpid(-1) was faster, SIGCHLD is ignored, or it is no child of
/// this process, the kernel may still know how it ended; else the status is unknown.
/// \param usage  if not null: of it and those that it has waited for; left alone if somebody else has reaped it
[[nodiscard]] ExitStatus reap(int pidfd, rusage* usage = nullptr);
/// The same, but leaves it to be reaped by its owner.
[[nodiscard]] ExitStatus look_at(int pidfd);

/// Whether a child is stopped by a signal.
[[nodiscard]] bool is_stopped(int pidfd) noexcept;

/// What waitpid(2) gives, in words.
[[nodiscard]] ExitStatus from_wait_status(int status);

/// The status that a reaper which has ended wrote into \p pipe; empty if it did not, or \p pipe is -1.
[[nodiscard]] std::optional<ExitStatus> told_status(int pipe);

/// Of /proc/PID/stat.
struct ProcessStat {
    char state = '?';
    std::uint64_t start_time = 0;
    int wait_status = 0; ///< Of a zombie; 0 also if this process may not know.
};
[[nodiscard]] std::optional<ProcessStat> read_process_stat(pid_t pid);

} // namespace ct::internal
