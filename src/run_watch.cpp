// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "run_watch.hpp"

#include <sys/epoll.h>

#include <utility>

#include "container_core.hpp"
#include "health_watch.hpp"
#include "stats_watch.hpp"

namespace ct::internal {

namespace {

Error without_groups() {
    return {
        Errc::InvalidState, Stage::Cgroup, "tell its statistics", {}, "the container has no cgroups: see Spec::cgroup"};
}

} // namespace

RunWatch::RunWatch(std::weak_ptr<ContainerCore> container, std::string name, std::shared_ptr<Events> events)
    : container_(std::move(container)), name_(std::move(name)), events_(std::move(events)) {}

RunWatch::~RunWatch() {
    for (const Loop::Id id : ids_) events_->loop()->remove(id);
}

void RunWatch::prepare(const std::shared_ptr<const Groups>& groups) {
    const std::lock_guard lock(mutex_);
    groups_ = groups;
    open_pressure();
    if (!groups && events_->has<&EventHandlers::stats>()) throw without_groups();
}

void RunWatch::begin(std::shared_ptr<const Groups> groups, GroupWatch::From from) {
    const auto self = weak_from_this();
    std::shared_ptr<GroupWatch> counts;
    {
        const std::lock_guard lock(mutex_);
        if (ended_) return;
        begun_ = true;
        groups_ = groups;
        if (groups && !counts_) {
            const auto report = [self](const GroupCounts& before, const GroupCounts& now) {
                if (const auto watch = self.lock()) watch->tell(before, now);
            };
            counts = std::make_shared<GroupWatch>(events_->loop(), std::move(groups), report);
        }
    }
    if (counts) {
        counts->start(from);
        const std::lock_guard lock(mutex_);
        counts_ = std::move(counts);
    }
    update();
}

void RunWatch::update() {
    // What goes is released after the lock: handlers go with it.
    std::map<PressureTrigger, std::shared_ptr<PressureWatch>> pressure;
    std::shared_ptr<StatsWatch> stats;
    std::shared_ptr<HealthWatch> health;
    const std::lock_guard lock(mutex_);
    if (!begun_ || ended_) return;
    pressure = pressure_;
    stats = stats_;
    health = health_;
    open_pressure();
    for (const auto& [trigger, watch] : pressure_) watch->start();
    update_stats();
    update_health();
}

/// Watches what is wished, and nothing else.
void RunWatch::open_pressure() {
    const auto wishes = events_->get<&EventHandlers::pressure>();
    if (!wishes) return;
    std::erase_if(pressure_, [&](const auto& entry) { return !wishes->contains(entry.first); });
    for (const auto& [trigger, handler] : *wishes) {
        if (pressure_.contains(trigger)) continue;
        const auto report = [events = events_, name = name_, trigger = trigger](const Pressure& now) {
            events->post([events = events.get(), name, trigger, now] {
                const auto present = events->get<&EventHandlers::pressure>();
                const auto found = present->find(trigger);
                if (found == present->end()) return;
                const auto wanted = found->second; // it may be exchanged meanwhile
                (*wanted)(PressureEvent{name, trigger, now});
            });
        };
        pressure_.emplace(
            trigger, std::make_shared<PressureWatch>(events_->loop()->once_polls(), groups_.get(), trigger, report));
    }
}

void RunWatch::update_stats() {
    const auto wish = events_->get<&EventHandlers::stats>();
    if (stats_ && stats_->heeds(wish)) return;
    if (stats_) stats_->end();
    stats_.reset();
    if (!wish) return;
    if (!groups_) throw without_groups();
    stats_ = std::make_shared<StatsWatch>(container_, name_, events_, groups_, wish);
    stats_->start();
}

void RunWatch::update_health() {
    const auto wish = events_->get<&EventHandlers::health>();
    if (health_ && health_->heeds(wish)) return;
    if (health_) health_->end();
    health_.reset();
    if (!wish) return;
    health_ = std::make_shared<HealthWatch>(container_, name_, events_, wish);
    health_->start();
}

void RunWatch::watch(int pidfd, std::function<void()> notice) {
    const auto id = std::make_shared<Loop::Id>(0);
    const std::lock_guard lock(mutex_); // held until the number is known
    *id =
        events_->loop()->add(pidfd, EPOLLIN, [weak = weak_from_this(), id, notice = std::move(notice)](std::uint32_t) {
            const auto self = weak.lock();
            if (!self) return;
            {
                const std::lock_guard own(self->mutex_);
                self->events_->loop()->remove(*id);
                self->ids_.erase(*id);
            }
            notice();
        });
    ids_.insert(*id);
}

void RunWatch::watch_first(const ProcessCore& init) {
    watch(init.pidfd(), [container = container_] {
        if (const auto core = container.lock()) core->notice_end();
    });
}

void RunWatch::watch_entered(const std::shared_ptr<ProcessCore>& process) {
    process->on_end([events = events_, name = name_](pid_t pid, const ExitStatus& status) {
        events->post<&EventHandlers::process_exit>([=] { return ProcessExitEvent{name, pid, status}; });
    });
    watch(process->pidfd(), [process] { (void)process->wait(std::chrono::nanoseconds(0)); });
}

void RunWatch::look() const {
    std::shared_ptr<GroupWatch> counts;
    {
        const std::lock_guard lock(mutex_);
        counts = counts_;
    }
    if (counts) counts->look();
}

void RunWatch::end() {
    look();
    decltype(pressure_) pressure; // released after the lock
    std::shared_ptr<GroupWatch> counts;
    const std::lock_guard lock(mutex_);
    ended_ = true;
    pressure.swap(pressure_);
    counts.swap(counts_);
    if (stats_) stats_->end();
    if (health_) health_->end();
}

std::shared_ptr<ProcessCore> RunWatch::last_check() const {
    const std::lock_guard lock(mutex_);
    return health_ ? health_->process() : nullptr;
}

void RunWatch::tell(const GroupCounts& before, const GroupCounts& now) const {
    const std::string& name = name_;
    if (now.ooms != before.ooms || now.oom_kills != before.oom_kills) {
        events_->post<&EventHandlers::oom>([name, kills = now.oom_kills - before.oom_kills, all = now.oom_kills] {
            return OomEvent{name, kills, all};
        });
    }
    if (now.memory_high != before.memory_high) {
        events_->post<&EventHandlers::memory_high>([name, count = now.memory_high] { return LimitEvent{name, count}; });
    }
    if (now.pids_limit != before.pids_limit) {
        events_->post<&EventHandlers::pids_limit>([name, count = now.pids_limit] { return LimitEvent{name, count}; });
    }
    if (now.frozen != before.frozen) {
        events_->post<&EventHandlers::frozen>([name, frozen = now.frozen] { return FrozenEvent{name, frozen}; });
        const State to = now.frozen ? State::Paused : State::Running;
        events_->post<&EventHandlers::state>([name, from = now.frozen ? State::Running : State::Paused, to] {
            return StateEvent{name, from, to};
        });
    }
}

} // namespace ct::internal
