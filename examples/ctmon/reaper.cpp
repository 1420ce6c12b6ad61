// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "reaper.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>

#include "base/sys.hpp"
#include "launch/exit_status.hpp"

namespace ctmon {

using ct::Stage;
using ct::internal::Loop;
using ct::internal::UniqueFd;
namespace sys = ct::internal::sys;

namespace {

/// What the kernel knows of a process that somebody else has reaped.
std::optional<int> status_of_foreign(int pidfd) {
    try {
        const ct::ExitStatus status = ct::internal::look_at(pidfd);
        if (status.kind == ct::ExitStatus::Kind::Exited) return W_EXITCODE(status.value, 0);
        if (status.kind == ct::ExitStatus::Kind::Signaled) return W_EXITCODE(0, status.value);
    } catch (const ct::Error&) { // then it is unknown
    }
    return std::nullopt;
}

} // namespace

Reaper::Reaper(std::shared_ptr<Loop> loop) : loop_(std::move(loop)) {
    sigset_t child;
    ::sigemptyset(&child);
    ::sigaddset(&child, SIGCHLD);
    ::sigaddset(&child, SIGUSR1); // "look after the children", as others may know it
    (void)::sigprocmask(SIG_BLOCK, &child, nullptr);
    signals_.reset(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) throw sys::error(errno, Stage::Session, "make a signal descriptor");
    watch_ = loop_->add(signals_.get(), EPOLLIN, [this](std::uint32_t) {
        signalfd_siginfo info{};
        while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
        }
        reap_all();
    });
}

Reaper::~Reaper() {
    loop_->remove(watch_);
    for (const auto& [pid, watched] : watched_) loop_->remove(watched.watch);
}

bool Reaper::has_children() noexcept {
    siginfo_t info{};
    return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void Reaper::reap_all() {
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) note(pid, status);
}

void Reaper::note(pid_t pid, int status) {
    if (watched_.contains(pid)) return tell(pid, status);
    if (expectations_ > 0) unclaimed_.emplace_back(pid, status);
}

void Reaper::watch(pid_t pid, Callback callback) {
    const auto known = std::ranges::find(unclaimed_, pid, [](const auto& each) { return each.first; });
    if (known != unclaimed_.end()) {
        loop_->add_timer(Loop::TimePoint{},
                         [callback = std::move(callback), status = known->second] { callback(status); });
        unclaimed_.erase(known);
        return;
    }
    Watched watched{UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))), 0, std::move(callback)};
    const auto added = watched_.insert_or_assign(pid, std::move(watched)).first;
    if (added->second.pidfd) {
        added->second.watch =
            loop_->add(added->second.pidfd.get(), EPOLLIN, [this, pid](std::uint32_t) { ended(pid); });
    } else { // it is gone, or there is no descriptor left: SIGCHLD tells of a child
        loop_->add_timer(Loop::TimePoint{}, [this, pid] { ended(pid); });
    }
}

void Reaper::expect_no_notes() {
    expects_notes_ = false;
    for (const auto& [pid, watched] : watched_)
        loop_->add_timer(Loop::TimePoint{}, [this, number = pid] { ended(number); });
}

void Reaper::ended(pid_t pid) {
    const auto found = watched_.find(pid);
    if (found == watched_.end()) return;
    int status = 0;
    const pid_t reaped = ::waitpid(pid, &status, WNOHANG);
    if (reaped == pid) return tell(pid, status);
    if (reaped == 0) return; // a child that lives
    pollfd end{found->second.pidfd.get(), POLLIN, 0};
    if (found->second.pidfd && ::poll(&end, 1, 0) == 0) return;
    loop_->remove(std::exchange(found->second.watch, 0));
    if (expects_notes_ || (!found->second.pidfd && ::kill(pid, 0) == 0)) return;
    tell(pid, found->second.pidfd ? status_of_foreign(found->second.pidfd.get()) : std::nullopt);
}

void Reaper::tell(pid_t pid, std::optional<int> status) {
    const auto found = watched_.find(pid);
    const Watched watched = std::move(found->second);
    watched_.erase(found);
    loop_->remove(watched.watch);
    watched.callback(status);
}

} // namespace ctmon
