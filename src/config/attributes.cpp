// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <string_view>
#include <tuple>

#include "base/concat.hpp"
#include "config/capabilities.hpp"
#include "config/user_name.hpp"
#include "config/validate.hpp"

/// The rules for the attributes of a process.
namespace ct::internal {

namespace {

using Violations = std::vector<std::string>;

constexpr unsigned MostCpus = 8192; // of any kernel

bool maps(const std::vector<IdRange>& ranges, std::uint32_t id) {
    return std::any_of(ranges.begin(), ranges.end(),
                       [&](const IdRange& range) { return id >= range.inside && id - range.inside < range.count; });
}

void check_user_name(Violations& found, const Spec& spec, const ProcessSpec& process) {
    if (process.user_name.empty()) return;
    if (process.user) found.push_back("a user is given both by name and by number");
    const Violations wrong = user_name_violations(process.user_name);
    found.insert(found.end(), wrong.begin(), wrong.end());
    if (!wrong.empty() || !makes_namespace(spec, Namespace::User)) return;
    const UserName name = parse_user_name(process.user_name);
    if (name.uid && !spec.uid_map.empty() && !maps(spec.uid_map, *name.uid)) {
        found.push_back(concat("user ", *name.uid, " is not in the uid map"));
    }
    if (name.gid && !spec.gid_map.empty() && !maps(spec.gid_map, *name.gid)) {
        found.push_back(concat("group ", *name.gid, " is not in the gid map"));
    }
}

void check_capability_sets(Violations& found, const ProcessSpec& process) {
    if (!process.capability_sets) return;
    if (process.capabilities) found.push_back("capabilities are given both as one set and as five");
    const CapabilitySets& sets = *process.capability_sets;
    for (const auto* names : {&sets.bounding, &sets.permitted, &sets.effective, &sets.inheritable, &sets.ambient}) {
        for (const std::string& name : *names) {
            if (!is_capability(name)) found.push_back(concat("unknown capability '", name, "'"));
        }
    }
    const auto check_part = [&](const std::vector<std::string>& names, std::string_view rule,
                                const std::vector<std::string>& others) {
        const std::uint64_t more =
            capability_set(names, ~std::uint64_t{0}) & ~capability_set(others, ~std::uint64_t{0});
        if (more == 0) return;
        const auto extra = std::find_if(names.begin(), names.end(), [&](const std::string& name) {
            return (capability_set({name}, ~std::uint64_t{0}) & more) != 0;
        });
        found.push_back(concat("capability '", *extra, "' ", rule));
    };
    check_part(sets.effective, "is effective but not permitted", sets.permitted);
    check_part(sets.ambient, "is ambient but not permitted", sets.permitted);
    check_part(sets.ambient, "is ambient but not inheritable", sets.inheritable);
    check_part(sets.inheritable, "is inheritable but not in the bounding set", sets.bounding);
}

void check_labels(Violations& found, const SecurityLabels& labels, Runs runs) {
    for (const std::string& label : {labels.apparmor, labels.selinux}) {
        if (label.find('\0') != std::string::npos) found.push_back("a security label has a NUL byte");
    }
    if (runs == Runs::Callable && labels != SecurityLabels{}) {
        found.push_back("a callable takes no security labels: it is never executed");
    }
}

void check_scheduler(Violations& found, const Scheduler& scheduler) {
    using enum SchedulingPolicy;
    const bool real_time = scheduler.policy == Fifo || scheduler.policy == RoundRobin;
    if (real_time && (scheduler.priority < 1 || scheduler.priority > 99)) {
        found.push_back(concat("real-time priority ", scheduler.priority, " is not from 1 to 99"));
    } else if (!real_time && scheduler.priority != 0) {
        found.push_back("only Fifo and RoundRobin have a priority");
    }
    constexpr std::chrono::nanoseconds none{0};
    const auto& [runtime, deadline, period] = std::tie(scheduler.runtime, scheduler.deadline, scheduler.period);
    if (scheduler.policy != Deadline) {
        if (runtime != none || deadline != none || period != none) {
            found.push_back("only Deadline has a runtime, a deadline and a period");
        }
    } else if (runtime <= none || runtime > deadline || (period != none && deadline > period)) {
        found.push_back("a deadline needs 0 < runtime <= deadline <= period");
    }
}

void check_scheduling(Violations& found, const Scheduling& scheduling) {
    if (scheduling.nice && (*scheduling.nice < -20 || *scheduling.nice > 19)) {
        found.push_back(concat("nice value ", *scheduling.nice, " is not from -20 to 19"));
    }
    if (scheduling.scheduler) check_scheduler(found, *scheduling.scheduler);
    if (scheduling.io_priority && (scheduling.io_priority->level < 0 || scheduling.io_priority->level > 7)) {
        found.push_back(concat("I/O priority level ", scheduling.io_priority->level, " is not from 0 to 7"));
    }
    for (const unsigned cpu : scheduling.cpus) {
        if (cpu >= MostCpus) found.push_back(concat("CPU ", cpu, " is above what any kernel has"));
    }
    if (scheduling.timer_slack && scheduling.timer_slack->count() < 1) {
        found.push_back("the timer slack is less than 1 ns");
    }
}

void check_memory_policy(Violations& found, const MemoryPolicy& policy) {
    using enum MemoryPolicyMode;
    const bool takes_nodes = policy.mode != Default && policy.mode != Local;
    if (takes_nodes && policy.nodes.empty()) found.push_back("the memory policy needs nodes");
    if (!takes_nodes && !policy.nodes.empty()) found.push_back("the memory policy takes no nodes");
    if (policy.mode == Preferred && policy.nodes.size() > 1) {
        found.push_back("the memory policy Preferred takes one node");
    }
    if (!takes_nodes && (policy.static_nodes || policy.relative_nodes)) {
        found.push_back("the memory policy takes no flags for nodes");
    }
    if (policy.static_nodes && policy.relative_nodes) {
        found.push_back("nodes of the memory policy are both static and relative");
    }
    if (policy.numa_balancing && policy.mode != Bind) found.push_back("NUMA balancing is only for the policy Bind");
    for (const unsigned node : policy.nodes) {
        if (node >= 1024) found.push_back(concat("NUMA node ", node, " is above what any kernel has"));
    }
}

void check_keyring(Violations& found, const SessionKeyring& keyring) {
    const std::string& name = keyring.name;
    if (name.find('\0') != std::string::npos) found.push_back("the name of the keyring has a NUL byte");
    if (name.starts_with('.')) found.push_back("the kernel keeps names of keyrings with a '.' in front for itself");
    if (name.size() >= 4096) found.push_back("the name of the keyring is longer than 4095 bytes");
}

} // namespace

void attribute_violations(Violations& found, const Spec& spec, const ProcessSpec& process, Runs runs) {
    check_user_name(found, spec, process);
    check_capability_sets(found, process);
    if (process.secure_bits.value_or(0) > 0xfff) found.push_back("there are unknown secure bits");
    check_labels(found, process.labels, runs);
    check_scheduling(found, process.scheduling);
    const std::optional<Scheduler>& scheduler = process.scheduling.scheduler;
    // There the host sets it for the reaper, of which the program is a fork.
    if (scheduler && process.init == Init::Reaper && has_namespace(spec, Namespace::User) &&
        (scheduler->reset_on_fork || scheduler->policy == SchedulingPolicy::Deadline)) {
        found.push_back("under a reaper in a user namespace the scheduler is neither Deadline nor reset on fork");
    }
    if (process.memory_policy) check_memory_policy(found, *process.memory_policy);
    if (process.oom_score_adj && (*process.oom_score_adj < -1000 || *process.oom_score_adj > 1000)) {
        found.push_back(concat("oom_score_adj ", *process.oom_score_adj, " is not from -1000 to 1000"));
    }
    if (process.personality == ~0U) found.push_back("personality 4294967295 only asks for the present one");
    if (process.session_keyring) check_keyring(found, *process.session_keyring);
}

} // namespace ct::internal
