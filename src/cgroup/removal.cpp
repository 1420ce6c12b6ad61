// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/removal.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "cgroup/processes.hpp"
#include "launch/exit_status.hpp"

namespace ct::internal {

namespace {

using Clock = std::chrono::steady_clock;

/// \returns whether none is left, as far as can be seen
bool kill_all(const Group& group, Clock::time_point deadline) {
    std::vector<UniqueFd> dying;
    for (const pid_t pid : processes_in(group)) {
        UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        if (!pidfd) continue;
        ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
        dying.push_back(std::move(pidfd));
    }
    for (const UniqueFd& pidfd : dying) {
        if (!wait_until_ended(pidfd.get(), std::max<Clock::duration>(deadline - Clock::now(), Clock::duration(0))))
            return true; // no use in killing it again
    }
    return dying.empty();
}

} // namespace

void remove_groups(const Groups& groups, std::chrono::nanoseconds limit) {
    const auto deadline = Clock::now() + limit;
    for (const Group& group : groups.all()) {
        for (;;) {
            const int error = remove_tree(group.parent->directory.get(), group.name);
            if (error == 0 || error == ENOENT) break;
            if (error == EBUSY && !kill_all(group, deadline)) continue;
            throw sys::error(error, Stage::Cgroup, "remove the cgroup", group.path,
                             error == EBUSY ? "processes in it do not end" : "");
        }
    }
}

} // namespace ct::internal
