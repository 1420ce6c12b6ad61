// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/capability.h>

#include "plan/compile.hpp"
#include "reaper/reaper_fds.hpp"

namespace ct::internal {

namespace {

/// All that the reaper may do is to signal processes of other users.
void plan_reaper_privileges(Plan& plan, const HostFacts& host, bool user_namespace) {
    constexpr std::uint64_t kill = 1ULL << CAP_KILL;
    const std::uint64_t kept = user_namespace || host.can(CAP_KILL) ? kill : 0;
    if (user_namespace || host.can(CAP_SETPCAP)) {
        plan.reaper.add(Op::DropBoundingSet, CapabilityArgs{kept, host.last_capability},
                        {Stage::Credentials, "drop capabilities of the reaper"});
    }
    plan.reaper.add(Op::SetCapabilities, CapabilitySetsArgs{kept, kept, kept, false},
                    {Stage::Credentials, "set capabilities of the reaper"});
    plan.reaper.add(Op::NoNewPrivileges, {Stage::Credentials, "set no_new_privs of the reaper"});
}

} // namespace

void plan_reaper(Plan& plan, const ProcessSpec& process, const FdLayout& fds, const HostFacts& host,
                 bool user_namespace) {
    auto* const pid_text = const_cast<char*>(plan.text(std::string(20, ' ')));
    plan_fds(plan, plan.reaper, fds.reaper);
    plan_reaper_privileges(plan, host, user_namespace);
    // It passes on the signal; and if it dies itself, so do all others.
    plan.reaper.add(Op::ParentDeathSignal, NumberArgs{static_cast<std::uint64_t>(process.parent_death_signal)},
                    {Stage::Process, "set the parent-death signal of the reaper"});
    plan.reaper.add(Op::ExecReaper,
                    ExecReaperArgs{ProgramFd, plan.array(std::vector<const char*>{"reaper", pid_text, nullptr})},
                    {Stage::Exec, "exec the reaper"});
    plan.steps.add(Op::StartReaper, ReaperArgs{pid_text, plan.reaper.list()},
                   {Stage::Launch, "make a child of the reaper"});
}

} // namespace ct::internal
