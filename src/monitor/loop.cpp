// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor/loop.hpp"

#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/sys.hpp"
#include "launch/exit_status.hpp"

namespace ct::internal {

namespace {

UniqueFd make_epoll() {
    UniqueFd fd(::epoll_create1(EPOLL_CLOEXEC));
    if (!fd) throw sys::error(errno, Stage::Session, "make an epoll descriptor");
    return sys::above_stdio(std::move(fd), Stage::Session, "make an epoll descriptor");
}

} // namespace

Loop::Loop() : epoll_(make_epoll()) {}

Loop::Id Loop::add(int fd, std::uint32_t events, Callback callback) {
    const std::lock_guard lock(mutex_);
    const Id id = ++last_;
    const auto added = watches_.emplace(id, std::make_shared<Watch>(Watch{fd, std::move(callback)})).first;
    epoll_event event{};
    event.events = events;
    event.data.u64 = id;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) {
        const int error = errno;
        watches_.erase(added);
        throw sys::error(error, Stage::Session, "watch a descriptor by epoll");
    }
    return id;
}

void Loop::remove(Id id) noexcept {
    std::shared_ptr<Watch> removed; // what its callback holds may call back: released after the lock
    const std::lock_guard lock(mutex_);
    const auto found = watches_.find(id);
    if (found == watches_.end()) return;
    removed = std::move(found->second);
    watches_.erase(found);
    (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, removed->fd, nullptr);
}

std::size_t Loop::dispatch() {
    if (dispatching_.exchange(true)) return 0;
    struct Reset {
        std::atomic<bool>& flag;
        ~Reset() { flag = false; }
    } const reset{dispatching_};

    std::array<epoll_event, 64> events{};
    const int ready = ::epoll_wait(epoll_.get(), events.data(), events.size(), 0);
    if (ready < 0 && errno != EINTR) throw sys::error(errno, Stage::Session, "wait for events");
    std::size_t calls = 0;
    for (int i = 0; i < ready; ++i) {
        const epoll_event& event = events.at(static_cast<std::size_t>(i));
        std::shared_ptr<Watch> watch;
        {
            const std::lock_guard lock(mutex_);
            const auto found = watches_.find(event.data.u64);
            if (found == watches_.end()) continue; // removed by a callback before
            watch = found->second;
        }
        ++calls;
        watch->callback(event.events);
    }
    return calls;
}

std::size_t Loop::dispatch_for(std::chrono::nanoseconds limit) {
    (void)wait_until_ended(epoll_.get(), limit);
    return dispatch();
}

} // namespace ct::internal
