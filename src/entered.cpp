// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "entered.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "base/sys.hpp"
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
    if (epoll_) watch(*process);
}

void Entered::watch(ProcessCore& process) {
    epoll_event event{};
    // Once: a pidfd stays readable after its process was reaped, perhaps by a handle of its own.
    event.events = EPOLLIN | EPOLLONESHOT;
    event.data.ptr = &process;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, process.pidfd(), &event) < 0) fail();
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
        if (epoll_) (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, ended->pidfd(), nullptr);
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

void Entered::take_all(Entered& other) {
    const std::scoped_lock lock(mutex_, other.mutex_);
    processes_.merge(other.processes_);
}

void Entered::open_epoll(int first) {
    const std::lock_guard lock(mutex_);
    if (epoll_) return;
    epoll_ = sys::above_stdio(UniqueFd(::epoll_create1(EPOLL_CLOEXEC)), Stage::Wait, "make an epoll");
    if (!epoll_) fail();
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, first, &event) < 0) fail();
    for (const auto& [key, process] : processes_) watch(*process);
}

bool Entered::wait_until_ended(int first, std::optional<std::chrono::nanoseconds> limit) {
    using Clock = std::chrono::steady_clock;
    open_epoll(first);
    const auto start = Clock::now();
    for (;;) {
        std::optional<std::chrono::nanoseconds> left;
        if (limit) left = std::max(*limit - (Clock::now() - start), Now);
        if (!internal::wait_until_ended(epoll_.get(), left)) return false;
        std::array<epoll_event, 16> events{};
        const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), 0);
        if (count < 0 && errno != EINTR) fail();
        for (int i = 0; i < count; ++i) {
            auto* const process = static_cast<ProcessCore*>(events.at(static_cast<std::size_t>(i)).data.ptr);
            if (process == nullptr) return true;
            reap(process);
        }
    }
}

} // namespace ct::internal
