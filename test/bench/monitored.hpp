// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

#include "base/unique_fd.hpp"

namespace ct::bench {

/// What a container does.
struct Job {
    std::size_t bytes = 0; ///< Written as fast as possible.
    std::size_t line = 0;  ///< The length of its lines; 0: there is no newline.
    bool stay = false;     ///< Then, until it is killed.
};

/// A container under a monitor that understands conmon's command line, in the background as podman starts it.
///
/// The monitor runs on the CPU of the benchmark, what writes and reads on the other one. The benchmark has to be a
/// subreaper.
class Monitored {
public:
    using Clock = std::chrono::steady_clock;

    /// Starts it, up to the report of the container's pid. \param driver  "none" or "k8s-file"
    /// \throws std::runtime_error
    Monitored(const std::string& monitor, const std::string& driver, const Job& job);
    Monitored(const Monitored&) = delete;
    Monitored& operator=(const Monitored&) = delete;
    ~Monitored();

    /// From the start of the process to its report.
    [[nodiscard]] std::chrono::nanoseconds start_time() const noexcept { return start_time_; }
    [[nodiscard]] pid_t monitor() const noexcept { return monitor_; }
    [[nodiscard]] std::filesystem::path attach_socket() const { return directory_ / "attach"; }
    [[nodiscard]] std::filesystem::path log() const { return directory_ / "log"; }

    /// Lets the container write. \returns since when it does
    Clock::time_point go();
    /// Waits for the exit file. \returns when it was there \throws std::runtime_error if it says anything but success
    Clock::time_point await_exit();
    /// Waits for the end of the monitor's process. \returns its CPU time since go()
    std::chrono::nanoseconds await_end();

private:
    void start(const std::string& monitor, const std::string& driver, const Job& job);
    void end() noexcept;
    [[nodiscard]] std::chrono::nanoseconds cpu_time() const;

    std::filesystem::path directory_; ///< Bundle, log and all else.
    internal::UniqueFd exits_;        ///< inotify on the directory for exit files.
    std::chrono::nanoseconds start_time_{};
    std::chrono::nanoseconds cpu_before_{};
    pid_t monitor_ = 0; ///< Until its end.
    pid_t container_ = 0;
};

/// Moves this process: the monitor's CPU is the last one, the other one is the first.
void move_to_monitors_cpu();
void move_to_other_cpu();

} // namespace ct::bench
