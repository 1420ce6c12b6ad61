// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/mempolicy.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

namespace {

/// struct sched_attr; the kernel's header and glibc's <sched.h> exclude each other.
struct SchedAttr {
    std::uint32_t size;
    std::uint32_t policy;
    std::uint64_t flags;
    std::int32_t nice;
    std::uint32_t priority;
    std::uint64_t runtime; ///< This and what follows in nanoseconds.
    std::uint64_t deadline;
    std::uint64_t period;
};
static_assert(sizeof(SchedAttr) == 48); // SCHED_ATTR_SIZE_VER0

struct PolicyName {
    std::uint32_t number;
    const char* name;
};
constexpr std::array Policies{
    PolicyName{0, "SCHED_OTHER"},         PolicyName{SCHED_BATCH, "SCHED_BATCH"},
    PolicyName{SCHED_IDLE, "SCHED_IDLE"}, PolicyName{SCHED_FIFO, "SCHED_FIFO"},
    PolicyName{SCHED_RR, "SCHED_RR"},     PolicyName{SCHED_DEADLINE, "SCHED_DEADLINE"},
};
// <linux/ioprio.h> is no C++.
constexpr unsigned IoClassShift = 13;
constexpr std::array IoClasses{PolicyName{1, "real-time"}, PolicyName{2, "best-effort"}, PolicyName{3, "idle"}};
constexpr std::array MemoryModes{
    PolicyName{MPOL_DEFAULT, "MPOL_DEFAULT"},  PolicyName{MPOL_PREFERRED, "MPOL_PREFERRED"},
    PolicyName{MPOL_BIND, "MPOL_BIND"},        PolicyName{MPOL_INTERLEAVE, "MPOL_INTERLEAVE"},
    PolicyName{MPOL_LOCAL, "MPOL_LOCAL"},      PolicyName{5, "MPOL_PREFERRED_MANY"},
    PolicyName{6, "MPOL_WEIGHTED_INTERLEAVE"},
};
constexpr int NumaBalancing = 1 << 13; // MPOL_F_NUMA_BALANCING, Linux 5.12

template <typename Enum, std::size_t N>
const PolicyName& lookup(const std::array<PolicyName, N>& table, Enum value) {
    return table.at(static_cast<std::size_t>(value));
}

/// A system call for the child, or for the parent to make for the child.
struct PreparedCall {
    CallArgs call;
    std::size_t who; ///< The argument that is 0 for the caller itself and else a pid.
    const char* action;
};

std::uint64_t count_of(std::chrono::nanoseconds time) {
    return static_cast<std::uint64_t>(time.count());
}

PreparedCall scheduler_call(Plan& plan, const Scheduling& scheduling) {
    const Scheduler& scheduler = *scheduling.scheduler;
    const PolicyName& policy = lookup(Policies, scheduler.policy);
    auto* const attr = plan.make<SchedAttr>();
    attr->size = sizeof *attr;
    attr->policy = policy.number;
    attr->flags = scheduler.reset_on_fork ? SCHED_FLAG_RESET_ON_FORK : 0;
    // Set together with the policy; it would not stay as it is.
    attr->nice = scheduling.nice.value_or(::getpriority(PRIO_PROCESS, 0));
    attr->priority = static_cast<std::uint32_t>(scheduler.priority);
    attr->runtime = count_of(scheduler.runtime);
    attr->deadline = count_of(scheduler.deadline);
    attr->period = count_of(scheduler.period);
    const char* action = plan.text("set the scheduler to ", policy.name);
    if (scheduler.priority != 0) {
        action = plan.text("set the scheduler to ", policy.name, " with priority ", std::to_string(scheduler.priority));
    }
    return {{SYS_sched_setattr, {0, reinterpret_cast<std::uintptr_t>(attr)}}, 0, action};
}

/// Those that may need a privilege in the host's user namespace.
std::vector<PreparedCall> scheduling_calls(Plan& plan, const Scheduling& scheduling) {
    std::vector<PreparedCall> calls;
    if (scheduling.nice) {
        const auto nice = static_cast<std::uint64_t>(*scheduling.nice);
        calls.push_back({{SYS_setpriority, {PRIO_PROCESS, 0, nice}},
                         1,
                         plan.text("set the nice value to ", std::to_string(*scheduling.nice))});
    }
    if (scheduling.scheduler) calls.push_back(scheduler_call(plan, scheduling));
    if (scheduling.io_priority) {
        const PolicyName& io_class = lookup(IoClasses, scheduling.io_priority->io_class);
        const bool has_level = scheduling.io_priority->io_class != IoClass::Idle;
        const int level = has_level ? scheduling.io_priority->level : 0;
        const std::uint64_t value = io_class.number << IoClassShift | static_cast<std::uint32_t>(level);
        constexpr std::uint64_t process = 1; // IOPRIO_WHO_PROCESS
        calls.push_back({{SYS_ioprio_set, {process, 0, value}},
                         1,
                         plan.text("set the I/O priority to ", io_class.name, " ", std::to_string(level))});
    }
    return calls;
}

template <typename Numbers>
std::vector<std::uint64_t> mask_of(const Numbers& numbers) {
    std::vector<std::uint64_t> mask;
    for (const unsigned number : numbers) {
        if (number / 64 >= mask.size()) mask.resize(number / 64 + 1);
        mask[number / 64] |= std::uint64_t{1} << number % 64;
    }
    return mask;
}

std::string list(const std::vector<unsigned>& numbers) {
    std::string text;
    for (const unsigned number : numbers) text += concat(text.empty() ? "" : ",", number);
    return text;
}

void plan_affinity(Plan& plan, const std::vector<unsigned>& cpus) {
    if (cpus.empty()) return;
    const std::vector<std::uint64_t> mask = mask_of(cpus);
    plan.steps.add(Op::CpuAffinity,
                   AffinityArgs{plan.array(mask), static_cast<std::uint32_t>(mask.size() * sizeof mask[0])},
                   {Stage::Process, plan.text("set the CPU affinity to ", list(cpus))});
}

/// The kernel drops nodes that are not there as long as one is.
void check_nodes(const MemoryPolicy& policy, const char* action) {
    if (policy.nodes.empty() || policy.relative_nodes) return;
    constexpr unsigned most = 1024;              // 1 << CONFIG_NODES_SHIFT of any kernel
    constexpr unsigned allowed_nodes = 1U << 2U; // MPOL_F_MEMS_ALLOWED
    std::array<std::uint64_t, most / 64> allowed{};
    if (::syscall(SYS_get_mempolicy, nullptr, allowed.data(), most, nullptr, allowed_nodes) < 0) {
        if (errno != ENOSYS) throw sys::error(errno, Stage::Process, action);
        throw Error(Errc::Unsupported, Stage::Process, action, {}, "this kernel has no NUMA memory policies");
    }
    for (const unsigned node : policy.nodes) {
        if (node < most && (allowed.at(node / 64) >> node % 64 & 1U) != 0) continue;
        throw sys::error(EINVAL, Stage::Process, action, {},
                         concat("node ", node, " is not there, has no memory, or is not in the host process's cpuset"));
    }
}

void plan_memory_policy(Plan& plan, const MemoryPolicy& policy) {
    const PolicyName& mode = lookup(MemoryModes, policy.mode);
    const char* action = plan.text("set the memory policy to ", mode.name);
    if (!policy.nodes.empty()) action = plan.text(action, " of nodes ", list(policy.nodes));
    check_nodes(policy, action);
    const std::vector<std::uint64_t> mask = mask_of(policy.nodes);
    std::uint64_t flags = mode.number;
    if (policy.static_nodes) flags |= MPOL_F_STATIC_NODES;
    if (policy.relative_nodes) flags |= MPOL_F_RELATIVE_NODES;
    if (policy.numa_balancing) flags |= NumaBalancing;
    // set_mempolicy(2) looks at one bit less than it is told.
    const std::uint64_t bits = mask.empty() ? 0 : mask.size() * 64 + 1;
    const auto* const nodes = mask.empty() ? nullptr : plan.array(mask);
    plan.steps.add(Op::Call, CallArgs{SYS_set_mempolicy, {flags, reinterpret_cast<std::uintptr_t>(nodes), bits}},
                   {Stage::Process, action});
}

} // namespace

void plan_attributes(Plan& plan, const ProcessSpec& process, bool user_namespace) {
    const Scheduling& scheduling = process.scheduling;
    if (!user_namespace) {
        for (const PreparedCall& prepared : scheduling_calls(plan, scheduling)) {
            plan.steps.add(Op::Call, prepared.call, {Stage::Process, prepared.action});
        }
    }
    plan_affinity(plan, scheduling.cpus);
    if (scheduling.timer_slack) {
        const std::uint64_t slack = count_of(*scheduling.timer_slack);
        plan.steps.add(Op::Call, CallArgs{SYS_prctl, {PR_SET_TIMERSLACK, slack}},
                       {Stage::Process, plan.text("set the timer slack to ", std::to_string(slack), " ns")});
    }
    if (process.memory_policy) plan_memory_policy(plan, *process.memory_policy);
    if (process.personality) {
        plan.steps.add(Op::Call, CallArgs{SYS_personality, {*process.personality}},
                       {Stage::Process, plan.text("set the personality to ", std::to_string(*process.personality))});
    }
}

void plan_attribute_tasks(Plan& plan, const ProcessSpec& process, bool user_namespace) {
    if (!user_namespace) return;
    for (const PreparedCall& prepared : scheduling_calls(plan, process.scheduling)) {
        plan.parent_tasks.push_back({Await::SetUp, [prepared](const WaitingChild& child) {
                                         CallArgs call = prepared.call;
                                         call.arguments[prepared.who] = static_cast<std::uint64_t>(child.pid);
                                         const auto* const with = call.arguments;
                                         if (::syscall(call.number, with[0], with[1], with[2], with[3], with[4]) < 0) {
                                             const int error = errno;
                                             throw sys::error(error, Stage::Process, prepared.action, {},
                                                              call_hint(call, error));
                                         }
                                     }});
    }
}

void plan_oom_score(Plan& plan, const ProcessSpec& process, const FdLayout& fds, bool callable) {
    if (!process.oom_score_adj) return;
    const std::string value = std::to_string(*process.oom_score_adj);
    const char* const action = plan.text("write ", value, " to");
    if (!plan.shares_memory || callable) {
        // A copy of the host sets it for itself, while it still has the host's privileges, and the child inherits it.
        plan.joins.add(Op::WriteProc, ProcWriteArgs{fds.proc, "self/oom_score_adj", plan.text(value), value.size()},
                       {Stage::Process, action, "/proc/self/oom_score_adj"});
        return;
    }
    // Done by the parent: its privileges count, also if the child has left the host's user namespace.
    plan.needs_vfork = true;
    plan.parent_tasks.push_back({Await::SetUp, [value, action](const WaitingChild& child) {
                                     sys::write_file(concat("/proc/", child.pid, "/oom_score_adj"), value,
                                                     Stage::Process, action, proc_hint("oom_score_adj", EACCES));
                                 }});
}

} // namespace ct::internal
