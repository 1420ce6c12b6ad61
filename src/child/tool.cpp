// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "child/tool.hpp"

#include <linux/close_range.h>
#include <linux/prctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>

#include "child/child_ops.hpp"
#include "child/clone.hpp"
#include "child/raw_syscall.hpp"

namespace ct::internal::child {

namespace {

[[noreturn]] void end() noexcept {
    for (;;) raw_syscall(SYS_exit_group, 127);
}

/// Entry of the program's process.
void execute_tool(void* argument) noexcept {
    ToolPlan& plan = *static_cast<ToolPlan*>(argument);
    const int last = plan.input > plan.output ? plan.input : plan.output;
    long error = raw_syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
    if (error >= 0) error = raw_syscall(SYS_close_range, last + 1, ~0U, CLOSE_RANGE_UNSHARE);
    if (error >= 0) error = raw_syscall(SYS_dup3, plan.input, 0, 0);
    if (error >= 0) error = raw_syscall(SYS_dup3, plan.output, 1, 0);
    if (error >= 0) error = raw_syscall(SYS_dup3, plan.output, 2, 0);
    if (error >= 0) error = raw_syscall(SYS_close_range, 3, ~0U, 0);
    if (error >= 0) error = reset_signals();
    if (error >= 0) error = unblock_signals();
    if (error >= 0) error = raw_syscall(SYS_execve, plan.path, plan.argv, plan.envp);
    plan.error = static_cast<std::int32_t>(-error);
    end();
}

} // namespace

void run_keeper(void* argument) noexcept {
    ToolPlan& plan = *static_cast<ToolPlan*>(argument);
    raw_syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
    const long pid = clone_onto_stack(&plan.clone, execute_tool, &plan);
    if (pid < 0) {
        plan.error = static_cast<std::int32_t>(-pid);
        end();
    }
    constexpr int AllChildren = 0x40000000; // __WALL
    std::int32_t status = 0;
    long ended = raw_syscall(SYS_wait4, pid, &status, AllChildren, nullptr);
    while (ended == -EINTR) ended = raw_syscall(SYS_wait4, pid, &status, AllChildren, nullptr);
    plan.status = status;
    __atomic_store_n(&plan.awaited, ended == pid ? 1U : 0U, __ATOMIC_RELEASE);
    end();
}

} // namespace ct::internal::child
