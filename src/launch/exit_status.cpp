// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/exit_status.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "base/time_limit.hpp"

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

std::string first_bytes(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 1024> buffer{};
    const ssize_t size = file ? ::read(file.get(), buffer.data(), buffer.size()) : -1;
    return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

/// Kept by the kernel since 6.15, from the moment when somebody has reaped the process.
std::optional<ExitStatus> kept_status(int pidfd) {
    PidfdInfo info{};
    info.mask = PidfdInfoExit;
    if (::ioctl(pidfd, PidfdGetInfo, &info) < 0 || (info.mask & PidfdInfoExit) == 0) return std::nullopt;
    return from_wait_status(info.exit_code);
}

/// The pid that the descriptor refers to, or -1 if the process was reaped.
pid_t pid_of(int pidfd) {
    const std::string text = first_bytes(concat("/proc/self/fdinfo/", pidfd));
    const std::size_t at = text.find("\nPid:");
    return at == std::string::npos ? -1 : std::atoi(text.c_str() + at + 5);
}

/// Of a zombie that its parent has not reaped yet. The file shows 0 to those who may not know.
std::optional<ExitStatus> zombie_status(int pidfd) {
    const pid_t pid = pid_of(pidfd);
    if (pid <= 0) return std::nullopt;
    const auto stat = read_process_stat(pid);
    std::array<char, 64> target{};
    const bool allowed =
        ::readlink(concat("/proc/", pid, "/ns/user").c_str(), target.data(), target.size()) >= 0 || errno != EACCES;
    // If the pid still is that of the descriptor, it was all the time.
    if (!stat || stat->state != 'Z' || !allowed || pid_of(pidfd) != pid) return std::nullopt;
    return from_wait_status(stat->wait_status);
}

ExitStatus status_without_waiting(int pidfd) {
    for (const auto source : {kept_status, zombie_status, kept_status}) {
        if (const auto status = source(pidfd)) return *status;
    }
    return {};
}

} // namespace

ExitStatus from_wait_status(int status) {
    if (WIFEXITED(status)) return {ExitStatus::Kind::Exited, WEXITSTATUS(status), false};
    return {ExitStatus::Kind::Signaled, WTERMSIG(status), WCOREDUMP(status) != 0};
}

std::optional<ProcessStat> read_process_stat(pid_t pid) {
    const std::string text = first_bytes(concat("/proc/", pid, "/stat"));
    // The second field is the program's name in parentheses, which may contain anything.
    const std::size_t name_end = text.rfind(')');
    if (name_end == std::string::npos) return std::nullopt;
    std::string_view rest = std::string_view(text).substr(name_end);
    int number = 2;
    const auto field = [&](int wanted) {
        for (; number < wanted && !rest.empty(); ++number)
            rest.remove_prefix(std::min(rest.find(' '), rest.size() - 1) + 1);
        return rest.substr(0, rest.find_first_of(" \n"));
    };
    const auto parse = [&](int wanted, auto& value) {
        const std::string_view word = field(wanted);
        return std::from_chars(word.data(), word.data() + word.size(), value).ec == std::errc{};
    };
    ProcessStat stat;
    stat.state = field(3).empty() ? '?' : field(3).front();
    if (!parse(22, stat.start_time) || !parse(52, stat.wait_status)) return std::nullopt;
    return stat;
}

bool wait_until_ended(int pidfd, std::optional<std::chrono::nanoseconds> limit, Meanwhile* meanwhile) {
    const TimeLimit time(limit);
    for (;;) {
        std::array<pollfd, 3> fds{pollfd{pidfd, POLLIN, 0}, pollfd{-1, POLLIN, 0}, pollfd{-1, POLLIN, 0}};
        auto remaining = time.left();
        if (meanwhile != nullptr) {
            const auto descriptors = meanwhile->descriptors();
            for (std::size_t i = 0; i < descriptors.size(); ++i) fds.at(i + 1).fd = descriptors.at(i);
            if (const auto until = meanwhile->until()) {
                const std::chrono::nanoseconds due = *until - std::chrono::steady_clock::now();
                remaining = std::min(remaining.value_or(due), due);
            }
        }
        timespec left{};
        if (remaining) left = to_timespec(std::max(*remaining, std::chrono::nanoseconds(0)));
        const int ready = ::ppoll(fds.data(), meanwhile != nullptr ? 3 : 1, remaining ? &left : nullptr, nullptr);
        if (ready < 0 && errno != EINTR) throw sys::error(errno, Stage::Wait, "wait for a process");
        if (ready > 0 && fds.front().revents != 0) return true;
        if (ready >= 0 && meanwhile != nullptr) {
            meanwhile->run();
            if (pidfd < 0) return false;
        }
        if (ready >= 0 && time.passed()) return false;
    }
}

namespace {

ExitStatus wait_for_end(int pidfd, int options, rusage* usage) {
    siginfo_t info{};
    long error;
    do {
        // The C library's waitid has no fifth argument.
        error = ::syscall(SYS_waitid, P_PIDFD, pidfd, &info, WEXITED | __WALL | options, usage);
    } while (error < 0 && errno == EINTR);
    if (error < 0) return status_without_waiting(pidfd);
    if (info.si_code == CLD_EXITED) return {ExitStatus::Kind::Exited, info.si_status, false};
    return {ExitStatus::Kind::Signaled, info.si_status, info.si_code == CLD_DUMPED};
}

} // namespace

ExitStatus reap(int pidfd, rusage* usage) {
    return wait_for_end(pidfd, 0, usage);
}

ExitStatus look_at(int pidfd) {
    return wait_for_end(pidfd, WNOWAIT, nullptr);
}

bool is_stopped(int pidfd) noexcept {
    siginfo_t info{};
    constexpr int options = WSTOPPED | WNOHANG | WNOWAIT | __WALL;
    return ::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd), &info, options) == 0 && info.si_pid != 0;
}

std::optional<ExitStatus> told_status(int pipe) {
    pollfd fd{pipe, POLLIN, 0};
    int status = 0;
    if (pipe < 0 || ::poll(&fd, 1, 0) <= 0 || ::read(pipe, &status, sizeof status) != sizeof status)
        return std::nullopt;
    return from_wait_status(status);
}

} // namespace ct::internal
