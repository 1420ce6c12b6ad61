// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>

#include <ct/events.hpp>

#include "monitor/event_fields.hpp"
#include "monitor/loop.hpp"
#include "state/event_file.hpp"

namespace ct::internal {

/// The functions that are told what becomes of a container; null for none.
struct EventHandlers {
    std::shared_ptr<const StateHandler> state;
    std::shared_ptr<const StartHandler> start;
    std::shared_ptr<const ExitHandler> exit;
    std::shared_ptr<const OomHandler> oom;
    std::shared_ptr<const LimitHandler> memory_high;
    std::shared_ptr<const LimitHandler> pids_limit;
    std::shared_ptr<const ProcessExitHandler> process_exit;
    std::shared_ptr<const FrozenHandler> frozen;
};

/// The events of one container, on their way to its handlers. Any thread may post them; the loop's dispatch() tells
/// them one after the other.
class Events : public std::enable_shared_from_this<Events> {
public:
    explicit Events(std::shared_ptr<Loop> loop) : loop_(std::move(loop)) {}
    Events(const Events&) = delete;
    Events& operator=(const Events&) = delete;

    template <auto Slot, typename Handler>
    void set(Handler handler) {
        auto next = handler ? std::make_shared<const Handler>(std::move(handler)) : nullptr;
        const std::lock_guard lock(mutex_);
        (handlers_.*Slot).swap(next); // the old one is released after the lock
    }
    template <auto Slot>
    [[nodiscard]] auto get() const {
        const std::lock_guard lock(mutex_);
        return handlers_.*Slot;
    }

    /// \param make  returns the event, at the time when it is told; it is not told if nobody handles it now or then
    template <auto Slot, typename Make>
    void post(Make make) {
        if (const auto recorder = this->recorder()) record<Slot>(*recorder, make());
        if (!get<Slot>()) return;
        post([this, make = std::move(make)] {
            if (const auto handler = get<Slot>()) (*handler)(make());
        });
    }
    /// \param tell  kept no longer than this object
    void post(std::function<void()> tell);
    [[nodiscard]] const std::shared_ptr<Loop>& loop() const noexcept { return loop_; }
    /// From now on events are recorded as soon as they are posted; not any more without a recorder.
    void record_with(std::shared_ptr<const EventRecorder> recorder) {
        const std::lock_guard lock(mutex_);
        recorder_.swap(recorder);
    }
    [[nodiscard]] std::shared_ptr<const EventRecorder> recorder() const {
        const std::lock_guard lock(mutex_);
        return recorder_;
    }

private:
    template <auto Slot, typename Event>
    static void record(const EventRecorder& recorder, const Event& event) {
        if constexpr (std::is_same_v<Event, LimitEvent>) {
            constexpr bool high = Slot == &EventHandlers::memory_high;
            recorder.record(event.container, event_fields(event, high ? "memory_high" : "pids_limit"));
        } else if constexpr (requires { event_fields(event); }) {
            recorder.record(event.container, event_fields(event));
        }
    }
    void schedule();
    void deliver();
    /// Calls the first one. \returns false if there is none
    bool deliver_one();

    const std::shared_ptr<Loop> loop_;
    mutable std::mutex mutex_; ///< Guards what follows; not held while a handler runs.
    EventHandlers handlers_;
    std::deque<std::function<void()>> queue_;
    bool scheduled_ = false;
    std::shared_ptr<const EventRecorder> recorder_;
};

} // namespace ct::internal
