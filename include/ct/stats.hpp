// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include <ct/limits.hpp>

/// What containers have used, see Container::stats(). All of it is what the kernel says of their groups and of all
/// groups below. What is not known is absent, and never 0: the container is not in a group with that controller, or
/// this kernel does not tell.
namespace ct {

struct CpuStats {
    std::optional<std::chrono::nanoseconds> usage = {};
    std::optional<std::chrono::nanoseconds> user = {}; ///< Of `usage`, as `system`. Version 1: to 10 ms.
    std::optional<std::chrono::nanoseconds> system = {};
    /// \name By Limits::cpus
    /// @{
    std::optional<std::uint64_t> periods = {}; ///< In which anything ran.
    std::optional<std::uint64_t> throttled_periods = {};
    std::optional<std::chrono::nanoseconds> throttled_time = {}; ///< Summed up over CPUs.
    /// @}
    bool operator==(const CpuStats&) const = default;
};

/// How often something happened to the memory of a container.
struct MemoryEvents {
    std::optional<std::uint64_t> low = {};  ///< Reclaimed in spite of Limits::memory_low. Version 2, as the next.
    std::optional<std::uint64_t> high = {}; ///< Slowed down for being above Limits::memory_high.
    std::optional<std::uint64_t> max = {};  ///< About to go beyond Limits::memory_max.
    std::optional<std::uint64_t> oom = {};  ///< Nothing could be reclaimed then. Version 2.
    /// Processes that the OOM killer has killed. Version 1: those in groups below do not count.
    std::optional<std::uint64_t> oom_kill = {};
    std::optional<std::uint64_t> oom_group_kill = {}; ///< By Limits::oom_group. Linux 5.17.
    bool operator==(const MemoryEvents&) const = default;
};

struct MemoryStats {
    std::optional<Bytes> current = {};
    std::optional<Bytes> peak = {}; ///< Of `current`. Version 2: Linux 5.19.
    std::optional<Bytes> max = {};  ///< What `current` may become; Bytes::unlimited() without a limit.
    std::optional<Bytes> cache = {};
    std::optional<Bytes> rss = {}; ///< Memory that belongs to no file.
    std::optional<Bytes> swap = {};
    std::optional<Bytes> kernel = {};
    std::optional<std::uint64_t> page_faults = {};
    std::optional<std::uint64_t> major_page_faults = {}; ///< Of these, those that had to read.
    MemoryEvents events = {};
    bool operator==(const MemoryStats&) const = default;
};

struct PidsStats {
    std::optional<std::uint64_t> current = {}; ///< Processes and threads.
    std::optional<std::uint64_t> peak = {};    ///< Linux 6.8.
    std::optional<std::uint64_t> max = {};     ///< Or Unlimited.
    std::optional<std::uint64_t> refused = {}; ///< How often fork(2) failed because of Limits::pids_max.
    bool operator==(const PidsStats&) const = default;
};

/// What was read from and written to one block device.
struct IoStats {
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    std::optional<Bytes> read = {};
    std::optional<Bytes> written = {};
    std::optional<Bytes> discarded = {};
    std::optional<std::uint64_t> reads = {}; ///< Operations, as the next.
    std::optional<std::uint64_t> writes = {};
    std::optional<std::uint64_t> discards = {};
    bool operator==(const IoStats&) const = default;
};

/// Huge pages of one size.
struct HugetlbStats {
    std::optional<Bytes> current = {};
    std::optional<Bytes> peak = {};             ///< Version 1.
    std::optional<Bytes> max = {};              ///< Or Bytes::unlimited().
    std::optional<std::uint64_t> failures = {}; ///< How often `max` stood in the way.
    bool operator==(const HugetlbStats&) const = default;
};

/// For how much of the time processes could not go on: the averages are percentages of the last 10, 60 and 300 s.
struct Stall {
    double average_10 = 0;
    double average_60 = 0;
    double average_300 = 0;
    std::chrono::microseconds total{0};
    bool operator==(const Stall&) const = default;
};

/// Shortage of a resource, see Documentation/accounting/psi.rst of the kernel.
struct Pressure {
    std::optional<Stall> some = {}; ///< At least one process waited for it.
    std::optional<Stall> full = {}; ///< All of them did at the same time.
    bool operator==(const Pressure&) const = default;
};

struct Stats {
    CpuStats cpu = {};
    MemoryStats memory = {};
    PidsStats pids = {};
    /// By number; devices that were not used are left out. Version 1, newer kernels: so are those without a limit.
    std::optional<std::vector<IoStats>> io = {};
    std::map<Bytes, HugetlbStats> hugetlb = {}; ///< By size of page.
    /// \name From the container's group of version 2
    /// @{
    Pressure cpu_pressure = {};
    Pressure memory_pressure = {};
    Pressure io_pressure = {};
    /// @}
    bool operator==(const Stats&) const = default;
};

} // namespace ct
