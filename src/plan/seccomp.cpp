// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/sys.hpp"
#include "config/validate.hpp"
#include "plan/compile.hpp"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

namespace ct::internal {

namespace {

/// Whether a caller whose call was received waits for the answer whatever signals come, so that a handler's work is
/// not done twice. Since Linux 5.19.
bool waits_killable() {
    static const bool known = [] {
        constexpr unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
        // Without a filter: EFAULT if it knows the flags, else EINVAL.
        return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, nullptr) < 0 && errno == EFAULT;
    }();
    return known;
}

bool allows(const Filter& filter, long number, std::uint64_t first = 0, std::uint64_t second = 0) {
    const seccomp_data call{static_cast<int>(number), native_architecture(), 0, {first, second}};
    return evaluate(filter.program, call) == SECCOMP_RET_ALLOW;
}

UniqueFd get_fd(int pidfd, int number) {
    return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd, number, 0)));
}

/// From the child, or if there is a reaper, from its child.
UniqueFd take_listener(const WaitingChild& child) {
    constexpr std::string_view action = "take the listener of the seccomp filter";
    UniqueFd of_reaper;
    if (child.handshake.reaper_child_pidfd >= 0) {
        of_reaper = get_fd(child.pidfd, child.handshake.reaper_child_pidfd);
        if (!of_reaper) throw sys::error(errno, Stage::Seccomp, action);
    }
    const int owner = of_reaper ? of_reaper.get() : child.pidfd;
    UniqueFd fd = get_fd(owner, child.handshake.offered[Handshake::ListenerSlot]);
    if (fd) return sys::above_stdio(std::move(fd), Stage::Seccomp, action);
    const std::string_view hint =
        errno == EPERM ? "the host process may not trace the new one: for one that joins namespaces or changes "
                         "credentials that needs CAP_SYS_PTRACE"
                       : "";
    throw sys::error(errno, Stage::Seccomp, action, {}, hint);
}

} // namespace

void prepare_filter(Plan& plan, const ProcessSpec& process, const HostFacts& host) {
    plan.filter = host.filters != nullptr ? host.filters->get(*process.seccomp)
                                          : std::make_shared<const Filter>(build_filter(*process.seccomp));
}

void plan_filter(Plan& plan, const ProcessSpec& process, bool callable) {
    const Filter& filter = *plan.filter;
    const std::vector<sock_fprog> program{
        {static_cast<unsigned short>(filter.program.size()), const_cast<sock_filter*>(filter.program.data())}};
    std::uint32_t flags = filter.log ? SECCOMP_FILTER_FLAG_LOG : 0;
    if (filter.notifies) {
        flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
        if (waits_killable()) flags |= SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
        plan.parent_tasks.push_back(
            {Await::Filter, [&plan](const WaitingChild& child) { plan.listener = take_listener(child); }});
    }
    const bool awaits_parent = filter.notifies || (callable && confined_last(process));
    // A program does not get the listener: it is close-on-exec.
    const bool closes_listener = filter.notifies && callable && allows(filter, SYS_close);
    // The death signal of the set-up was undone before a late filter, and not yet before an early one.
    const auto death_signal = static_cast<std::uint64_t>(process.parent_death_signal);
    const bool dies_with_parent =
        awaits_parent && confined_last(process) && allows(filter, SYS_prctl, PR_SET_PDEATHSIG, death_signal);
    plan.steps.add(
        Op::Seccomp,
        SeccompArgs{plan.array(program), flags, awaits_parent, closes_listener, dies_with_parent, death_signal},
        {Stage::Seccomp, "install the seccomp filter"});
}

} // namespace ct::internal
