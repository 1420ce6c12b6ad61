// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "child/tracer.hpp"

#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/ptrace.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>

#include "child/raw_syscall.hpp"

namespace ct::internal::child {

namespace {

[[noreturn]] void end() noexcept {
    for (;;) raw_syscall(SYS_exit_group, 0);
}

long trace(long request, long pid, long data = 0) noexcept {
    return raw_syscall(SYS_ptrace, request, pid, nullptr, data);
}

/// Lets a process go on that has stopped for anything but an exec, as if nobody had seen it.
void let_go_on(long pid, int event, int signal) noexcept {
    const bool stays_stopped = signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
    if (event == PTRACE_EVENT_STOP && stays_stopped) {
        trace(PTRACE_LISTEN, pid); // until somebody sends SIGCONT
    } else {
        trace(PTRACE_CONT, pid, event == 0 ? signal : 0);
    }
}

/// Returns when \p wanted programs have been executed, whose processes then are stopped. \returns how many were
std::uint32_t await_programs(std::uint32_t wanted, long* stopped) noexcept {
    constexpr int all_children = 0x40000000; // __WALL
    std::uint32_t count = 0;
    while (count < wanted) {
        int status = 0;
        const long pid = raw_syscall(SYS_wait4, -1, &status, all_children, nullptr);
        if (pid == -EINTR) continue;
        if (pid < 0) break; // all have ended
        if ((status & 0xff) != 0x7f) continue;
        const int event = status >> 16;
        if (event == PTRACE_EVENT_EXEC) {
            stopped[count++] = pid;
        } else {
            let_go_on(pid, event, status >> 8 & 0xff);
        }
    }
    return count;
}

} // namespace

void run_tracer(void* argument) noexcept {
    TracerPlan& plan = *static_cast<TracerPlan*>(argument);
    raw_syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
    // What is traced dies with the tracer, so that nothing runs unfrozen if that is killed.
    long options = PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC;
    if (plan.programs > 1) options |= PTRACE_O_TRACEVFORK;
    const long error = trace(PTRACE_SEIZE, plan.tracee, options);
    plan.error = static_cast<std::int32_t>(-error);
    __atomic_store_n(&plan.attached, 1U, __ATOMIC_RELEASE);
    raw_syscall(SYS_futex, &plan.attached, FUTEX_WAKE, 1);
    if (error < 0) end();

    long stopped[TracerPlan::MaxPrograms];
    if (await_programs(plan.programs, stopped) < plan.programs) end();
    const long written = raw_syscall(SYS_write, plan.file, plan.text, plan.length);
    if (written < 0) {
        plan.error = static_cast<std::int32_t>(-written);
        end();
    }
    // What leaves the stop is frozen before it gets to its program.
    for (std::uint32_t i = 0; i < plan.programs; ++i) trace(PTRACE_DETACH, stopped[i]);
    __atomic_store_n(&plan.frozen, 1U, __ATOMIC_RELEASE);
    end();
}

} // namespace ct::internal::child
