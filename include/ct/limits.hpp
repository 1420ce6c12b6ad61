// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <ct/export.hpp>

namespace ct {

/// An amount of memory or data: `256 * ct::MiB`.
struct Bytes {
    std::uint64_t count = 0;

    /// No limit.
    static constexpr Bytes unlimited() { return {~std::uint64_t{0}}; }
    constexpr auto operator<=>(const Bytes&) const = default;
};
inline constexpr Bytes KiB{std::uint64_t{1} << 10};
inline constexpr Bytes MiB{std::uint64_t{1} << 20};
inline constexpr Bytes GiB{std::uint64_t{1} << 30};
constexpr Bytes operator*(std::uint64_t factor, Bytes unit) {
    return {factor * unit.count};
}
constexpr Bytes operator*(Bytes unit, std::uint64_t factor) {
    return factor * unit;
}

/// No limit, for what is counted.
inline constexpr std::uint64_t Unlimited = ~std::uint64_t{0};

/// What a container may do to one block device. What is left out stays as it is.
struct IoLimit {
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    std::optional<Bytes> read_per_second = {}; ///< Bytes::unlimited() takes a limit away, as Unlimited does below.
    std::optional<Bytes> write_per_second = {};
    std::optional<std::uint64_t> reads_per_second = {}; ///< Operations.
    std::optional<std::uint64_t> writes_per_second = {};
    std::optional<std::uint32_t> weight = {}; ///< 1 to 10000, as Limits::io_weight, for this device.
    bool operator==(const IoLimit&) const = default;
};

/// Which devices a rule is about.
enum class DeviceClass : std::uint8_t { All, Character, Block };

/// Grants or denies access to devices; of several rules that match the last one counts.
struct DeviceRule {
    bool allow = false;
    DeviceClass type = DeviceClass::All;
    std::optional<std::uint32_t> major = {}; ///< Default: every one.
    std::optional<std::uint32_t> minor = {};
    bool read = true;
    bool write = true;
    bool make = true; ///< mknod(2)
    bool operator==(const DeviceRule&) const = default;
};

/// What a container may use, by the cgroup controllers of the host. The same on version 1 and 2, with the conversions
/// that the field has agreed on. What is left out is not set, and needs no controller.
struct Limits {
    /// \name Memory
    /// @{
    std::optional<Bytes> memory_max = {};  ///< Beyond it the OOM killer kills. Not 0.
    std::optional<Bytes> memory_high = {}; ///< Beyond it processes are slowed down. Version 2 only.
    std::optional<Bytes> memory_low = {};  ///< Kept from reclaim as far as possible. Version 1: the soft limit.
    std::optional<Bytes> memory_min = {};  ///< Never reclaimed. Version 2 only.
    std::optional<Bytes> swap_max = {};    ///< Swap in addition to memory. On version 1 it needs memory_max.
    std::optional<bool> oom_group = {};    ///< An OOM kill ends all processes of the container. Version 2 only.
    /// @}

    /// \name CPU time
    /// @{
    /// How many CPUs' worth of time, such as 0.5 or 2; infinity takes the limit away. At least 1 ms in a period.
    std::optional<double> cpus = {};
    /// The time in which that may be used up: 1 ms to 1 s, default 100 ms.
    std::optional<std::chrono::microseconds> cpu_period = {};
    /// Share of the time when there is not enough for all: 1 to 10000, default 100. Version 1 calls 100 1024 shares.
    std::optional<std::uint32_t> cpu_weight = {};
    /// Runs only if nobody else wants to; the weight counts once this is false again. Linux 5.15.
    std::optional<bool> cpu_idle = {};
    /// @}

    std::optional<std::string> cpuset_cpus = {}; ///< CPUs to run on, such as "0-3,7".
    std::optional<std::string> cpuset_mems = {}; ///< Memory nodes.

    std::optional<std::uint64_t> pids_max = {}; ///< Processes and threads, 1 to 4194304; or Unlimited.

    /// Share of the I/O: 1 to 10000, default 100. For the I/O schedulers of the host that know it; that of BFQ is 1 to
    /// 1000, and what is above 100 is scaled.
    std::optional<std::uint32_t> io_weight = {};
    std::vector<IoLimit> io = {}; ///< At most one for a device; whole disks, no partitions.

    std::map<Bytes, Bytes> hugetlb = {}; ///< How much of huge pages of that size may be used or reserved.

    /// Access to devices, for what opens or makes nodes once the container is set up. An empty list denies all;
    /// default: no restriction.
    std::optional<std::vector<DeviceRule>> devices = {};

    std::optional<std::uint32_t> net_class = {};            ///< The class id of packets, for tc(8). Version 1 only.
    std::map<std::string, std::uint32_t> net_priority = {}; ///< Of packets, by the host's interface. Version 1 only.

    bool operator==(const Limits&) const = default;
};

} // namespace ct
