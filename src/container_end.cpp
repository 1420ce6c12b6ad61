// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <cerrno>

#include "base/subject.hpp"
#include "base/time_limit.hpp"
#include "cgroup/removal.hpp"
#include "container_core.hpp"
#include "run_watch.hpp"
#include "systemd/scope.hpp"

/// How a run of a container ends: its first process has ended, and what it had on the host is taken down.
namespace ct::internal {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

/// Time for what is left of an ended container to end.
constexpr std::chrono::seconds EndPatience{10};
/// Between two looks at that, for the one who does not wait: from the first to the last of these.
constexpr std::chrono::microseconds FirstPause{50};
constexpr std::chrono::microseconds LastPause{51'200};

} // namespace

/// One that is under way. Whoever takes it out of the container is at work on it, alone.
struct ContainerCore::Ending {
    std::shared_ptr<ExitRecord> record; ///< Null for a container without a first process.
    ExitStatus status = {};
    std::shared_ptr<const Groups> groups; ///< Null once they are gone.
    std::shared_ptr<ProcessCore> check;   ///< Of its health, killed; null if there is none (any more).
    Clock::time_point deadline = {};
    std::chrono::microseconds pause = FirstPause;
    Loop::Id timer = 0;
};

bool ContainerCore::begin_end(const std::function<bool()>& is_due, Ending& ending) {
    std::shared_ptr<RunWatch> watch;
    {
        const std::lock_guard lock(mutex_);
        if (state_ != State::Running || !is_due() || awaits_poststart_hooks()) return false;
        watch = run_watch_;
    }
    if (watch) {
        watch->end(); // tells what happened before
        ending.check = watch->last_check();
    }
    const std::lock_guard lock(mutex_);
    if (state_ != State::Running || !is_due()) return false;
    change_state(State::Stopping);
    ending.deadline = Clock::now() + EndPatience;
    return true;
}

void ContainerCore::finish(const std::shared_ptr<ProcessCore>& init, Removal how) {
    const auto ending = std::make_shared<Ending>();
    if (!begin_end([&] { return init_ == init; }, *ending)) return;
    ending->status = init->wait(nanoseconds(0)).value_or(ExitStatus{});
    ending->record = begin_exit_record(*init, run_times_.pid);
    ending->record->status = ending->status;
    {
        const std::lock_guard lock(mutex_);
        last_exit_ = ending->status;
        ending->groups = std::exchange(groups_, nullptr);
    }
    go_on_ending(ending, how);
}

void ContainerCore::finish_held(const std::shared_ptr<const Joins>& held) {
    const auto ending = std::make_shared<Ending>();
    if (!begin_end([&] { return held_ == held; }, *ending)) return;
    {
        const std::lock_guard lock(mutex_);
        held_.reset();
        ending->groups = std::exchange(groups_, nullptr);
    }
    go_on_ending(ending, Removal::Wait);
    (void)await_hooks(std::nullopt);
}

/// \returns whether nothing is left in the groups, and of the health check
bool ContainerCore::is_left_by_all(Ending& ending, Removal how) {
    const nanoseconds left = std::max<nanoseconds>(ending.deadline - Clock::now(), nanoseconds(0));
    const bool last = how == Removal::Wait || left.count() == 0;
    if (ending.groups) {
        const int error = last ? EBUSY : try_remove_groups(*ending.groups);
        if (error == EBUSY && !last) return false;
        if (error != 0) remove(*ending.groups, left);
        if (is_in_scope(*ending.groups, name_)) stop_scope();
        ending.groups.reset();
    }
    if (ending.check && !ending.check->wait(last ? left : nanoseconds(0)) && !last) return false;
    ending.check.reset();
    return true;
}

void ContainerCore::go_on_ending(const std::shared_ptr<Ending>& ending, Removal how) {
    bool over = false;
    session_->log_errors([&] { over = is_left_by_all(*ending, how); });
    if (!over && how == Removal::Later) {
        if (Clock::now() < ending->deadline && postpone(ending)) return;
        session_->log_errors([&] { (void)is_left_by_all(*ending, Removal::Wait); });
    }
    end_now(*ending);
}

/// \returns false if the loop cannot call again
bool ContainerCore::postpone(const std::shared_ptr<Ending>& ending) {
    const auto events = present_events(); // without them whoever asks for the state goes on with it
    const std::lock_guard lock(mutex_);
    if (events) {
        events->loop()->remove(ending->timer); // of a look before this one
        try {
            ending->timer = events->loop()->add_timer(Clock::now() + ending->pause, [weak = weak_from_this()] {
                if (const auto self = weak.lock()) self->look_at_end(Removal::Later);
            });
        } catch (const std::exception&) {
            return false;
        }
    }
    ending->pause = std::min(2 * ending->pause, LastPause);
    ending_ = ending;
    changed_.notify_all(); // who waits can go on with it
    return true;
}

void ContainerCore::look_at_end(Removal how) {
    std::shared_ptr<Ending> ending;
    {
        const std::lock_guard lock(mutex_);
        ending.swap(ending_);
    }
    if (ending) go_on_ending(ending, how);
}

bool ContainerCore::await_end(const std::shared_ptr<ProcessCore>& init, std::optional<nanoseconds> limit) {
    const TimeLimit time(limit);
    const auto is_over = [&] { return init_ != init || state_ != State::Stopping; };
    for (;;) {
        {
            std::unique_lock lock(mutex_);
            const auto is_due = [&] { return is_over() || ending_ || hook_run_; };
            if (!limit) {
                changed_.wait(lock, is_due);
            } else if (!changed_.wait_for(lock, *time.left(), is_due)) {
                return false;
            }
            if (is_over()) return true;
        }
        look_at_end(limit ? Removal::Later : Removal::Wait);
        if (!await_hooks(time.left())) return false;
        if (!limit) continue;
        std::unique_lock lock(mutex_);
        if (!ending_) continue;
        // What is left in the groups ends in its own time.
        (void)changed_.wait_for(lock, std::min<nanoseconds>(*time.left(), ending_->pause), is_over);
        if (time.passed()) return is_over();
    }
}

void ContainerCore::end_now(Ending& ending) {
    if (const auto events = present_events()) events->loop()->remove(ending.timer);
    take_down_host_side();
    if (ending.record) entered_->sweep(); // whoever was left has been killed
    bool first = registration_ == nullptr;
    if (registration_) {
        session_->log_errors([&] { with_subject(subject(), [&] { first = registration_->ended(ending.status); }); });
    }
    forget_watch(); // of groups that are gone
    begin_poststop_hooks(first, [this, record = std::move(ending.record)] { finish_after_hooks(record); });
}

void ContainerCore::finish_after_hooks(std::shared_ptr<const ExitRecord> record) {
    if (record) write_exit_record(record);
    if (adopted_ && !spec_->network.bridges.empty()) session_->network.sweep();
    const auto self = shared_from_this(); // the session's may be the last reference
    session_->forget(*this);
    become_stopped(record);
}

void ContainerCore::fail_start() noexcept {
    forget_watch();
    take_down_host_side();
    if (registration_) session_->log_errors([&] { registration_->failed(); });
    run_poststop_hooks();
    become_stopped();
}

void ContainerCore::take_down_host_side() {
    take_down_groups();
    HostSide ended; // outlives the lock: unmounting may block
    const std::lock_guard lock(mutex_);
    ended = std::exchange(host_side_, HostSide());
}

void ContainerCore::remove(const Groups& groups, nanoseconds limit) const {
    session_->log_errors([&] { with_subject(subject(), [&] { remove_groups(groups, limit); }); });
}

void ContainerCore::take_down_groups() {
    std::shared_ptr<const Groups> groups;
    {
        const std::lock_guard lock(mutex_);
        groups = std::exchange(groups_, nullptr);
    }
    if (!groups) return;
    remove(*groups, EndPatience);
    if (is_in_scope(*groups, name_)) stop_scope();
}

void ContainerCore::become_stopped(const std::shared_ptr<const ExitRecord>& record) {
    {
        const std::lock_guard lock(mutex_); // who is told of the exit finds it stopped
        if (record && events_) {
            events_->post<&EventHandlers::exit>([record] { return ExitEvent{record->container, *record}; });
        }
        change_state(State::Stopped);
    }
    changed_.notify_all();
    write_records();
}

} // namespace ct::internal
