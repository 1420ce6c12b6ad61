// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/limit_values.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

#include <ct/error.hpp>

#include "base/concat.hpp"

namespace ct::internal {

namespace {

bool has_file(const Group& group, const std::string& file) {
    return ::faccessat(group.directory.get(), file.c_str(), F_OK, 0) == 0;
}

/// How either version says that there is no limit.
std::string bytes(const Group& group, Bytes value) {
    if (value == Bytes::unlimited()) return group.hierarchy->version == 2 ? "max" : "-1";
    return std::to_string(value.count);
}

std::string count_or_max(std::uint64_t value) {
    return value == Unlimited ? "max" : std::to_string(value);
}

Error unsupported(const Group& group, std::string_view limit, std::string_view hint) {
    return {Errc::Unsupported, Stage::Cgroup, concat("set ", limit, " in"), group.path, hint};
}

/// Collects the writes to the group of one controller.
class Writes {
public:
    Writes(std::vector<LimitWrite>& list, const Groups& groups, Controller controller)
        : list_(list), controller_(controller), group_(groups.at(controller)) {}

    [[nodiscard]] const Group& group() const noexcept { return group_; }
    [[nodiscard]] bool is_version_2() const noexcept { return group_.hierarchy->version == 2; }

    void add(std::string file, std::string value) {
        list_.push_back({.controller = controller_, .file = std::move(file), .value = std::move(value)});
    }
    void add_line(std::string file, const std::string& key, std::string_view value, std::string removal) {
        list_.push_back({.controller = controller_,
                         .file = std::move(file),
                         .value = concat(key, " ", value),
                         .key = key,
                         .removal = std::move(removal)});
    }
    void remember(std::string file) { list_.push_back({.controller = controller_, .file = std::move(file)}); }

    /// \throws Error unless the group is one of version 2
    void need_version_2(std::string_view limit) const {
        if (is_version_2()) return;
        throw unsupported(group_, limit,
                          concat("only version 2 of cgroups has it, but on this host the ", to_string(controller_),
                                 " controller is in the hierarchy of version 1 at ", group_.hierarchy->mount_point));
    }

private:
    std::vector<LimitWrite>& list_;
    const Controller controller_;
    const Group& group_;
};

void add_cpu_time(Writes& writes, const Limits& whole) {
    const std::chrono::microseconds period = whole.cpu_period.value_or(std::chrono::milliseconds(100));
    const bool limited = whole.cpus && std::isfinite(*whole.cpus);
    const std::string quota =
        limited ? std::to_string(std::llround(*whole.cpus * static_cast<double>(period.count()))) : std::string();
    if (writes.is_version_2()) {
        writes.add("cpu.max", concat(limited ? quota : "max", " ", period.count()));
        return;
    }
    if (whole.cpu_period) writes.add("cpu.cfs_period_us", std::to_string(period.count()));
    if (whole.cpus) writes.add("cpu.cfs_quota_us", limited ? quota : "-1");
}

void add_cpu(Writes writes, const Limits& given, const Limits& whole) {
    if (given.cpus || given.cpu_period) add_cpu_time(writes, whole);
    const char* const weight_file = writes.is_version_2() ? "cpu.weight" : "cpu.shares";
    if (given.cpu_idle) {
        // The kernel replaces the weight when this changes, and takes none as long as it is set.
        writes.remember(weight_file);
        writes.add("cpu.idle", *given.cpu_idle ? "1" : "0");
    }
    if (!whole.cpu_weight || whole.cpu_idle.value_or(false) || (!given.cpu_weight && !given.cpu_idle)) return;
    const std::uint64_t weight = writes.is_version_2() ? *whole.cpu_weight : cpu_shares(*whole.cpu_weight);
    writes.add(weight_file, std::to_string(weight));
}

void add_cpuset(Writes writes, const Limits& given) {
    if (given.cpuset_mems) writes.add("cpuset.mems", *given.cpuset_mems);
    if (given.cpuset_cpus) writes.add("cpuset.cpus", *given.cpuset_cpus);
}

/// Each scheduler and controller that shares out I/O has a weight of its own, for the devices that it looks after.
struct WeightFiles {
    bool general = false; ///< io.weight, of the controller by cost
    bool bfq = false;
};

WeightFiles weight_files(const Writes& writes) {
    WeightFiles found;
    if (writes.is_version_2()) {
        found.general = has_file(writes.group(), "io.weight");
        found.bfq = has_file(writes.group(), "io.bfq.weight");
    } else {
        found.bfq = has_file(writes.group(), "blkio.bfq.weight");
    }
    if (!found.general && !found.bfq) {
        throw unsupported(writes.group(), "a weight for I/O",
                          writes.is_version_2()
                              ? "there is neither io.weight (CONFIG_BLK_CGROUP_IOCOST) nor io.bfq.weight (the BFQ "
                                "scheduler, modprobe bfq)"
                              : "there is no blkio.bfq.weight (the BFQ scheduler, modprobe bfq)");
    }
    return found;
}

void add_device_weight(Writes& writes, const WeightFiles& files, const std::string& device, std::uint32_t weight) {
    const std::string bfq = std::to_string(bfq_weight(weight));
    if (files.general) writes.add_line("io.weight", device, std::to_string(weight), "default");
    if (files.bfq) {
        writes.add_line(writes.is_version_2() ? "io.bfq.weight" : "blkio.bfq.weight_device", device, bfq, "default");
    }
}

/// io.max: all in one line.
void add_io_max(Writes& writes, const std::string& device, const IoLimit& limit) {
    std::string keys;
    std::string removal;
    const auto add = [&](const char* key, const std::optional<std::uint64_t>& value) {
        if (!value) return;
        keys += concat(keys.empty() ? "" : " ", key, "=", count_or_max(*value));
        removal += concat(removal.empty() ? "" : " ", key, "=max");
    };
    const auto count = [](const std::optional<Bytes>& value) {
        return value ? std::optional(value->count) : std::nullopt;
    };
    add("rbps", count(limit.read_per_second));
    add("wbps", count(limit.write_per_second));
    add("riops", limit.reads_per_second);
    add("wiops", limit.writes_per_second);
    if (!keys.empty()) writes.add_line("io.max", device, keys, removal);
}

/// blkio.throttle.*: a file for each, in which 0 is no limit.
void add_throttle(Writes& writes, const std::string& device, const IoLimit& limit) {
    const auto add = [&](const char* file, std::uint64_t value) {
        writes.add_line(concat("blkio.throttle.", file), device, value == Unlimited ? "0" : std::to_string(value), "0");
    };
    // Counted in 32 bits, of which this file takes the lower ones without a word.
    const auto operations = [](std::uint64_t value) {
        return value >= std::numeric_limits<std::uint32_t>::max() ? Unlimited : value;
    };
    if (limit.read_per_second) add("read_bps_device", limit.read_per_second->count);
    if (limit.write_per_second) add("write_bps_device", limit.write_per_second->count);
    if (limit.reads_per_second) add("read_iops_device", operations(*limit.reads_per_second));
    if (limit.writes_per_second) add("write_iops_device", operations(*limit.writes_per_second));
}

void add_io(Writes writes, const Limits& given) {
    const bool weighted = given.io_weight || std::any_of(given.io.begin(), given.io.end(),
                                                         [](const IoLimit& limit) { return limit.weight.has_value(); });
    const WeightFiles files = weighted ? weight_files(writes) : WeightFiles{};
    if (given.io_weight) {
        if (files.general) writes.add_line("io.weight", "default", std::to_string(*given.io_weight), "100");
        const std::string bfq = std::to_string(bfq_weight(*given.io_weight));
        if (files.bfq && writes.is_version_2()) writes.add_line("io.bfq.weight", "default", bfq, "100");
        if (files.bfq && !writes.is_version_2()) writes.add("blkio.bfq.weight", bfq);
    }
    for (const IoLimit& limit : given.io) {
        const std::string device = concat(limit.major, ":", limit.minor);
        if (limit.weight) add_device_weight(writes, files, device, *limit.weight);
        if (writes.is_version_2()) {
            add_io_max(writes, device, limit);
        } else {
            add_throttle(writes, device, limit);
        }
    }
}

void add_hugetlb(Writes writes, const Limits& given) {
    for (const auto& [size, limit] : given.hugetlb) {
        const std::string page = concat("hugetlb.", huge_page_name(size));
        const std::string suffix = writes.is_version_2() ? ".max" : ".limit_in_bytes";
        // What is reserved counts apart, since Linux 5.7: without a limit a container could reserve all there is.
        const std::string reserved = concat(page, ".rsvd", suffix);
        if (has_file(writes.group(), reserved)) writes.add(reserved, bytes(writes.group(), limit));
        writes.add(page + suffix, bytes(writes.group(), limit));
    }
}

/// Version 1 counts memory, and memory with swap.
void add_memory_1(Writes& writes, const Limits& given, const Limits& whole) {
    if (given.memory_min) writes.need_version_2("memory.min");
    if (given.memory_high) writes.need_version_2("memory.high");
    if (given.oom_group) writes.need_version_2("memory.oom.group");
    const Group& group = writes.group();
    if (given.memory_low) writes.add("memory.soft_limit_in_bytes", bytes(group, *given.memory_low));
    if (given.memory_max) writes.add("memory.limit_in_bytes", bytes(group, *given.memory_max));
    if (!whole.swap_max || (!given.swap_max && !given.memory_max)) return;
    Bytes both = Bytes::unlimited();
    if (*whole.swap_max != Bytes::unlimited()) {
        const Bytes memory = whole.memory_max.value_or(Bytes::unlimited());
        if (memory == Bytes::unlimited()) {
            throw unsupported(group, "a limit of swap",
                              "version 1 of cgroups limits only memory and swap together: it takes memory_max as well");
        }
        if (memory.count < Bytes::unlimited().count - whole.swap_max->count) {
            both = {memory.count + whole.swap_max->count};
        }
    }
    writes.add("memory.memsw.limit_in_bytes", bytes(group, both));
}

void add_memory(Writes writes, const Limits& given, const Limits& whole) {
    if (!writes.is_version_2()) return add_memory_1(writes, given, whole);
    const auto add = [&](const char* file, const std::optional<Bytes>& value) {
        if (value) writes.add(file, bytes(writes.group(), *value));
    };
    if (given.oom_group) writes.add("memory.oom.group", *given.oom_group ? "1" : "0");
    add("memory.min", given.memory_min);
    add("memory.low", given.memory_low);
    add("memory.swap.max", given.swap_max);
    add("memory.high", given.memory_high);
    add("memory.max", given.memory_max);
}

} // namespace

std::uint64_t cpu_shares(std::uint32_t weight) noexcept {
    return (std::uint64_t{weight} * 1024 + 50) / 100;
}

std::uint32_t bfq_weight(std::uint32_t weight) noexcept {
    return weight <= 100 ? weight : 100 + (weight - 100) * 900 / 9900;
}

std::string huge_page_name(Bytes size) {
    if (size >= GiB) return concat(size.count / GiB.count, "GB");
    if (size >= MiB) return concat(size.count / MiB.count, "MB");
    return concat(size.count / KiB.count, "KB");
}

std::vector<LimitWrite> limit_writes(const Groups& groups, const Limits& given, const Limits& whole) {
    std::vector<LimitWrite> list;
    const auto of = [&](Controller controller) { return Writes(list, groups, controller); };
    if (given.cpus || given.cpu_period || given.cpu_weight || given.cpu_idle) {
        add_cpu(of(Controller::Cpu), given, whole);
    }
    if (given.cpuset_cpus || given.cpuset_mems) add_cpuset(of(Controller::Cpuset), given);
    if (given.pids_max) of(Controller::Pids).add("pids.max", count_or_max(*given.pids_max));
    if (given.io_weight || !given.io.empty()) add_io(of(Controller::Io), given);
    if (!given.hugetlb.empty()) add_hugetlb(of(Controller::Hugetlb), given);
    if (given.net_class) of(Controller::NetCls).add("net_cls.classid", std::to_string(*given.net_class));
    for (const auto& [interface, priority] : given.net_priority) {
        of(Controller::NetPrio).add_line("net_prio.ifpriomap", interface, std::to_string(priority), "0");
    }
    if (given.memory_max || given.memory_high || given.memory_low || given.memory_min || given.swap_max ||
        given.oom_group) {
        add_memory(of(Controller::Memory), given, whole);
    }
    return list;
}

namespace {

template <typename Value>
void take(std::optional<Value>& value, const std::optional<Value>& given) {
    if (given) value = given;
}

void take_io(std::vector<IoLimit>& list, const IoLimit& given) {
    const auto same = [&](const IoLimit& limit) { return limit.major == given.major && limit.minor == given.minor; };
    const auto found = std::find_if(list.begin(), list.end(), same);
    if (found == list.end()) {
        list.push_back(given);
        return;
    }
    take(found->read_per_second, given.read_per_second);
    take(found->write_per_second, given.write_per_second);
    take(found->reads_per_second, given.reads_per_second);
    take(found->writes_per_second, given.writes_per_second);
    take(found->weight, given.weight);
}

} // namespace

Limits merged(Limits limits, const Limits& given) {
    take(limits.memory_max, given.memory_max);
    take(limits.memory_high, given.memory_high);
    take(limits.memory_low, given.memory_low);
    take(limits.memory_min, given.memory_min);
    take(limits.swap_max, given.swap_max);
    take(limits.oom_group, given.oom_group);
    take(limits.cpus, given.cpus);
    take(limits.cpu_period, given.cpu_period);
    take(limits.cpu_weight, given.cpu_weight);
    take(limits.cpu_idle, given.cpu_idle);
    take(limits.cpuset_cpus, given.cpuset_cpus);
    take(limits.cpuset_mems, given.cpuset_mems);
    take(limits.pids_max, given.pids_max);
    take(limits.io_weight, given.io_weight);
    for (const IoLimit& limit : given.io) take_io(limits.io, limit);
    for (const auto& [size, limit] : given.hugetlb) limits.hugetlb[size] = limit;
    take(limits.devices, given.devices);
    take(limits.net_class, given.net_class);
    for (const auto& [interface, priority] : given.net_priority) limits.net_priority[interface] = priority;
    return limits;
}

namespace {

LimitChange* find(std::vector<LimitChange>& changes, std::string_view file) {
    const auto found = std::find_if(changes.begin(), changes.end(),
                                    [&](const LimitChange& change) { return change.write.file == file; });
    return found == changes.end() ? nullptr : &*found;
}

/// As the kernel has it: what is below zero is no limit.
std::uint64_t number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? value : Unlimited;
}

} // namespace

void order_changes(std::vector<LimitChange>& changes) {
    LimitChange* const memory = find(changes, "memory.limit_in_bytes");
    LimitChange* const both = find(changes, "memory.memsw.limit_in_bytes");
    // Memory never exceeds memory and swap together.
    if (memory != nullptr && both != nullptr && number(*memory->write.value) > number(both->before)) {
        std::swap(*memory, *both);
    }
    LimitChange* const period = find(changes, "cpu.cfs_period_us");
    LimitChange* const quota = find(changes, "cpu.cfs_quota_us");
    // The group never has more of the CPUs than before or after, which may be all that its parent has.
    if (period != nullptr && quota != nullptr && number(*period->write.value) < number(period->before)) {
        std::swap(*period, *quota);
    }
}

std::optional<std::string> restoring_value(const LimitWrite& write, const std::string& text) {
    if (write.key.empty()) return text;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string_view line = std::string_view(text).substr(at, end - at);
        if (line.starts_with(write.key) && line.substr(write.key.size()).starts_with(' ')) return std::string(line);
        at = end + 1;
    }
    if (write.removal.empty()) return std::nullopt;
    return concat(write.key, " ", write.removal);
}

} // namespace ct::internal
