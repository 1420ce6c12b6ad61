// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <sys/resource.h>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "config/capabilities.hpp"
#include "config/validate.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

namespace {

const char* name_of_limit(int resource) {
    switch (resource) {
    case RLIMIT_CPU: return "RLIMIT_CPU";
    case RLIMIT_FSIZE: return "RLIMIT_FSIZE";
    case RLIMIT_DATA: return "RLIMIT_DATA";
    case RLIMIT_STACK: return "RLIMIT_STACK";
    case RLIMIT_CORE: return "RLIMIT_CORE";
    case RLIMIT_RSS: return "RLIMIT_RSS";
    case RLIMIT_NPROC: return "RLIMIT_NPROC";
    case RLIMIT_NOFILE: return "RLIMIT_NOFILE";
    case RLIMIT_MEMLOCK: return "RLIMIT_MEMLOCK";
    case RLIMIT_AS: return "RLIMIT_AS";
    case RLIMIT_LOCKS: return "RLIMIT_LOCKS";
    case RLIMIT_SIGPENDING: return "RLIMIT_SIGPENDING";
    case RLIMIT_MSGQUEUE: return "RLIMIT_MSGQUEUE";
    case RLIMIT_NICE: return "RLIMIT_NICE";
    case RLIMIT_RTPRIO: return "RLIMIT_RTPRIO";
    case RLIMIT_RTTIME: return "RLIMIT_RTTIME";
    default: return "resource limit";
    }
}

std::string amount(std::uint64_t value) {
    return value == ResourceLimit::Unlimited ? "unlimited" : std::to_string(value);
}

void plan_limits(Plan& plan, const ProcessSpec& process) {
    for (const ResourceLimit& limit : process.limits) {
        plan.steps.add(Op::ResourceLimit, LimitArgs{limit.resource, {limit.soft, limit.hard}},
                       {Stage::Limits, plan.text("set ", name_of_limit(limit.resource), " to ", amount(limit.soft), ":",
                                                 amount(limit.hard))});
    }
}

} // namespace

HostFacts HostFacts::detect() {
    static const std::uint32_t last = internal::last_capability();
    return {sys::effective_capabilities(), last, nullptr};
}

void plan_process(Plan& plan, const ProcessSpec& process, const HostFacts& host, bool groups_denied,
                  bool user_namespace, bool callable) {
    plan_limits(plan, process);
    plan_attributes(plan, process, user_namespace);
    if (process.seccomp && !confined_last(process)) plan_filter(plan, process, callable);
    plan_credentials(plan, process, host, groups_denied, user_namespace);
    if (!process.working_directory.empty()) {
        plan.steps.add(Op::WorkingDirectory, PathArgs{plan.text(process.working_directory)},
                       {Stage::Process, "change to the working directory", plan.text(process.working_directory)});
    }
    if (process.umask) {
        plan.steps.add(Op::SetUmask, NumberArgs{*process.umask}, {Stage::Process, "set the umask"});
    }
    // After the change of user, which clears it.
    plan.steps.add(Op::ParentDeathSignal, NumberArgs{static_cast<std::uint64_t>(process.parent_death_signal)},
                   {Stage::Process, "set the parent-death signal"});
}

} // namespace ct::internal
