// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/stats.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include <boost/filesystem/operations.hpp>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "cgroup/stats_text.hpp"

namespace ct::internal {

namespace {

/// Reads control files, each into the place of the one before.
class Reader {
public:
    /// Empty if there is no such file, or the kernel has nothing to say in it.
    std::optional<std::string_view> read(const Group& group, const std::string& file) {
        const UniqueFd fd(::openat(group.directory.get(), file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
        if (!fd) return fail(group, file, errno);
        // Of a control file each read(2) gives all that there is, or all that there is room for.
        ssize_t count = ::read(fd.get(), buffer_.data(), buffer_.size());
        if (count < 0) return fail(group, file, errno);
        if (static_cast<std::size_t>(count) < buffer_.size()) {
            return std::string_view(buffer_.data(), static_cast<std::size_t>(count));
        }
        long_text_.assign(buffer_.data(), buffer_.size());
        while ((count = ::read(fd.get(), buffer_.data(), buffer_.size())) > 0)
            long_text_.append(buffer_.data(), static_cast<std::size_t>(count));
        if (count < 0) return fail(group, file, errno);
        return long_text_;
    }

    std::optional<std::uint64_t> count(const Group& group, const std::string& file) {
        const auto text = read(group, file);
        return text ? parse_count(*text) : std::nullopt;
    }
    std::optional<std::uint64_t> limit(const Group& group, const std::string& file) {
        const auto text = read(group, file);
        return text ? parse_limit(*text) : std::nullopt;
    }
    void keyed(const Group& group, const std::string& file, std::initializer_list<KeyedCount> wanted) {
        if (const auto text = read(group, file)) parse_keyed(*text, wanted);
    }

private:
    static std::nullopt_t fail(const Group& group, const std::string& file, int error) {
        if (error == ENOENT || error == ENODEV || error == EOPNOTSUPP || error == EINVAL) return std::nullopt;
        throw sys::error(error, Stage::Cgroup, "read", concat(group.path, "/", file));
    }

    std::array<char, 16384> buffer_;
    std::string long_text_;
};

std::optional<Bytes> bytes(std::optional<std::uint64_t> count) {
    return count ? std::optional(Bytes{*count}) : std::nullopt;
}

void read_cpu(Reader& reader, const Groups& groups, CpuStats& stats) {
    constexpr std::chrono::microseconds usec(1);
    const Group* const unified = groups.unified();
    if (unified != nullptr) {
        std::optional<std::uint64_t> usage, user, system, throttled;
        reader.keyed(*unified, "cpu.stat",
                     {{"usage_usec", usage},
                      {"user_usec", user},
                      {"system_usec", system},
                      {"nr_periods", stats.periods},
                      {"nr_throttled", stats.throttled_periods},
                      {"throttled_usec", throttled}});
        stats.usage = duration_of(usage, usec);
        stats.user = duration_of(user, usec);
        stats.system = duration_of(system, usec);
        stats.throttled_time = duration_of(throttled, usec);
    }
    const Group* const accounting = groups.find(Controller::Cpuacct);
    if (!stats.usage && accounting != nullptr && accounting != unified) {
        std::optional<std::uint64_t> user, system;
        stats.usage = duration_of(reader.count(*accounting, "cpuacct.usage"), std::chrono::nanoseconds(1));
        reader.keyed(*accounting, "cpuacct.stat", {{"user", user}, {"system", system}});
        const auto tick = std::chrono::nanoseconds(std::chrono::seconds(1)) / ::sysconf(_SC_CLK_TCK);
        stats.user = duration_of(user, tick);
        stats.system = duration_of(system, tick);
    }
    const Group* const cpu = groups.find(Controller::Cpu);
    if (cpu != nullptr && cpu != unified) {
        std::optional<std::uint64_t> throttled;
        reader.keyed(
            *cpu, "cpu.stat",
            {{"nr_periods", stats.periods}, {"nr_throttled", stats.throttled_periods}, {"throttled_time", throttled}});
        stats.throttled_time = duration_of(throttled, std::chrono::nanoseconds(1));
    }
}

void read_memory_1(Reader& reader, const Group& group, MemoryStats& stats) {
    stats.current = bytes(reader.count(group, "memory.usage_in_bytes"));
    stats.peak = bytes(reader.count(group, "memory.max_usage_in_bytes"));
    stats.max = bytes(reader.limit(group, "memory.limit_in_bytes"));
    stats.kernel = bytes(reader.count(group, "memory.kmem.usage_in_bytes"));
    std::optional<std::uint64_t> cache, rss, swap;
    reader.keyed(group, "memory.stat",
                 {{"total_cache", cache},
                  {"total_rss", rss},
                  {"total_swap", swap},
                  {"total_pgfault", stats.page_faults},
                  {"total_pgmajfault", stats.major_page_faults}});
    stats.cache = bytes(cache);
    stats.rss = bytes(rss);
    stats.swap = bytes(swap);
    stats.events.max = reader.count(group, "memory.failcnt");
    reader.keyed(group, "memory.oom_control", {{"oom_kill", stats.events.oom_kill}});
}

void read_memory_2(Reader& reader, const Group& group, MemoryStats& stats) {
    stats.current = bytes(reader.count(group, "memory.current"));
    stats.peak = bytes(reader.count(group, "memory.peak"));
    stats.max = bytes(reader.limit(group, "memory.max"));
    stats.swap = bytes(reader.count(group, "memory.swap.current"));
    std::optional<std::uint64_t> file, anon, kernel;
    reader.keyed(group, "memory.stat",
                 {{"file", file},
                  {"anon", anon},
                  {"kernel", kernel},
                  {"pgfault", stats.page_faults},
                  {"pgmajfault", stats.major_page_faults}});
    stats.cache = bytes(file);
    stats.rss = bytes(anon);
    stats.kernel = bytes(kernel);
    MemoryEvents& events = stats.events;
    reader.keyed(group, "memory.events",
                 {{"low", events.low},
                  {"high", events.high},
                  {"max", events.max},
                  {"oom", events.oom},
                  {"oom_kill", events.oom_kill},
                  {"oom_group_kill", events.oom_group_kill}});
}

void read_pids(Reader& reader, const Group& group, PidsStats& stats) {
    stats.current = reader.count(group, "pids.current");
    stats.peak = reader.count(group, "pids.peak");
    stats.max = reader.limit(group, "pids.max");
    reader.keyed(group, "pids.events", {{"max", stats.refused}});
}

std::optional<std::vector<IoStats>> read_io(Reader& reader, const Group& group) {
    if (group.hierarchy->version == 2) {
        const auto text = reader.read(group, "io.stat");
        return text ? std::optional(parse_io(*text)) : std::nullopt;
    }
    const auto file = [&](const std::string& name) {
        auto text = reader.read(group, name + "_recursive");
        if (!text) text = reader.read(group, name);
        return text ? std::optional(std::string(*text)) : std::nullopt;
    };
    const auto bytes_text = file("blkio.throttle.io_service_bytes");
    const auto operations_text = file("blkio.throttle.io_serviced");
    if (!bytes_text && !operations_text) return std::nullopt;
    return parse_blkio(bytes_text.value_or(""), operations_text.value_or(""));
}

/// Of huge pages; they do not change while the kernel runs.
const std::vector<Bytes>& page_sizes() {
    static const std::vector<Bytes> sizes = [] {
        namespace fs = boost::filesystem;
        std::vector<Bytes> found;
        boost::system::error_code error; // without huge pages there is no such directory
        for (fs::directory_iterator entry("/sys/kernel/mm/hugepages", error), end; entry != end; ++entry) {
            if (const auto size = parse_page_size(entry->path().filename().string())) found.push_back(*size);
        }
        return found;
    }();
    return sizes;
}

HugetlbStats read_hugetlb(Reader& reader, const Group& group, const std::string& prefix) {
    HugetlbStats stats;
    if (group.hierarchy->version == 1) {
        stats.current = bytes(reader.count(group, prefix + "usage_in_bytes"));
        stats.peak = bytes(reader.count(group, prefix + "max_usage_in_bytes"));
        stats.max = bytes(reader.limit(group, prefix + "limit_in_bytes"));
        stats.failures = reader.count(group, prefix + "failcnt");
    } else {
        stats.current = bytes(reader.count(group, prefix + "current"));
        stats.max = bytes(reader.limit(group, prefix + "max"));
        reader.keyed(group, prefix + "events", {{"max", stats.failures}});
    }
    return stats;
}

Pressure read_pressure(Reader& reader, const Group& group, const std::string& file) {
    const auto text = reader.read(group, file);
    return text ? parse_pressure(*text) : Pressure{};
}

void read_usage(Reader& reader, const Groups& groups, Stats& stats) {
    read_cpu(reader, groups, stats.cpu);
    if (const Group* const group = groups.find(Controller::Memory)) {
        (group->hierarchy->version == 1 ? read_memory_1 : read_memory_2)(reader, *group, stats.memory);
    }
    if (const Group* const group = groups.find(Controller::Io)) stats.io = read_io(reader, *group);
}

} // namespace

Stats read_usage(const Groups& groups) {
    Stats stats;
    Reader reader;
    read_usage(reader, groups, stats);
    return stats;
}

Stats read_stats(const Groups& groups) {
    Stats stats;
    Reader reader;
    read_usage(reader, groups, stats);
    if (const Group* const group = groups.find(Controller::Pids)) read_pids(reader, *group, stats.pids);
    if (const Group* const group = groups.find(Controller::Hugetlb)) {
        for (const Bytes size : page_sizes()) {
            const HugetlbStats found = read_hugetlb(reader, *group, concat("hugetlb.", page_size_name(size), "."));
            if (found != HugetlbStats{}) stats.hugetlb.emplace(size, found);
        }
    }
    if (const Group* const group = groups.unified()) {
        stats.cpu_pressure = read_pressure(reader, *group, "cpu.pressure");
        stats.memory_pressure = read_pressure(reader, *group, "memory.pressure");
        stats.io_pressure = read_pressure(reader, *group, "io.pressure");
    }
    return stats;
}

} // namespace ct::internal
