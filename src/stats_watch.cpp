// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "stats_watch.hpp"

#include <utility>

#include "base/concat.hpp"
#include "cgroup/stats.hpp"
#include "container_core.hpp"

namespace ct::internal {

StatsWatch::StatsWatch(std::weak_ptr<ContainerCore> container, std::string name, std::shared_ptr<Events> events,
                       std::shared_ptr<const Groups> groups, std::shared_ptr<const StatsWish> wish)
    : container_(std::move(container)), name_(std::move(name)), events_(std::move(events)), groups_(std::move(groups)),
      wish_(std::move(wish)) {}

void StatsWatch::start() {
    const std::lock_guard lock(mutex_);
    next_ = std::chrono::steady_clock::now() + wish_->interval;
    arm();
}

void StatsWatch::arm() {
    timer_ = events_->loop()->add_timer(next_, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->tick();
    });
}

void StatsWatch::end() noexcept {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    events_->loop()->remove(timer_);
}

void StatsWatch::tick() {
    const auto container = container_.lock();
    if (!container) return;
    const std::lock_guard lock(mutex_); // what is told is told before the end
    if (ended_) return;
    const auto now = std::chrono::steady_clock::now();
    next_ = next_tick(next_, wish_->interval, now);
    arm();
    const auto stats = std::make_shared<Stats>();
    if (!container->try_read_stats(*groups_, *stats)) return;
    events_->post([events = events_.get(), wish = wish_, name = name_, stats, now] {
        if (events->get<&EventHandlers::stats>() == wish) wish->handler(StatsEvent{name, *stats, now});
    });
}

void check_interval(std::chrono::nanoseconds interval, std::string_view what) {
    if (interval >= std::chrono::milliseconds(1) && interval <= std::chrono::hours(24)) return;
    throw Error::invalid_config({}, {concat(what, " of ", interval.count(), " ns is not 1 ms to a day")});
}

} // namespace ct::internal
