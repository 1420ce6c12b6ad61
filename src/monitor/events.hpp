// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>

#include <ct/events.hpp>

#include "monitor/event_fields.hpp"
#include "monitor/loop.hpp"
#include "state/event_file.hpp"

namespace ct::internal {

struct StatsWish {
    std::chrono::nanoseconds interval{0};
    StatsHandler handler;
    explicit operator bool() const noexcept { return static_cast<bool>(handler); }
};

struct HealthWish {
    HealthCheck check;
    HealthHandler handler;
    explicit operator bool() const noexcept { return static_cast<bool>(handler); }
};

using PressureWishes = std::map<PressureTrigger, std::shared_ptr<const PressureHandler>>;

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
    std::shared_ptr<const PressureWishes> pressure;
    std::shared_ptr<const StatsWish> stats;
    std::shared_ptr<const HealthWish> health;
};

/// The events of one container, on their way to its handlers. Any thread may post them; the loop's dispatch() tells
/// them one after the other.
class Events : public std::enable_shared_from_this<Events> {
public:
    /// \throws Error if the loop cannot have timers: posting does not fail for want of descriptors
    explicit Events(std::shared_ptr<Loop> loop) : loop_(std::move(loop)) { loop_->open_timer(); }
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

    template <auto Slot>
    [[nodiscard]] bool has() const {
        const std::lock_guard lock(mutex_);
        return handlers_.*Slot != nullptr;
    }
    /// \returns what was there before, for put_back()
    PressureWishes set_pressure(const PressureTrigger& trigger, PressureHandler handler);
    void put_back(PressureWishes wishes);

    /// \param make  returns the event, at the time when it is told; it is not told if nobody handles it now or then
    template <auto Slot, typename Make>
    void post(Make make) {
        if (records()) record<Slot>(make());
        if (!has<Slot>()) return; // without a copy, which could be the last one while the caller holds a lock
        post([this, make = std::move(make)] {
            if (const auto handler = get<Slot>()) (*handler)(make());
        });
    }
    /// \param tell  kept no longer than this object
    void post(std::function<void()> tell);
    [[nodiscard]] const std::shared_ptr<Loop>& loop() const noexcept { return loop_; }
    /// \name Recording
    /// From now on events are recorded that are posted; not any more without a recorder. They are written by the next
    /// dispatch(), or by write_records(), which is not to be called while a container is locked.
    /// @{
    void record_with(std::shared_ptr<const EventRecorder> recorder);
    [[nodiscard]] bool records() const {
        const std::lock_guard lock(mutex_);
        return recorder_ != nullptr;
    }
    void write_records() noexcept;
    /// @}

private:
    template <auto Slot, typename Event>
    void record(const Event& event) {
        if constexpr (std::is_same_v<Event, LimitEvent>) {
            constexpr bool high = Slot == &EventHandlers::memory_high;
            record(event_line(event.container, event_fields(event, high ? "memory_high" : "pids_limit")));
        } else if constexpr (requires { event_fields(event); }) {
            record(event_line(event.container, event_fields(event)));
        }
    }
    void record(std::string line);
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
    std::string lines_;  ///< To be recorded; each with a newline.
    std::mutex writing_; ///< Held while they are written, in their order.
};

} // namespace ct::internal
