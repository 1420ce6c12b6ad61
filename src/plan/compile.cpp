// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "plan/compile.hpp"

#include <linux/capability.h>
#include <linux/sched.h>

#include <limits>

#include "config/validate.hpp"
#include "plan/id_maps.hpp"
#include "plan/namespace_flags.hpp"

namespace ct::internal {

namespace {

/// Decides how near the child may be to the host's memory, see Documentation/design/shared-memory.md.
void plan_memory(Plan& plan, const ProcessSpec& process, const HostFacts& host, std::uint64_t namespaces, bool joins) {
    // Without any privilege all ids are the caller's own, and so is everything that could look into the child.
    const bool changes_credentials = (namespaces & CLONE_NEWUSER) != 0 || process.user || !process.user_name.empty() ||
                                     process.capabilities || process.capability_sets;
    plan.hides_memory = joins || (host.capabilities != 0 && changes_credentials);
    // time_namespaces(7) cannot be entered with shared memory. And a host that may not override file permissions would
    // lose the access to its own files in /proc while its memory is hidden.
    const bool time_namespace = (namespaces & CLONE_NEWTIME) != 0;
    plan.shares_memory = !time_namespace && (host.can(CAP_DAC_OVERRIDE) || !plan.hides_memory);
}

/// The OOM killer spares a child of vfork, but no more in the moment in which its program is executed. If others may
/// call it then, the child has a copy of the host's memory: whoever is killed, it is not the host.
void leave_shared_memory(Plan& plan, const GroupLayout& groups) {
    if (groups.shares_memory_limit) plan.shares_memory = false;
}

/// Who joins namespaces with a copy of the host's memory is seen by the processes there at once.
void hide_copy(Plan& plan) {
    if (plan.copies_host || !plan.shares_memory)
        plan.joins.add(Op::NotDumpable, {Stage::Launch, "hide the host's memory"});
}

void plan_await(Plan& plan, Await moment) {
    plan.steps.add(Op::AwaitParent, AwaitArgs{moment}, {Stage::Launch, "wait for the parent"});
}

void plan_entering(Plan& plan, const EnterTarget& target, const GroupLayout& groups) {
    const auto late = static_cast<unsigned>(namespaces_after_groups(groups));
    if (!target.held.empty()) {
        std::vector<NamespaceJoin> joins = target.held;
        std::erase_if(joins, [&](const NamespaceJoin& join) { return (namespace_flag(join.kind) & late) != 0; });
        plan_joins(plan, joins);
    } else if (const unsigned early = target.namespaces & ~late; early != 0) {
        plan.joins.add(Op::JoinNamespace, JoinArgs{target.pidfd, early},
                       {Stage::Enter, "join the namespaces of its first process"});
    }
}

/// The rest, by the process itself.
void plan_entering_late(Plan& plan, const EnterTarget& target, const GroupLayout& groups) {
    const auto late = static_cast<unsigned>(namespaces_after_groups(groups)) & target.namespaces;
    if (late == 0) return;
    int fd = target.cgroup_namespace;
    for (const NamespaceJoin& join : target.held) {
        if (namespace_flag(join.kind) == late) fd = join.fd;
    }
    plan.steps.add(Op::JoinNamespace, JoinArgs{fd, late}, {Stage::Enter, "join its cgroup namespace"});
}

/// \param entered  the container that the process enters, or null
void plan_beginning(Plan& plan, const Spec& spec, const FdLayout& fds, bool joins,
                    const EnterTarget* entered = nullptr) {
    plan.steps.add(Op::DieWithParent, {Stage::Launch, "set the parent-death signal"});
    plan_device_defaults(plan, spec, fds);
    // Before the host's descriptors are gone, one of which tells whether the host lives. A copy of it also waits until
    // the parent has a pidfd of it: the host may reap it at any time.
    plan_groups(plan, fds.groups);
    if (plan.has_tasks(Await::Birth) || plan.copies_host) plan_await(plan, Await::Birth);
    plan_cgroup_namespace(plan, fds.groups);
    if (entered != nullptr) plan_entering_late(plan, *entered, fds.groups);
    plan.steps.add(Op::UnshareFds, FdArgs{fds.keeps_all ? std::numeric_limits<int>::max() : low_fd_limit(fds)},
                   {Stage::Launch, "leave the host's descriptor table"});
    plan.steps.add(Op::ResetSignals, {Stage::Launch, "reset signals"});
    plan_time_offsets(plan, spec, fds);
    // A copy that joined namespaces is hidden already; a callable elsewhere is alone.
    if (!plan.shares_memory && plan.hides_memory && !joins && !plan.copies_host) {
        plan.steps.add(Op::NotDumpable, {Stage::Launch, "hide the host's memory"});
    }
}

void plan_user_namespace_root(Plan& plan, const Spec& spec, const HostFacts& host) {
    if (!has_namespace(spec, Namespace::User)) return;
    if (makes_namespace(spec, Namespace::User)) {
        const auto maps_root = [](const std::vector<IdRange>& ranges) {
            for (const IdRange& range : ranges) {
                if (range.inside == 0) return true;
            }
            return false;
        };
        if (!maps_root(spec.uid_map) || !maps_root(spec.gid_map)) return;
    }
    // What the set-up creates belongs to the namespace's root, not to a user who does not exist in it.
    plan.steps.add(Op::BecomeRoot, CredentialsArgs{nullptr, 0, 0, 0, !denies_setgroups(spec, host)},
                   {Stage::Credentials, "become root of the user namespace"});
}

void plan_terminal(Plan& plan, const ProcessSpec& process, const FdLayout& fds) {
    if (process.new_session || fds.terminal >= 0) plan.steps.add(Op::NewSession, {Stage::Process, "setsid"});
    if (fds.terminal >= 0) {
        plan.steps.add(Op::ControllingTerminal, FdArgs{fds.terminal},
                       {Stage::Stdio, "take the terminal", plan.text(fds.terminal_name)});
    }
}

/// For a plan that only changes mounts of a running container.
void plan_visit(Plan& plan, const Spec& spec, const EnterTarget& target, const FdLayout& fds, const HostFacts& host) {
    plan_memory(plan, {}, host, target.namespaces, true);
    hide_copy(plan);
    plan_entering(plan, target, {});
    plan_beginning(plan, {}, fds, true);
    plan_user_namespace_root(plan, spec, host);
    plan.steps.add(Op::ClearUmask, {Stage::Launch, "clear the umask"});
    plan.steps.add(Op::OpenRoot, PathArgs{"/"}, {Stage::Root, "open the root", "/"});
}

void plan_finish(Plan& plan) {
    plan.steps.add(Op::Finish, {Stage::Launch, "finish"});
}

void plan_end(Plan& plan, const Spec& spec, const ProcessSpec& process, const FdLayout& fds, const HostFacts& host,
              bool callable, bool foreign_files) {
    const bool user_namespace = has_namespace(spec, Namespace::User);
    plan_user(plan, process, fds);
    plan_attribute_tasks(plan, process, user_namespace);
    if (plan.has_tasks(Await::SetUp)) plan_await(plan, Await::SetUp);
    if (!fds.reaper.empty()) plan_reaper(plan, process, fds, host, user_namespace);
    if (process.labels != SecurityLabels{}) plan_labels(plan, process, fds, LabelFiles::detect());
    plan_terminal(plan, process, fds);
    // Before the limits: RLIMIT_NOFILE also bounds dup3(2).
    plan_fds(plan, plan.steps, fds.map, fds.keeps_all ? &fds.lent : nullptr);
    for (const auto& file : fds.files) {
        const char* const path = plan.text(file.path);
        plan.steps.add(Op::OpenFile, OpenFileArgs{path, file.target},
                       {Stage::Stdio, plan.text("as descriptor ", std::to_string(file.target), " open"), path});
    }
    if (process.seccomp) prepare_filter(plan, process, host);
    plan_process(plan, process, host, denies_setgroups(spec, host), user_namespace, callable);
    if (callable) {
        plan_callable(plan, process);
    } else {
        plan_exec(plan, process, foreign_files);
    }
    if (process.seccomp) check_filter(plan, callable);
}

/// All that concerns the container and not its first process.
void plan_set_up(Plan& plan, const Spec& spec, const ProcessSpec& process, const FdLayout& fds, const HostFacts& host,
                 bool callable, const HookTable& hooks) {
    plan.steps.reserve(64);
    const bool joins = joins_namespaces(spec);
    plan.copies_host = callable || has_callables(hooks);
    plan_memory(plan, process, host, namespace_flags(spec), joins);
    // newuidmap(1) wants the child's files in /proc to be the caller's.
    if (plan.hides_memory && uses_map_helpers(spec, host)) plan.shares_memory = false;
    // While the reaper is executed its child, which may want more than there is, runs already: the OOM killer does not
    // spare the reaper at that moment.
    if (process.init == Init::Reaper && fds.groups.limits_memory) plan.shares_memory = false;
    leave_shared_memory(plan, fds.groups);
    plan_oom_score(plan, process, fds, plan.copies_host);
    if (joins) hide_copy(plan);
    plan_joins(plan, fds.joins);
    plan_new_namespaces(plan, spec);
    plan_id_maps(plan, spec, host);
    plan_area_tasks(plan, spec, fds); // once the ids are mapped
    plan_delegation_task(plan, fds.groups.delegated);
    plan_beginning(plan, spec, fds, joins);
    plan_user_namespace_root(plan, spec, host);
    plan_network(plan, spec);
    plan.steps.add(Op::ClearUmask, {Stage::Launch, "clear the umask"});
    plan_root(plan, spec, fds, hooks);
    plan.steps.add(Op::RestoreUmask, {Stage::Launch, "restore the umask"});
    plan_hostname(plan, spec);
    plan_sysctls(plan, spec, fds);
}

} // namespace

void compile_start(Plan& plan, const Spec& spec, const ProcessSpec& process, const FdLayout& fds, const HostFacts& host,
                   bool callable, const HookTable& hooks) {
    plan_set_up(plan, spec, process, fds, host, callable, hooks);
    plan_end(plan, spec, process, fds, host, callable, spec.root || joins_namespaces(spec));
}

void compile_hold(Plan& plan, const Spec& spec, const FdLayout& fds, const HostFacts& host, const HookTable& hooks) {
    plan_set_up(plan, spec, {}, fds, host, false, hooks);
    plan_await(plan, Await::SetUp);
    plan_finish(plan);
}

void compile_enter(Plan& plan, const Spec& spec, const EnterTarget& target, const ProcessSpec& process,
                   const FdLayout& fds, const HostFacts& host, bool callable) {
    const bool joins = target.root_fd >= 0 || target.namespaces != 0;
    plan.copies_host = callable;
    plan_memory(plan, process, host, target.namespaces, joins);
    leave_shared_memory(plan, fds.groups);
    plan_oom_score(plan, process, fds, plan.copies_host);
    if (joins) hide_copy(plan);
    if (target.root_fd >= 0) {
        plan.joins.add(Op::EnterDirectory, FdArgs{target.root_fd}, {Stage::Enter, "change to the container's root"});
    }
    if (target.namespaces != 0) plan_entering(plan, target, fds.groups);
    plan_beginning(plan, {}, fds, joins, &target);
    plan_user_namespace_root(plan, spec, host);
    if (target.root_fd >= 0) {
        plan.steps.add(Op::ChangeRoot, PathArgs{nullptr}, {Stage::Root, "chroot to the container's root"});
    }
    plan_end(plan, spec, process, fds, host, callable, target.root_fd >= 0 || (target.namespaces & CLONE_NEWNS) != 0);
}

void compile_mount(Plan& plan, const Spec& spec, const EnterTarget& target, const Mount& mount, const FdLayout& fds,
                   const HostFacts& host) {
    plan_visit(plan, spec, target, fds, host);
    plan_mounts(plan, {mount}, {fds.trees, {}});
    plan_finish(plan);
}

void compile_unmount(Plan& plan, const Spec& spec, const EnterTarget& target, const std::string& mount_point,
                     const HostFacts& host) {
    plan_visit(plan, spec, target, {}, host);
    const char* const path = plan.text(mount_point);
    plan.steps.add(Op::Unmount, PathArgs{path}, {Stage::Mounts, "unmount", path});
    plan_finish(plan);
}

void compile_user_namespace(Plan& plan, const Spec& maps, const HostFacts& host, std::function<void(pid_t child)> use) {
    plan_memory(plan, {}, host, CLONE_NEWUSER, false);
    plan.new_namespaces = CLONE_NEWUSER;
    plan_id_maps(plan, maps, host);
    plan.parent_tasks.push_back({Await::Birth, [use = std::move(use)](const WaitingChild& child) { use(child.pid); }});
    plan.steps.add(Op::DieWithParent, {Stage::Launch, "set the parent-death signal"});
    plan_await(plan, Await::Birth);
    plan_finish(plan);
}

} // namespace ct::internal
