// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/unique_fd.hpp"

namespace ct::internal {

/// A process that cannot be mistaken for a later one of the same pid. The default is none.
struct ProcessId {
    pid_t pid = -1;
    std::uint64_t start_time = 0; ///< In clock ticks since the host's boot, see field 22 of proc_pid_stat(5).
    bool operator==(const ProcessId&) const = default;

    /// Of a process that cannot go away meanwhile, or empty.
    [[nodiscard]] static std::optional<ProcessId> of(pid_t pid);
    /// Of this process, also after fork(2).
    [[nodiscard]] static ProcessId self();
};

/// A pidfd of the process if it is alive, not counting zombies.
[[nodiscard]] UniqueFd open_if_alive(const ProcessId& process);

/// What pids and start times are relative to.
struct Viewpoint {
    std::string boot;                 ///< The kernel's boot id.
    std::uint64_t pid_namespace = 0;  ///< Inode numbers.
    std::uint64_t time_namespace = 0; ///< 0 if the kernel has none.
    bool operator==(const Viewpoint&) const = default;

    /// Of this process. \throws Error without /proc
    [[nodiscard]] static Viewpoint here();
};

} // namespace ct::internal
