// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <string_view>
#include <utility>

#include <ct/error.hpp>

#include "base/concat.hpp"
#include "config/validate.hpp"

/// The rules for limits by cgroups.
namespace ct::internal {

namespace {

[[noreturn]] void reject(std::string violation) {
    throw Error::invalid_config({}, {std::move(violation)});
}

constexpr std::uint32_t MostWeight = 10'000;
constexpr std::uint64_t MostPids = 4'194'304; // PID_MAX_LIMIT
constexpr unsigned MostUnits = 65'536;        // more CPUs or memory nodes than any kernel knows
constexpr double MostCpus = 1e6;
constexpr std::chrono::microseconds LeastTime{1'000}; // of a period, and in it
constexpr std::chrono::microseconds MostTime{1'000'000};

void check_weight(std::string_view what, const std::optional<std::uint32_t>& weight) {
    if (weight && (*weight == 0 || *weight > MostWeight)) {
        reject(concat(what, " of ", *weight, " is not from 1 to ", MostWeight));
    }
}

void check_cpu(const Limits& limits) {
    if (limits.cpus) {
        const double cpus = *limits.cpus;
        if (std::isnan(cpus) || cpus <= 0 || (std::isfinite(cpus) && cpus > MostCpus)) {
            reject("the number of CPUs is not above 0, up to a million, or infinite");
        }
    }
    if (limits.cpu_period && (*limits.cpu_period < LeastTime || *limits.cpu_period > MostTime)) {
        reject(concat("a CPU period of ", limits.cpu_period->count(), " us is not from 1 ms to 1 s"));
    }
    check_weight("a CPU weight", limits.cpu_weight);
}

/// One number of a list, from the front of \p text; none if there is none below MostUnits.
std::optional<unsigned> take_unit(std::string_view& text) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || value >= MostUnits) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return value;
}

/// "0-3,7"; see cpuset(7). The kernel's "0-31:2/4" is not among what is taken here.
bool is_list(std::string_view text) {
    for (;;) {
        const std::optional<unsigned> first = take_unit(text);
        if (!first) return false;
        if (text.starts_with('-')) {
            text.remove_prefix(1);
            const std::optional<unsigned> last = take_unit(text);
            if (!last || *last < *first) return false;
        }
        if (text.empty()) return true;
        if (text.front() != ',') return false;
        text.remove_prefix(1);
    }
}

void check_list(std::string_view what, const std::optional<std::string>& list) {
    if (list && !is_list(*list)) reject(concat(what, " '", *list, "' are no list like 0-3,7"));
}

void check_memory(const Limits& limits) {
    if (limits.memory_max == Bytes{0}) reject("a container cannot run without memory: its limit is 0");
    if (limits.pids_max && (*limits.pids_max == 0 || (*limits.pids_max > MostPids && *limits.pids_max != Unlimited))) {
        reject(concat("a limit of ", *limits.pids_max, " processes is not from 1 to ", MostPids, ", or unlimited"));
    }
    for (const auto& [size, limit] : limits.hugetlb) {
        const bool power_of_two = size.count != 0 && (size.count & (size.count - 1)) == 0;
        if (!power_of_two || size < KiB) reject(concat("there are no huge pages of ", size.count, " bytes"));
    }
}

void check_io(const Limits& limits) {
    check_weight("an I/O weight", limits.io_weight);
    std::set<std::pair<std::uint32_t, std::uint32_t>> devices;
    for (const IoLimit& limit : limits.io) {
        const std::string device = concat("device ", limit.major, ":", limit.minor);
        // What fits into the kernel's dev_t.
        if (limit.major >= 1U << 12U) reject(concat(device, " has a major number above 4095"));
        if (limit.minor >= 1U << 20U) reject(concat(device, " has a minor number above 1048575"));
        if (!devices.emplace(limit.major, limit.minor).second) reject(concat(device, " has two limits"));
        check_weight(concat("a weight for ", device), limit.weight);
        // Version 1 takes 0 for no limit.
        if (limit.read_per_second == Bytes{0} || limit.write_per_second == Bytes{0} ||
            limit.reads_per_second == std::uint64_t{0} || limit.writes_per_second == std::uint64_t{0}) {
            reject(concat(device, " has a limit of 0"));
        }
        if (IoLimit{.major = limit.major, .minor = limit.minor} == limit) reject(concat(device, " has no limit"));
    }
}

void check_network(const Limits& limits) {
    for (const auto& [interface, priority] : limits.net_priority) {
        const bool malformed = interface.empty() || interface.size() > 15 || interface == "." || interface == ".." ||
                               std::any_of(interface.begin(), interface.end(), [](unsigned char c) {
                                   return c <= ' ' || c == 0x7f || c == '/' || c == ':';
                               });
        if (malformed) reject(concat("'", interface.c_str(), "' is no name of a network interface"));
        if (priority > static_cast<std::uint32_t>(INT32_MAX)) {
            reject(concat("a network priority of ", priority, " is above ", INT32_MAX));
        }
    }
}

} // namespace

void check_limits(const Limits& limits) {
    check_memory(limits);
    check_cpu(limits);
    check_list("the CPUs", limits.cpuset_cpus);
    check_list("the memory nodes", limits.cpuset_mems);
    check_io(limits);
    check_network(limits);
}

void limit_violations(std::vector<std::string>& found, const Limits& limits) {
    if (limits.cpus && std::isfinite(*limits.cpus)) {
        const auto period = limits.cpu_period.value_or(std::chrono::milliseconds(100));
        const double time = *limits.cpus * static_cast<double>(period.count());
        if (time < static_cast<double>(LeastTime.count())) {
            found.push_back(concat("a CPU limit of ", std::llround(time), " us in ", period.count(),
                                   " us is below the kernel's least, 1 ms"));
        }
    }
    if (limits.memory_min && limits.memory_max && *limits.memory_min > *limits.memory_max) {
        found.push_back("more memory is never to be reclaimed than the limit of memory allows");
    }
}

} // namespace ct::internal
