// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "limits.hpp"

#include <charconv>
#include <chrono>
#include <cmath>
#include <stdexcept>
#include <string>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "adder.hpp"
#include "values.hpp"

namespace ctrun {

namespace {

constexpr std::uint64_t MostOf32Bits = 0xffffffff;

[[noreturn]] void reject(std::string_view text, std::string_view expected) {
    throw std::invalid_argument("'" + std::string(text) + "' is not " + std::string(expected));
}

std::uint32_t parse_32_bits(std::string_view text, int base = 10) {
    return static_cast<std::uint32_t>(parse_number(text, MostOf32Bits, base));
}

std::uint64_t parse_count(std::string_view text) {
    return text == "max" ? ct::Unlimited : parse_number(text);
}

bool parse_yes(std::string_view text) {
    if (text != "yes" && text != "no") reject(text, "yes or no");
    return text == "yes";
}

/// The device number of \p text.
ct::IoLimit parse_block_device(const std::string& text) {
    if (text.starts_with('/')) {
        struct stat status {};
        if (::stat(text.c_str(), &status) != 0 || !S_ISBLK(status.st_mode)) reject(text, "a block device");
        return {.major = ::gnu_dev_major(status.st_rdev), .minor = ::gnu_dev_minor(status.st_rdev)};
    }
    const auto numbers = split(text, ':');
    if (numbers.size() != 2) reject(text, "a device: MAJOR:MINOR, or the path of its node");
    return {.major = parse_32_bits(numbers[0]), .minor = parse_32_bits(numbers[1])};
}

} // namespace

ct::Bytes parse_bytes(std::string_view text) {
    return text == "max" ? ct::Bytes::unlimited() : ct::Bytes{parse_size(text)};
}

double parse_cpus(std::string_view text) {
    if (text == "max") return HUGE_VAL;
    double cpus = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cpus);
    if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(cpus)) {
        reject(text, "a number of CPUs such as 0.5, or max");
    }
    return cpus;
}

ct::IoLimit parse_io_limit(std::string_view text) {
    constexpr const char* expected = "DEVICE:KEY=VALUE,... with the keys rbps, wbps, riops, wiops and weight";
    const std::size_t colon = text.rfind(':', text.find('='));
    if (colon == std::string_view::npos) reject(text, expected);
    ct::IoLimit limit = parse_block_device(std::string(text.substr(0, colon)));
    for (const std::string& word : split(text.substr(colon + 1), ',')) {
        const auto [key, value] = parse_assignment(word);
        if (key == "rbps") {
            limit.read_per_second = parse_bytes(value);
        } else if (key == "wbps") {
            limit.write_per_second = parse_bytes(value);
        } else if (key == "riops") {
            limit.reads_per_second = parse_count(value);
        } else if (key == "wiops") {
            limit.writes_per_second = parse_count(value);
        } else if (key == "weight") {
            limit.weight = parse_32_bits(value);
        } else {
            reject(text, expected);
        }
    }
    return limit;
}

std::pair<ct::Bytes, ct::Bytes> parse_hugetlb(std::string_view text) {
    const auto [page, amount] = parse_assignment(text);
    return {ct::Bytes{parse_size(page)}, parse_bytes(amount)};
}

std::uint32_t parse_net_class(std::string_view text) {
    const auto handle = split(text, ':');
    if (handle.size() == 1) return parse_32_bits(text);
    if (handle.size() != 2) reject(text, "a class: MAJOR:MINOR in hexadecimal, or a number");
    constexpr std::uint64_t most = 0xffff;
    return static_cast<std::uint32_t>(parse_number(handle[0], most, 16) << 16U | parse_number(handle[1], most, 16));
}

namespace {

void add_memory_options(Adder& add, ct::Limits& limits) {
    const auto memory = [&](const char* name, const char* help, std::optional<ct::Bytes> ct::Limits::*limit) {
        add.option(name, "SIZE", help,
                   [&limits, limit](const std::string& text) { limits.*limit = parse_bytes(text); });
    };
    memory("--memory", "Kill for memory beyond this; k, m and g are units, max is no limit", &ct::Limits::memory_max);
    memory("--memory-high", "Slow down beyond this", &ct::Limits::memory_high);
    memory("--memory-low", "Keep this from reclaim if possible", &ct::Limits::memory_low);
    memory("--memory-min", "Never reclaim this", &ct::Limits::memory_min);
    memory("--swap", "Swap in addition to memory", &ct::Limits::swap_max);
    add.option("--oom-group", "yes|no", "Whether an OOM kill ends the whole container",
               [&](const std::string& text) { limits.oom_group = parse_yes(text); });
    add.option("--hugetlb", "PAGESIZE=SIZE", "Huge pages of that size, such as 2m=64m", [&](const std::string& text) {
        const auto [page, amount] = parse_hugetlb(text);
        limits.hugetlb[page] = amount;
    });
}

void add_cpu_options(Adder& add, ct::Limits& limits) {
    add.option("--cpus", "N", "As much time as N CPUs have, such as 0.5; max is no limit",
               [&](const std::string& text) { limits.cpus = parse_cpus(text); });
    add.option(
        "--cpu-period", "MS", "Milliseconds in which it may use that up; by default 100",
        [&](const std::string& text) { limits.cpu_period = std::chrono::milliseconds(parse_number(text, 1000)); });
    add.option("--cpu-weight", "N", "Share of the time if it is scarce: 1 to 10000; others have 100",
               [&](const std::string& text) { limits.cpu_weight = parse_32_bits(text); });
    add.option("--cpu-idle", "yes|no", "Whether it runs only if nobody else wants to",
               [&](const std::string& text) { limits.cpu_idle = parse_yes(text); });
    add.option("--cpuset-cpus", "LIST", "CPUs to run on, such as 0-3,7",
               [&](const std::string& text) { limits.cpuset_cpus = text; });
    add.option("--cpuset-mems", "LIST", "Memory nodes to use",
               [&](const std::string& text) { limits.cpuset_mems = text; });
    add.option("--pids", "N", "Processes and threads; max is no limit",
               [&](const std::string& text) { limits.pids_max = parse_count(text); });
}

void add_device_options(Adder& add, ct::Limits& limits) {
    add.option("--io-weight", "N", "Share of the I/O if it is scarce: 1 to 10000; others have 100",
               [&](const std::string& text) { limits.io_weight = parse_32_bits(text); });
    add.option("--io-limit", "DEVICE:KEY=VALUE,...",
               "Limit a disk, given by numbers as in 8:0 or by path;\n"
               "keys are rbps, wbps, riops, wiops and weight",
               [&](const std::string& text) { limits.io.push_back(parse_io_limit(text)); });
    add.option("--net-class", "MAJOR:MINOR", "Class of its packets for tc(8)",
               [&](const std::string& text) { limits.net_class = parse_net_class(text); });
    add.option("--net-priority", "INTERFACE=N", "Priority of its packets on an interface",
               [&](const std::string& text) {
                   auto [interface, priority] = parse_assignment(text);
                   limits.net_priority[interface] = parse_32_bits(priority);
               });
}

} // namespace

void add_limit_options(Adder& add, ct::Limits& limits) {
    add.group("Limits");
    add_memory_options(add, limits);
    add_cpu_options(add, limits);
    add_device_options(add, limits);
}

} // namespace ctrun
