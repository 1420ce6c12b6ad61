// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "entered.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "base/sys.hpp"
#include "base/time_limit.hpp"
#include "launch/exit_status.hpp"
#include "process_core.hpp"

namespace ct::internal {

namespace {

constexpr std::chrono::nanoseconds Now{0};

[[noreturn]] void fail() {
    throw sys::error(errno, Stage::Wait, "watch processes by epoll");
}

} // namespace

void Entered::add(const std::shared_ptr<ProcessCore>& process) {
    const std::lock_guard lock(mutex_);
    processes_.emplace(process.get(), process);
    if (const auto epoll = epoll_.lock()) watch(epoll->get(), *process);
}

void Entered::watch(int epoll, ProcessCore& process) {
    epoll_event event{};
    // Once: a pidfd stays readable after its process was reaped, perhaps by a handle of its own.
    event.events = EPOLLIN | EPOLLONESHOT;
    event.data.ptr = &process;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, process.pidfd(), &event) < 0) fail();
}

void Entered::reap(ProcessCore* process) {
    std::shared_ptr<ProcessCore> ended;
    {
        const std::lock_guard lock(mutex_);
        const auto found = processes_.find(process);
        if (found == processes_.end()) return;
        ended = found->second;
        if (!ended->wait(Now)) return;
        processes_.erase(found);
        if (const auto epoll = epoll_.lock()) (void)::epoll_ctl(epoll->get(), EPOLL_CTL_DEL, ended->pidfd(), nullptr);
    }
}

void Entered::sweep() {
    std::vector<ProcessCore*> all;
    {
        const std::lock_guard lock(mutex_);
        if (processes_.empty()) return;
        for (const auto& [key, process] : processes_) all.push_back(key);
    }
    for (ProcessCore* const process : all) reap(process);
}

std::vector<std::shared_ptr<ProcessCore>> Entered::all() {
    const std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<ProcessCore>> result;
    for (const auto& [key, process] : processes_) result.push_back(process);
    return result;
}

void Entered::take_all(Entered& other) {
    const std::scoped_lock lock(mutex_, other.mutex_);
    processes_.merge(other.processes_);
}

std::shared_ptr<UniqueFd> Entered::open_epoll(int first) {
    const std::lock_guard lock(mutex_);
    if (auto epoll = epoll_.lock()) return epoll;
    UniqueFd fd(::epoll_create1(EPOLL_CLOEXEC));
    if (!fd) return nullptr;
    auto epoll = std::make_shared<UniqueFd>(sys::above_stdio(std::move(fd), Stage::Wait, "duplicate an epoll"));
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(epoll->get(), EPOLL_CTL_ADD, first, &event) < 0) fail();
    for (const auto& [key, process] : processes_) watch(epoll->get(), *process);
    epoll_ = epoll;
    return epoll;
}

bool Entered::wait_until_ended(int first, std::optional<std::chrono::nanoseconds> limit, Meanwhile* meanwhile) {
    if (limit == Now) {
        sweep();
        return internal::wait_until_ended(first, Now);
    }
    // Without a descriptor to spare one has to look again and again.
    const std::shared_ptr<UniqueFd> epoll = open_epoll(first);
    const bool watched = epoll != nullptr;
    const int fd = watched ? epoll->get() : first;
    constexpr std::chrono::nanoseconds moment = std::chrono::milliseconds(20);
    const TimeLimit time(limit);
    for (;;) {
        const auto left = time.left();
        // With all the time there is, and nothing to do meanwhile, epoll itself can wait.
        const bool leave_it = watched && !limit && meanwhile == nullptr;
        const bool ready = leave_it || internal::wait_until_ended(
                                           fd, watched ? left : std::min(left.value_or(moment), moment), meanwhile);
        if (watched ? ready && reap_ready(fd, leave_it ? -1 : 0) : ready) return true;
        if (!ready && left && (watched || *left <= moment)) return false;
        if (!watched) sweep();
    }
}

bool Entered::reap_ready(int epoll, int milliseconds) {
    std::array<epoll_event, 16> events{};
    const int count = ::epoll_wait(epoll, events.data(), events.size(), milliseconds);
    if (count < 0 && errno != EINTR) fail();
    for (int i = 0; i < count; ++i) {
        auto* const process = static_cast<ProcessCore*>(events.at(static_cast<std::size_t>(i)).data.ptr);
        if (process == nullptr) return true;
        reap(process);
    }
    return false;
}

} // namespace ct::internal
