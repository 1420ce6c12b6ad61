// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/sched.h>
#include <sys/syscall.h>

#include "plan/compile.hpp"

namespace ct::internal {

void plan_groups(Plan& plan, const GroupLayout& groups) {
    plan.group = groups.directory;
    plan.group_path = groups.directory_path;
    for (const GroupLayout::Tasks& tasks : groups.tasks) {
        plan.steps.add(Op::JoinGroup, FdArgs{tasks.fd}, {Stage::Cgroup, "join the cgroup by", plan.text(tasks.path)});
    }
    // The OOM killer of a memory cgroup kills whoever uses the memory of its victim.
    if (groups.limits_memory && plan.shares_memory && !plan.copies_host) plan.needs_vfork = true;
}

std::uint64_t namespaces_after_groups(const GroupLayout& groups) noexcept {
    return groups.used ? CLONE_NEWCGROUP : 0;
}

void plan_cgroup_namespace(Plan& plan, const GroupLayout& groups) {
    const std::uint64_t late = plan.new_namespaces & namespaces_after_groups(groups);
    if (late == 0) return;
    plan.new_namespaces &= ~late;
    plan.steps.add(Op::Call, CallArgs{SYS_unshare, {CLONE_NEWCGROUP}}, {Stage::Namespaces, "make a cgroup namespace"});
}

} // namespace ct::internal
