// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/sched.h>

#include "base/concat.hpp"
#include "config/sysctls.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

namespace {

/// As /proc/PID/timens_offsets takes it: the nanoseconds are never negative.
std::string clock_line(std::string_view clock, std::chrono::nanoseconds offset) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(offset);
    return concat(clock, ' ', seconds.count(), ' ', (offset - seconds).count(), '\n');
}

} // namespace

bool needs_proc(const Spec& spec) {
    return spec.time_offsets != TimeOffsets{} || !spec.sysctls.empty();
}

/// The offsets can be written only before the first process is in the namespace, and only by who owns the file: so the
/// child unshares the namespace itself, before it changes its user or hides its memory.
void plan_time_offsets(Plan& plan, const Spec& spec, const FdLayout& fds) {
    if (spec.time_offsets == TimeOffsets{}) return;
    plan.new_namespaces &= ~std::uint64_t{CLONE_NEWTIME};
    plan.steps.add(Op::UnshareTime, {Stage::Namespaces, "make a time namespace"});
    plan_proc_write(plan, fds, "self/timens_offsets",
                    clock_line("monotonic", spec.time_offsets.monotonic) +
                        clock_line("boottime", spec.time_offsets.boottime),
                    {Stage::Namespaces, "set the clock offsets of the time namespace"});
    plan.steps.add(Op::EnterOwnTime, FdArgs{fds.proc}, {Stage::Namespaces, "enter the new time namespace"});
}

namespace {

/// What a device takes over when it is made.
bool is_device_default(std::string_view path) {
    return path.starts_with("net/") &&
           (path.find("/conf/default/") != path.npos || path.find("/neigh/default/") != path.npos);
}

void plan_sysctls(Plan& plan, const Spec& spec, const FdLayout& fds, bool device_defaults) {
    for (const auto& [name, value] : spec.sysctls) {
        const std::string path = sysctl_path(name);
        if (is_device_default(path) != device_defaults) continue;
        plan_proc_write(plan, fds, plan.text("sys/", path), value,
                        {Stage::Sysctls, plan.text("write \"", value, "\" to the sysctl"), plan.text(name)});
    }
}

} // namespace

void plan_device_defaults(Plan& plan, const Spec& spec, const FdLayout& fds) {
    plan_sysctls(plan, spec, fds, true);
}

void plan_sysctls(Plan& plan, const Spec& spec, const FdLayout& fds) {
    plan_sysctls(plan, spec, fds, false);
}

} // namespace ct::internal
