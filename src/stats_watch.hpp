// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "cgroup/groups.hpp"
#include "monitor/events.hpp"

namespace ct::internal {

class ContainerCore;

/// Tells the statistics of one run of a container at regular times.
class StatsWatch : public std::enable_shared_from_this<StatsWatch> {
public:
    StatsWatch(std::weak_ptr<ContainerCore> container, std::string name, std::shared_ptr<Events> events,
               std::shared_ptr<const Groups> groups, std::shared_ptr<const StatsWish> wish);
    StatsWatch(const StatsWatch&) = delete;
    StatsWatch& operator=(const StatsWatch&) = delete;
    ~StatsWatch() { end(); }

    void start();
    /// Nothing is told from then on.
    void end() noexcept;
    [[nodiscard]] bool heeds(const std::shared_ptr<const StatsWish>& wish) const noexcept { return wish_ == wish; }

private:
    void arm();
    void tick();

    const std::weak_ptr<ContainerCore> container_;
    const std::string name_;
    const std::shared_ptr<Events> events_;
    const std::shared_ptr<const Groups> groups_;
    const std::shared_ptr<const StatsWish> wish_;
    std::mutex mutex_; ///< Guards what follows.
    Loop::TimePoint next_ = {};
    Loop::Id timer_ = 0;
    bool ended_ = false;
};

/// The first time after \p now of those that are \p planned, and as many intervals later as it takes.
[[nodiscard]] constexpr Loop::TimePoint next_tick(Loop::TimePoint planned, std::chrono::nanoseconds interval,
                                                  Loop::TimePoint now) noexcept {
    return now < planned ? planned : planned + interval * ((now - planned) / interval + 1);
}

/// \throws Error with Errc::InvalidConfig
void check_interval(std::chrono::nanoseconds interval, std::string_view what);

} // namespace ct::internal
