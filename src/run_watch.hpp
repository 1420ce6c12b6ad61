// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "cgroup/groups.hpp"
#include "monitor/events.hpp"
#include "monitor/group_watch.hpp"
#include "monitor/pressure_watch.hpp"
#include "process_core.hpp"

namespace ct::internal {

class ContainerCore;
class HealthWatch;
class StatsWatch;

/// Watches one run of a container for the handlers of its events, from its start (or the first handler) to its end.
class RunWatch : public std::enable_shared_from_this<RunWatch> {
public:
    RunWatch(std::weak_ptr<ContainerCore> container, std::string name, std::shared_ptr<Events> events);
    RunWatch(const RunWatch&) = delete;
    RunWatch& operator=(const RunWatch&) = delete;
    ~RunWatch();

    /// \returns true once: for the one who calls begin()
    [[nodiscard]] bool take() noexcept { return !taken_.exchange(true); }
    /// Before there is a process: finds out what cannot be watched. \throws Error
    void prepare(const std::shared_ptr<const Groups>& groups);
    /// The container runs. Nothing is watched twice. \param groups  may be null \throws Error
    void begin(std::shared_ptr<const Groups> groups, GroupWatch::From from);
    /// Heeds the present wishes of the handlers. \throws Error
    void update();
    /// Has the container finish when its first process has ended.
    void watch_first(const ProcessCore& init);
    void watch_entered(const std::shared_ptr<ProcessCore>& process);
    /// Tells what the groups say up to now.
    void look() const;
    /// The same for the last time, and ends all else.
    void end();
    /// A process of a health check that end() has killed; null if there is none.
    [[nodiscard]] std::shared_ptr<ProcessCore> last_check() const;

private:
    /// Calls \p notice once, when the process has ended.
    void watch(int pidfd, std::function<void()> notice);
    void tell(const GroupCounts& before, const GroupCounts& now) const;
    void open_pressure();
    void update_stats();
    void update_health();

    const std::weak_ptr<ContainerCore> container_;
    const std::string name_;
    const std::shared_ptr<Events> events_;
    std::atomic<bool> taken_{false};
    mutable std::mutex mutex_; ///< Guards what follows.
    std::set<Loop::Id> ids_;
    std::shared_ptr<const Groups> groups_;
    std::shared_ptr<GroupWatch> counts_;
    std::map<PressureTrigger, std::shared_ptr<PressureWatch>> pressure_;
    std::shared_ptr<StatsWatch> stats_;
    std::shared_ptr<HealthWatch> health_;
    bool begun_ = false;
    bool ended_ = false;
};

} // namespace ct::internal
