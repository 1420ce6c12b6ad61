// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// stats: what containers use.
#include <iostream>

#include <unistd.h>

#include "../json.hpp"
#include "../quantities.hpp"
#include "../table.hpp"
#include "commands.hpp"
#include "live_stats.hpp"

namespace ctrun {

namespace {

/// What is not known is null; no limit is "max".
template <typename Number>
Json to_json(const std::optional<Number>& number) {
    return number ? Json(*number) : Json();
}
Json to_json(const std::optional<ct::Bytes>& bytes) {
    if (!bytes) return {};
    return *bytes == ct::Bytes::unlimited() ? Json("max") : Json(bytes->count);
}
Json to_json(const std::optional<std::chrono::nanoseconds>& time) {
    return time ? Json(time->count()) : Json();
}
Json limit_to_json(const std::optional<std::uint64_t>& limit) {
    return limit == ct::Unlimited ? Json("max") : to_json(limit);
}

Json to_json(const ct::CpuStats& cpu) {
    return {{"usage_ns", to_json(cpu.usage)},
            {"user_ns", to_json(cpu.user)},
            {"system_ns", to_json(cpu.system)},
            {"periods", to_json(cpu.periods)},
            {"throttled_periods", to_json(cpu.throttled_periods)},
            {"throttled_ns", to_json(cpu.throttled_time)}};
}

Json to_json(const ct::MemoryStats& memory) {
    const ct::MemoryEvents& events = memory.events;
    return {{"current", to_json(memory.current)},
            {"peak", to_json(memory.peak)},
            {"max", to_json(memory.max)},
            {"cache", to_json(memory.cache)},
            {"rss", to_json(memory.rss)},
            {"swap", to_json(memory.swap)},
            {"kernel", to_json(memory.kernel)},
            {"page_faults", to_json(memory.page_faults)},
            {"major_page_faults", to_json(memory.major_page_faults)},
            {"events",
             {{"low", to_json(events.low)},
              {"high", to_json(events.high)},
              {"max", to_json(events.max)},
              {"oom", to_json(events.oom)},
              {"oom_kill", to_json(events.oom_kill)},
              {"oom_group_kill", to_json(events.oom_group_kill)}}}};
}

Json to_json(const ct::PidsStats& pids) {
    return {{"current", to_json(pids.current)},
            {"peak", to_json(pids.peak)},
            {"max", limit_to_json(pids.max)},
            {"refused", to_json(pids.refused)}};
}

Json to_json(const std::optional<std::vector<ct::IoStats>>& io) {
    if (!io) return {};
    Json list = Json::array();
    for (const ct::IoStats& device : *io) {
        list.push_back({{"major", device.major},
                        {"minor", device.minor},
                        {"read", to_json(device.read)},
                        {"written", to_json(device.written)},
                        {"discarded", to_json(device.discarded)},
                        {"reads", to_json(device.reads)},
                        {"writes", to_json(device.writes)},
                        {"discards", to_json(device.discards)}});
    }
    return list;
}

Json to_json(const std::map<ct::Bytes, ct::HugetlbStats>& sizes) {
    Json list = Json::array();
    for (const auto& [size, stats] : sizes) {
        list.push_back({{"page_size", size.count},
                        {"current", to_json(stats.current)},
                        {"peak", to_json(stats.peak)},
                        {"max", to_json(stats.max)},
                        {"failures", to_json(stats.failures)}});
    }
    return list;
}

Json to_json(const std::optional<ct::Stall>& stall) {
    if (!stall) return {};
    return {{"average_10", stall->average_10},
            {"average_60", stall->average_60},
            {"average_300", stall->average_300},
            {"total_us", stall->total.count()}};
}

Json to_json(const ct::Pressure& pressure) {
    return {{"some", to_json(pressure.some)}, {"full", to_json(pressure.full)}};
}

Json to_json(const std::string& name, const ct::Stats& stats) {
    return {{"name", name},
            {"cpu", to_json(stats.cpu)},
            {"memory", to_json(stats.memory)},
            {"pids", to_json(stats.pids)},
            {"io", to_json(stats.io)},
            {"hugetlb", to_json(stats.hugetlb)},
            {"pressure",
             {{"cpu", to_json(stats.cpu_pressure)},
              {"memory", to_json(stats.memory_pressure)},
              {"io", to_json(stats.io_pressure)}}}};
}

} // namespace

Json stats_to_json(const std::string& name, const ct::Stats& stats) {
    return to_json(name, stats);
}

namespace {

int print_once(const StatsCommand& command) {
    ct::Session session = open_session();
    Json list = Json::array();
    Table table({"NAME", "CPU", "THROTTLED", "MEMORY", "MAX", "CACHE", "SWAP", "OOM-KILLS", "PIDS", "READ", "WRITTEN"});
    for (const std::string& name : command.names.empty() ? names_with_stats(session) : command.names) {
        const ct::Stats stats = session.open(name).stats();
        list.push_back(to_json(name, stats));
        const ct::MemoryStats& memory = stats.memory;
        table.add({name, text(stats.cpu.usage), text(stats.cpu.throttled_time), text(memory.current), text(memory.max),
                   text(memory.cache), text(memory.swap), text(memory.events.oom_kill), text(stats.pids.current),
                   text(sum(stats.io, &ct::IoStats::read)), text(sum(stats.io, &ct::IoStats::written))});
    }
    if (command.json) {
        print_json(list);
    } else {
        table.print(std::cout);
    }
    return 0;
}

} // namespace

int execute(const StatsCommand& command) {
    const bool live = !command.once && (command.interval || ::isatty(STDOUT_FILENO) == 1);
    return live ? print_live(command) : print_once(command);
}

} // namespace ctrun
