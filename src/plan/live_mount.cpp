// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/sched.h>

#include "plan/compile.hpp"

namespace ct::internal {

namespace {

const FdLayout NoFds;
const HookTable NoHooks;

void begin(Plan& plan, const Spec& spec, const EnterTarget& target, const FdLayout& fds, const HostFacts& host) {
    plan_memory(plan, {}, host, target.namespaces, true);
    plan_entering(plan, target);
    plan_beginning(plan, fds);
    plan_user_namespace_root(plan, spec, host);
    plan.steps.add(Op::ClearUmask, {Stage::Launch, "clear the umask"});
    plan.steps.add(Op::OpenRoot, {Stage::Root, "open the root", "/"});
}

void end(Plan& plan) {
    plan.steps.add(Op::Finish, {Stage::Launch, "finish"});
}

} // namespace

void compile_mount(Plan& plan, const Spec& spec, const EnterTarget& target, const Mount& mount, const FdLayout& fds,
                   const HostFacts& host) {
    begin(plan, spec, target, fds, host);
    plan_mounts(plan, {mount}, {fds.trees, NoHooks});
    end(plan);
}

void compile_unmount(Plan& plan, const Spec& spec, const EnterTarget& target, const std::string& mount_point,
                     const HostFacts& host) {
    begin(plan, spec, target, NoFds, host);
    const char* const path = plan.text(mount_point);
    plan.steps.add(Op::Unmount, PathArgs{path}, {Stage::Mounts, "unmount", path});
    end(plan);
}

void compile_user_namespace(Plan& plan, const Spec& maps, const HostFacts& host, std::function<void(pid_t child)> use) {
    plan_memory(plan, {}, host, CLONE_NEWUSER, false);
    plan.new_namespaces = CLONE_NEWUSER;
    plan_id_maps(plan, maps, host);
    plan.parent_tasks.push_back({Await::Birth, [use = std::move(use)](const WaitingChild& child) { use(child.pid); }});
    plan.steps.add(Op::DieWithParent, {Stage::Launch, "set the parent-death signal"});
    plan.steps.add(Op::AwaitParent, AwaitArgs{Await::Birth}, {Stage::Launch, "wait for the parent"});
    end(plan);
}

} // namespace ct::internal
