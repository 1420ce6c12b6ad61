// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor/loop.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "base/sys.hpp"
#include "base/time_limit.hpp"
#include "launch/exit_status.hpp"
#include "monitor/once_polls.hpp"

namespace ct::internal {

namespace {

UniqueFd make_epoll() {
    UniqueFd fd(::epoll_create1(EPOLL_CLOEXEC));
    if (!fd) throw sys::error(errno, Stage::Session, "make an epoll descriptor");
    return sys::above_stdio(std::move(fd), Stage::Session, "make an epoll descriptor");
}

} // namespace

Loop::Loop() : epoll_(make_epoll()) {}

void Loop::watch(int fd, std::uint32_t events, Id id) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = id;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) {
        throw sys::error(errno, Stage::Session, "watch a descriptor by epoll");
    }
}

Loop::Id Loop::add(int fd, std::uint32_t events, Callback callback) {
    const std::lock_guard lock(mutex_);
    const Id id = ++last_;
    if (closed_) return id;
    const auto added = watches_.emplace(id, std::make_shared<Watch>(Watch{fd, std::move(callback)})).first;
    try {
        watch(fd, events, id);
    } catch (...) {
        watches_.erase(added);
        throw;
    }
    return id;
}

void Loop::modify(Id id, std::uint32_t events) noexcept {
    const std::lock_guard lock(mutex_);
    const auto found = watches_.find(id);
    if (found == watches_.end()) return;
    epoll_event event{};
    event.events = events;
    event.data.u64 = id;
    (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, found->second->fd, &event); // fails for bad arguments only
}

void Loop::make_timer() {
    if (timer_) return;
    UniqueFd fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!fd) throw sys::error(errno, Stage::Session, "make a timer descriptor");
    fd = sys::above_stdio(std::move(fd), Stage::Session, "make a timer descriptor");
    watch(fd.get(), EPOLLIN, TimerId);
    timer_ = std::move(fd);
}

void Loop::open_timer() {
    const std::lock_guard lock(mutex_);
    make_timer();
}

Loop::Id Loop::add_timer(TimePoint when, std::function<void()> callback) {
    const std::lock_guard lock(mutex_);
    const Id id = ++last_;
    if (closed_) return id;
    make_timer();
    timer_times_.emplace(id, when);
    timers_.emplace(std::pair(when, id), std::move(callback));
    set_timer();
    return id;
}

void Loop::set_timer() noexcept {
    const std::optional<TimePoint> first = timers_.empty() ? std::nullopt : std::optional(timers_.begin()->first.first);
    if (first == set_for_) return;
    itimerspec setting{};
    if (first) {
        // Zero would stop it; the past is due at once.
        const auto time = std::max(first->time_since_epoch(), TimePoint::duration(1));
        setting.it_value = to_timespec(time);
    }
    (void)::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &setting, nullptr); // fails for bad arguments only
    set_for_ = first;
}

std::size_t Loop::run_timers() {
    const auto now = std::chrono::steady_clock::now();
    {
        const std::lock_guard lock(mutex_);
        std::uint64_t expired = 0;
        // As long as it is not read, it is ready. EAGAIN: it was set anew.
        if (::read(timer_.get(), &expired, sizeof expired) > 0) set_for_.reset();
        if (timers_.empty() || timers_.begin()->first.first > now) set_timer();
    }
    std::size_t calls = 0;
    for (;;) {
        std::function<void()> callback;
        {
            const std::lock_guard lock(mutex_);
            const auto first = timers_.begin();
            if (first == timers_.end() || first->first.first > now) break;
            callback = std::move(first->second);
            timer_times_.erase(first->first.second);
            timers_.erase(first);
            set_timer(); // before the callback, which may throw
        }
        ++calls;
        callback();
    }
    return calls;
}

void Loop::close() noexcept {
    decltype(watches_) watches; // what they hold may call back: released after the lock
    Timers timers;
    const std::lock_guard lock(mutex_);
    closed_ = true;
    watches.swap(watches_);
    timers.swap(timers_);
    timer_times_.clear();
}

void Loop::remove(Id id) noexcept {
    std::shared_ptr<Watch> removed; // what its callback holds may call back: released after the lock
    std::function<void()> cancelled;
    const std::lock_guard lock(mutex_);
    if (const auto timer = timer_times_.find(id); timer != timer_times_.end()) {
        const auto found = timers_.find({timer->second, id});
        cancelled = std::move(found->second);
        timers_.erase(found);
        timer_times_.erase(timer);
        set_timer();
        return;
    }
    const auto found = watches_.find(id);
    if (found == watches_.end()) return;
    removed = std::move(found->second);
    watches_.erase(found);
    (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, removed->fd, nullptr);
}

std::size_t Loop::dispatch() {
    return try_dispatch().value_or(0);
}

std::optional<std::size_t> Loop::try_dispatch() {
    std::thread::id nobody;
    if (!dispatcher_.compare_exchange_strong(nobody, std::this_thread::get_id())) return std::nullopt;
    struct Reset {
        std::atomic<std::thread::id>& dispatcher;
        ~Reset() {
            dispatcher = std::thread::id();
            dispatcher.notify_all();
        }
    } const reset{dispatcher_};

    std::array<epoll_event, 64> events{};
    const int ready = ::epoll_wait(epoll_.get(), events.data(), events.size(), 0);
    if (ready < 0 && errno != EINTR) throw sys::error(errno, Stage::Session, "wait for events");
    std::size_t calls = 0;
    for (int i = 0; i < ready; ++i) {
        const epoll_event& event = events.at(static_cast<std::size_t>(i));
        if (event.data.u64 == TimerId) {
            calls += run_timers();
            continue;
        }
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

void Loop::run(const std::stop_token& stop) {
    constexpr std::string_view action = "run the session";
    if (dispatcher_.load() == std::this_thread::get_id()) {
        throw Error(Errc::InvalidState, Stage::Session, action, {},
                    "this is one of its callbacks, which has to return");
    }
    UniqueFd stopped(::eventfd(0, EFD_CLOEXEC));
    if (!stopped) throw sys::error(errno, Stage::Session, action);
    stopped = sys::above_stdio(std::move(stopped), Stage::Session, action);
    const std::stop_callback tell(stop, [fd = stopped.get()] { (void)::eventfd_write(fd, 1); });
    while (!stop.stop_requested()) {
        std::array<pollfd, 2> fds{pollfd{epoll_.get(), POLLIN, 0}, pollfd{stopped.get(), POLLIN, 0}};
        if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) throw sys::error(errno, Stage::Session, action);
        if (fds.back().revents != 0) return;
        if (fds.front().revents == 0 || try_dispatch()) continue;
        // What is due stays due: polling again would not wait for the one who dispatches.
        if (const auto other = dispatcher_.load(); other != std::thread::id()) dispatcher_.wait(other);
    }
}

std::shared_ptr<OncePolls> Loop::once_polls() {
    std::call_once(once_polls_made_, [&] { once_polls_ = OncePolls::make(*this); });
    return once_polls_;
}

} // namespace ct::internal
