// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "run_watch.hpp"

#include <sys/epoll.h>

#include <atomic>
#include <utility>

#include "container_core.hpp"

namespace ct::internal {

RunWatch::~RunWatch() {
    for (const Loop::Id id : ids_) events_->loop()->remove(id);
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

void RunWatch::watch_groups(std::shared_ptr<const Groups> groups, GroupWatch::From from) {
    if (!groups || groups_) return;
    auto watch =
        std::make_shared<GroupWatch>(events_->loop(), std::move(groups),
                                     [weak = weak_from_this()](const GroupCounts& before, const GroupCounts& now) {
                                         if (const auto self = weak.lock()) self->tell(before, now);
                                     });
    watch->start(from);
    groups_ = std::move(watch);
}

void RunWatch::look() const {
    if (groups_) groups_->look();
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
