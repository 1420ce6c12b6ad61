// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <libct/libct-resources.h>

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <ct/export.hpp>

#include "capi/container.hpp"
#include "capi/numbers.hpp"
#include "capi/structs.hpp"

namespace ct::capi {

namespace {

/// LIBCT_UNLIMITED is what the C++ library has for no limit, too.
Bytes bytes(std::uint64_t count) {
    return {count};
}

std::optional<std::uint32_t> number(int given) {
    return given == LIBCT_DEVICE_ANY ? std::nullopt : std::optional(static_cast<std::uint32_t>(given));
}

DeviceRule rule_of(const libct_device_rule& given) {
    const auto type = static_cast<unsigned>(given.type);
    require(type == 0 || type == S_IFCHR || type == S_IFBLK, LCTERR_INVARG, "a device rule has an unknown type");
    return {.allow = given.allow != 0,
            .type = type == 0         ? DeviceClass::All
                    : type == S_IFCHR ? DeviceClass::Character
                                      : DeviceClass::Block,
            .major = number(given.major),
            .minor = number(given.minor),
            .read = (given.access & LIBCT_DEVICE_READ) != 0,
            .write = (given.access & LIBCT_DEVICE_WRITE) != 0,
            .make = (given.access & LIBCT_DEVICE_MAKE) != 0};
}

int number_or_any(std::optional<std::uint32_t> number) {
    return number ? static_cast<int>(*number) : LIBCT_DEVICE_ANY;
}

libct_device_rule told_rule(const DeviceRule& rule) {
    return {.allow = rule.allow ? 1 : 0,
            .type = rule.type == DeviceClass::All         ? 0
                    : rule.type == DeviceClass::Character ? S_IFCHR
                                                          : S_IFBLK,
            .major = number_or_any(rule.major),
            .minor = number_or_any(rule.minor),
            .access = (rule.read ? LIBCT_DEVICE_READ : 0U) | (rule.write ? LIBCT_DEVICE_WRITE : 0U) |
                      (rule.make ? LIBCT_DEVICE_MAKE : 0U)};
}

IoLimit io_limit_of(const libct_io_limit& given) {
    IoLimit limit{.major = given.major, .minor = given.minor};
    if (given.read_bytes_per_second != 0) limit.read_per_second = bytes(given.read_bytes_per_second);
    if (given.write_bytes_per_second != 0) limit.write_per_second = bytes(given.write_bytes_per_second);
    if (given.reads_per_second != 0) limit.reads_per_second = given.reads_per_second;
    if (given.writes_per_second != 0) limit.writes_per_second = given.writes_per_second;
    return limit;
}

void set_memory(Limits& limits, const libct_limits& given) {
    if ((given.set & LIBCT_LIMIT_MEMORY_MAX) != 0) limits.memory_max = bytes(given.memory_max_bytes);
    if ((given.set & LIBCT_LIMIT_MEMORY_HIGH) != 0) limits.memory_high = bytes(given.memory_high_bytes);
    if ((given.set & LIBCT_LIMIT_MEMORY_LOW) != 0) limits.memory_low = bytes(given.memory_low_bytes);
    if ((given.set & LIBCT_LIMIT_MEMORY_MIN) != 0) limits.memory_min = bytes(given.memory_min_bytes);
    if ((given.set & LIBCT_LIMIT_SWAP_MAX) != 0) limits.swap_max = bytes(given.swap_max_bytes);
    if ((given.set & LIBCT_LIMIT_OOM_GROUP) != 0) limits.oom_group = given.oom_group != 0;
}

void set_cpu(Limits& limits, const libct_limits& given) {
    if ((given.set & LIBCT_LIMIT_CPUS) != 0) {
        limits.cpus = given.cpus_milli == LIBCT_UNLIMITED ? std::numeric_limits<double>::infinity()
                                                          : static_cast<double>(given.cpus_milli) / 1000;
    }
    if ((given.set & LIBCT_LIMIT_CPU_PERIOD) != 0) {
        require(given.cpu_period_us <= 1'000'000, LCTERR_INVARG, "a CPU period is longer than a second");
        limits.cpu_period = std::chrono::microseconds(given.cpu_period_us);
    }
    if ((given.set & LIBCT_LIMIT_CPU_WEIGHT) != 0) limits.cpu_weight = given.cpu_weight;
    if ((given.set & LIBCT_LIMIT_CPU_IDLE) != 0) limits.cpu_idle = given.cpu_idle != 0;
    if (given.cpuset_cpus != nullptr) limits.cpuset_cpus = given.cpuset_cpus;
    if (given.cpuset_mems != nullptr) limits.cpuset_mems = given.cpuset_mems;
}

/// The one of that device, which may have other limits already.
IoLimit& io_limit_of_device(Limits& limits, std::uint32_t major, std::uint32_t minor) {
    for (IoLimit& limit : limits.io) {
        if (limit.major == major && limit.minor == minor) return limit;
    }
    return limits.io.emplace_back(IoLimit{.major = major, .minor = minor});
}

void set_lists(Limits& limits, const libct_limits& given) {
    if ((given.set & LIBCT_LIMIT_NET_CLASS) != 0) limits.net_class = given.net_class;
    require(given.io_weights != nullptr || given.io_weight_count == 0, LCTERR_INVARG, "there are no weights");
    for (std::size_t i = 0; i < given.io_weight_count; ++i) {
        const libct_io_weight& one = given.io_weights[i];
        io_limit_of_device(limits, one.major, one.minor).weight = one.weight;
    }
    require(given.hugetlb != nullptr || given.hugetlb_count == 0, LCTERR_INVARG, "there are no huge pages");
    for (std::size_t i = 0; i < given.hugetlb_count; ++i)
        limits.hugetlb[bytes(given.hugetlb[i].page_bytes)] = bytes(given.hugetlb[i].max_bytes);
    require(given.net_priorities != nullptr || given.net_priority_count == 0, LCTERR_INVARG, "there are no priorities");
    for (std::size_t i = 0; i < given.net_priority_count; ++i) {
        const libct_net_priority& one = given.net_priorities[i];
        require(one.interface_name != nullptr, LCTERR_INVARG, "a priority is for no interface");
        limits.net_priority[one.interface_name] = one.priority;
    }
}

Limits limits_of(const libct_limits* pointer) {
    const libct_limits given = read_struct(pointer);
    constexpr std::uint64_t all = 2 * LIBCT_LIMIT_NET_CLASS - 1;
    require((given.set & ~all) == 0, LCTERR_INVARG, "there is no such limit");
    Limits limits;
    set_memory(limits, given);
    set_cpu(limits, given);
    if ((given.set & LIBCT_LIMIT_PIDS_MAX) != 0) limits.pids_max = given.pids_max;
    if ((given.set & LIBCT_LIMIT_IO_WEIGHT) != 0) limits.io_weight = given.io_weight;
    require(given.io != nullptr || given.io_count == 0, LCTERR_INVARG, "there are no I/O limits");
    for (std::size_t i = 0; i < given.io_count; ++i) limits.io.push_back(io_limit_of(given.io[i]));
    require(given.devices != nullptr || given.device_count == 0, LCTERR_INVARG, "there are no device rules");
    if ((given.set & LIBCT_LIMIT_DEVICES) != 0 || given.device_count > 0) limits.devices.emplace();
    for (std::size_t i = 0; i < given.device_count; ++i) limits.devices->push_back(rule_of(given.devices[i]));
    set_lists(limits, given);
    return limits;
}

void tell_io(libct_stats& told, const Known& known, const std::vector<IoStats>& devices) {
    const auto sum = [&](auto member) {
        std::optional<std::uint64_t> all;
        for (const IoStats& device : devices) {
            if (device.*member) all = all.value_or(0) + number_of(*(device.*member));
        }
        return all;
    };
    known.tell(LIBCT_STATS_IO_READ, told.io_read_bytes, sum(&IoStats::read));
    known.tell(LIBCT_STATS_IO_WRITTEN, told.io_written_bytes, sum(&IoStats::written));
    known.tell(LIBCT_STATS_IO_READS, told.io_reads, sum(&IoStats::reads));
    known.tell(LIBCT_STATS_IO_WRITES, told.io_writes, sum(&IoStats::writes));
}

void tell_memory(libct_stats& told, const Known& known, const MemoryStats& memory) {
    known.tell(LIBCT_STATS_MEMORY_CURRENT, told.memory_current_bytes, memory.current);
    known.tell(LIBCT_STATS_MEMORY_PEAK, told.memory_peak_bytes, memory.peak);
    known.tell(LIBCT_STATS_MEMORY_MAX, told.memory_max_bytes, memory.max);
    known.tell(LIBCT_STATS_MEMORY_CACHE, told.memory_cache_bytes, memory.cache);
    known.tell(LIBCT_STATS_MEMORY_RSS, told.memory_rss_bytes, memory.rss);
    known.tell(LIBCT_STATS_MEMORY_SWAP, told.memory_swap_bytes, memory.swap);
    known.tell(LIBCT_STATS_MEMORY_KERNEL, told.memory_kernel_bytes, memory.kernel);
    known.tell(LIBCT_STATS_PAGE_FAULTS, told.page_faults, memory.page_faults);
    known.tell(LIBCT_STATS_MAJOR_PAGE_FAULTS, told.major_page_faults, memory.major_page_faults);
    known.tell(LIBCT_STATS_OOM_KILLS, told.oom_kills, memory.events.oom_kill);
    known.tell(LIBCT_STATS_MEMORY_LOW_EVENTS, told.memory_low_events, memory.events.low);
    known.tell(LIBCT_STATS_MEMORY_HIGH_EVENTS, told.memory_high_events, memory.events.high);
    known.tell(LIBCT_STATS_MEMORY_MAX_EVENTS, told.memory_max_events, memory.events.max);
    known.tell(LIBCT_STATS_OOMS, told.ooms, memory.events.oom);
    known.tell(LIBCT_STATS_OOM_GROUP_KILLS, told.oom_group_kills, memory.events.oom_group_kill);
}

void tell_stall(std::uint64_t& bits, std::uint64_t bit, std::uint64_t& to, const Pressure& pressure) {
    if (!pressure.some) return;
    to = static_cast<std::uint64_t>(pressure.some->total.count());
    bits |= bit;
}

libct_stats stats_of(const Stats& stats) {
    libct_stats told{};
    told.struct_size = sizeof told;
    const Known known(told.known);
    known.tell(LIBCT_STATS_CPU_USAGE, told.cpu_usage_ns, stats.cpu.usage);
    known.tell(LIBCT_STATS_CPU_USER, told.cpu_user_ns, stats.cpu.user);
    known.tell(LIBCT_STATS_CPU_SYSTEM, told.cpu_system_ns, stats.cpu.system);
    known.tell(LIBCT_STATS_CPU_PERIODS, told.cpu_periods, stats.cpu.periods);
    known.tell(LIBCT_STATS_CPU_THROTTLED_PERIODS, told.cpu_throttled_periods, stats.cpu.throttled_periods);
    known.tell(LIBCT_STATS_CPU_THROTTLED, told.cpu_throttled_ns, stats.cpu.throttled_time);
    tell_memory(told, known, stats.memory);
    known.tell(LIBCT_STATS_PIDS_CURRENT, told.pids_current, stats.pids.current);
    known.tell(LIBCT_STATS_PIDS_PEAK, told.pids_peak, stats.pids.peak);
    known.tell(LIBCT_STATS_PIDS_MAX, told.pids_max, stats.pids.max);
    known.tell(LIBCT_STATS_PIDS_REFUSED, told.pids_refused, stats.pids.refused);
    if (stats.io) tell_io(told, known, *stats.io);
    tell_stall(told.known, LIBCT_STATS_CPU_STALLED, told.cpu_stalled_us, stats.cpu_pressure);
    tell_stall(told.known, LIBCT_STATS_MEMORY_STALLED, told.memory_stalled_us, stats.memory_pressure);
    tell_stall(told.known, LIBCT_STATS_IO_STALLED, told.io_stalled_us, stats.io_pressure);
    return told;
}

} // namespace

Stats Container::stats() {
    require(state() != CT_STOPPED, LCTERR_BADCTSTATE, "the container is stopped");
    try {
        return object().stats();
    } catch (const Error& error) {
        if (error.code() == Errc::InvalidState) throw Failure(LCTERR_INVARG, error);
        throw;
    }
}

void Container::update(const Limits& limits) {
    ct::Container container = object();
    require(state() != CT_STOPPED, LCTERR_BADCTSTATE, "the container is stopped");
    try {
        container.update(limits);
    } catch (const Error& error) {
        throw Failure(error.code() == Errc::InvalidConfig ? LCTERR_INVARG : LCTERR_CGCONFIG, error);
    }
    // A later start has them, too.
    const Limits now = container.spec().cgroup.limits;
    change([&](Config& config, ct_state) { config.base.cgroup.limits = now; });
}

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_container_set_limits(ct_handler_t ct, const struct libct_limits* limits) {
    return guard([&] {
        const auto container = get(ct);
        const ct::Limits wanted = limits_of(limits);
        // The setter there finds what is malformed.
        container->with_stopped([&](ct::Container& core) { core.set_limits(wanted); });
        container->configure([&](Config& config) { config.base.cgroup.limits = wanted; });
    });
}

CT_EXPORT int libct_container_update_limits(ct_handler_t ct, const struct libct_limits* limits) {
    return guard([&] { get(ct)->update(limits_of(limits)); });
}

CT_EXPORT int libct_default_device_rules(struct libct_device_rule* rules, size_t count) {
    return guard([&] {
        require(rules != nullptr || count == 0, LCTERR_INVARG, "an argument is NULL");
        const std::vector<ct::DeviceRule> all = ct::default_device_rules();
        for (std::size_t i = 0; i < std::min(count, all.size()); ++i) rules[i] = told_rule(all[i]);
        return static_cast<int>(all.size());
    });
}

CT_EXPORT int libct_container_stats(ct_handler_t ct, struct libct_stats* stats) {
    return guard([&] { write_struct(stats, stats_of(get(ct)->stats())); });
}

CT_EXPORT int libct_container_on_stats(ct_handler_t ct, unsigned int interval_ms,
                                       void (*cb)(ct_handler_t, const struct libct_stats*, uint64_t, void*),
                                       void* user) {
    return guard([&] {
        get(ct)->set_handler(
            "stats",
            [=](ct::Container& container, bool set) {
                ct::StatsHandler handler;
                if (set) {
                    handler = [=](const ct::StatsEvent& event) {
                        const libct_stats told = stats_of(event.stats);
                        cb(ct, &told, number_of(event.time.time_since_epoch()), user);
                    };
                }
                // Taking it away needs no interval of its own.
                container.on_stats(std::chrono::milliseconds(set ? interval_ms : 1), std::move(handler));
            },
            cb != nullptr);
    });
}

} // extern "C"
