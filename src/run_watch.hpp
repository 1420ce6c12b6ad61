// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <memory>
#include <mutex>
#include <set>

#include "cgroup/groups.hpp"
#include "monitor/events.hpp"
#include "monitor/group_watch.hpp"
#include "process_core.hpp"

namespace ct::internal {

class ContainerCore;

/// Watches one run of a container for the handlers of its events, from its start (or the first handler) to its end.
class RunWatch : public std::enable_shared_from_this<RunWatch> {
public:
    RunWatch(std::weak_ptr<ContainerCore> container, std::string name, std::shared_ptr<Events> events)
        : container_(std::move(container)), name_(std::move(name)), events_(std::move(events)) {}
    RunWatch(const RunWatch&) = delete;
    RunWatch& operator=(const RunWatch&) = delete;
    ~RunWatch();

    /// Has the container finish when its first process has ended.
    void watch_first(const ProcessCore& init);
    void watch_entered(const std::shared_ptr<ProcessCore>& process);
    /// Nothing is watched in a container without groups. \throws Error
    void watch_groups(std::shared_ptr<const Groups> groups, GroupWatch::From from);
    /// Tells what the groups say up to now.
    void look() const;

private:
    /// Calls \p notice once, when the process has ended.
    void watch(int pidfd, std::function<void()> notice);
    void tell(const GroupCounts& before, const GroupCounts& now) const;

    const std::weak_ptr<ContainerCore> container_;
    const std::string name_;
    const std::shared_ptr<Events> events_;
    std::shared_ptr<GroupWatch> groups_;
    std::mutex mutex_; ///< Guards what follows.
    std::set<Loop::Id> ids_;
};

} // namespace ct::internal
