// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/exit_status.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "base/sys.hpp"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace ct::internal {

namespace {

/// struct pidfd_info of Linux 6.15, first version; newer than the headers of Debian 12.
struct PidfdInfo {
    std::uint64_t mask;
    std::uint64_t cgroup_id;
    std::uint32_t ids[11];
    std::int32_t exit_code;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr std::uint64_t PidfdInfoExit = 1U << 3U;
constexpr unsigned long PidfdGetInfo = _IOWR(0xFF, 11, PidfdInfo);

ExitStatus from_wait_status(int status) {
    if (WIFEXITED(status)) return {ExitStatus::Kind::Exited, WEXITSTATUS(status), false};
    return {ExitStatus::Kind::Signaled, WTERMSIG(status), WCOREDUMP(status) != 0};
}

ExitStatus status_without_waiting(int pidfd) {
    PidfdInfo info{};
    info.mask = PidfdInfoExit;
    if (::ioctl(pidfd, PidfdGetInfo, &info) < 0 || (info.mask & PidfdInfoExit) == 0) return {};
    return from_wait_status(info.exit_code);
}

} // namespace

bool wait_until_ended(int pidfd, std::optional<std::chrono::nanoseconds> limit) {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    for (;;) {
        timespec left{};
        if (limit) {
            const auto remaining = std::max(*limit - (Clock::now() - start), std::chrono::nanoseconds(0));
            const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(remaining);
            left = {seconds.count(), (remaining - seconds).count()};
        }
        pollfd fd{pidfd, POLLIN, 0};
        const int ready = ::ppoll(&fd, 1, limit ? &left : nullptr, nullptr);
        if (ready > 0) return true;
        if (ready == 0) return false;
        if (errno != EINTR) throw sys::error(errno, Stage::Wait, "wait for a process");
    }
}

namespace {

ExitStatus wait_for_end(int pidfd, int options) {
    siginfo_t info{};
    int error;
    do {
        error = ::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd), &info, WEXITED | __WALL | options);
    } while (error < 0 && errno == EINTR);
    if (error < 0) return status_without_waiting(pidfd);
    if (info.si_code == CLD_EXITED) return {ExitStatus::Kind::Exited, info.si_status, false};
    return {ExitStatus::Kind::Signaled, info.si_status, info.si_code == CLD_DUMPED};
}

} // namespace

ExitStatus reap(int pidfd) {
    return wait_for_end(pidfd, 0);
}

ExitStatus look_at(int pidfd) {
    return wait_for_end(pidfd, WNOWAIT);
}

std::optional<ExitStatus> told_status(int pipe) {
    pollfd fd{pipe, POLLIN, 0};
    int status = 0;
    if (pipe < 0 || ::poll(&fd, 1, 0) <= 0 || ::read(pipe, &status, sizeof status) != sizeof status)
        return std::nullopt;
    return from_wait_status(status);
}

} // namespace ct::internal
