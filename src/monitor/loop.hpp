// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/unique_fd.hpp"

namespace ct::internal {

class OncePolls;

/// The descriptors that a session watches, behind one epoll descriptor, and what is called when they are ready.
///
/// Watches are level-triggered: one whose callback leaves something to do, or throws, is due again. A watch may be
/// removed at any time, also from its own callback or another one, and is not called any more afterwards, except for a
/// call under way in another thread; what its callback holds is released once that is over. Those that are due take
/// turns: a callback that does a bounded amount of work is fair to all others. A call costs the same however many
/// watches there are.
///
/// Timers share one timerfd, which is set only while there are any: nothing wakes up an idle session.
class Loop {
public:
    using Id = std::uint64_t;
    /// \param events  EPOLL* bits
    using Callback = std::function<void(std::uint32_t events)>;
    using TimePoint = std::chrono::steady_clock::time_point;

    /// \throws Error with Stage::Session
    Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    /// Readable when dispatch() has something to do.
    [[nodiscard]] int fd() const noexcept { return epoll_.get(); }

    /// Watches \p fd, which stays open until remove().
    Id add(int fd, std::uint32_t events, Callback callback);
    /// Watches for other events. Nothing happens if the watch is gone.
    void modify(Id id, std::uint32_t events) noexcept;
    /// From then on add_timer() needs no more descriptors.
    void open_timer();
    /// Calls \p callback once, at \p when or later.
    Id add_timer(TimePoint when, std::function<void()> callback);
    /// Nothing is watched from now on, and add() and add_timer() forget what they are given: it may keep this object.
    void close() noexcept;
    /// Of a watch or a timer; nothing happens if it is gone.
    void remove(Id id) noexcept;

    /// Calls what is due; never blocks. \returns how many callbacks ran; 0 if a call is under way already
    std::size_t dispatch();
    /// Waits at most \p limit until something is due.
    std::size_t dispatch_for(std::chrono::nanoseconds limit);
    /// Waits and dispatches until \p stop is requested.
    void run(const std::stop_token& stop);

    /// For descriptors that tell only once that they are ready; made when it is needed first.
    [[nodiscard]] std::shared_ptr<OncePolls> once_polls();

private:
    struct Watch {
        int fd;
        Callback callback;
    };

    using Timers = std::map<std::pair<TimePoint, Id>, std::function<void()>>;

    void watch(int fd, std::uint32_t events, Id id);
    void make_timer();
    /// None if another thread dispatches.
    std::optional<std::size_t> try_dispatch();
    std::size_t run_timers();
    /// Sets the timerfd for the first timer; called with the mutex.
    void set_timer() noexcept;

    const UniqueFd epoll_;
    std::once_flag once_polls_made_;
    std::shared_ptr<OncePolls> once_polls_;
    std::atomic<std::thread::id> dispatcher_{};
    std::mutex mutex_; ///< Guards what follows; not held while callbacks run.
    Id last_ = TimerId;
    bool closed_ = false;
    std::unordered_map<Id, std::shared_ptr<Watch>> watches_;
    UniqueFd timer_; ///< Made with the first timer.
    Timers timers_;
    std::unordered_map<Id, TimePoint> timer_times_;
    std::optional<TimePoint> set_for_; ///< What the timerfd is set to.

    static constexpr Id TimerId = 0; ///< Of the timerfd itself.
};

} // namespace ct::internal
