// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "base/concat.hpp"
#include "config/validate.hpp"
#include "container_core.hpp"
#include "state/hook_state.hpp"

namespace ct {

/// The part of a container that runs hooks.
namespace internal {

void ContainerCore::add_hook(HookPoint point, HookHandler handler) {
    configure([&](Spec& spec) {
        std::string violation;
        if (!handler) violation = "a hook is an empty function";
        if (point > HookPoint::Poststop) violation = "a hook is for an unknown point";
        if (point == HookPoint::CreateContainer) {
            violation = "a createContainer hook has to be a command: this process is not in the container";
        }
        if (!violation.empty()) throw Error::invalid_config({}, {std::move(violation)});
        auto hooks = own_hooks_ ? std::make_shared<OwnHooks>(*own_hooks_) : std::make_shared<OwnHooks>();
        hooks->push_back({point, spec.hooks.size(), std::move(handler)});
        own_hooks_ = std::move(hooks);
    });
}

void ContainerCore::clear_hooks() {
    std::shared_ptr<const OwnHooks> cleared; // released after the lock
    configure([&](Spec& spec) {
        spec.hooks.clear();
        cleared.swap(own_hooks_);
    });
}

HookSet ContainerCore::hooks() const {
    const std::lock_guard lock(mutex_);
    return {spec_, own_hooks_};
}

std::shared_ptr<HookRun> ContainerCore::hook_run() const {
    const std::lock_guard lock(mutex_);
    return hook_run_;
}

std::shared_ptr<HookRun> ContainerCore::make_hook_run(HookPoint point, pid_t pid, HookRun::Failed failed) {
    const HookSet hooks = this->hooks();
    if (!hooks.any_at(point)) return nullptr;
    State state = State::Starting;
    if (point == HookPoint::Poststart) state = State::Running;
    if (point == HookPoint::Poststop) state = State::Stopping;
    return std::make_shared<HookRun>(HookRun::About{name_, point, state, pid}, hooks, std::move(failed));
}

void ContainerCore::set_own_hook_run(std::shared_ptr<HookRun> run) {
    {
        const std::lock_guard lock(mutex_);
        own_hook_run_.swap(run);
    }
    changed_.notify_all();
}

void ContainerCore::run_hooks(const std::shared_ptr<HookRun>& run) {
    if (!run) return;
    set_own_hook_run(run);
    Rollback forget;
    forget.add([&] { set_own_hook_run(nullptr); });
    (void)run->await(std::nullopt);
}

void ContainerCore::plan_created_hooks(Plan& plan) {
    const HookSet hooks = this->hooks();
    const bool inside = hooks.any_at(HookPoint::CreateContainer);
    if (!inside && !hooks.any_at(HookPoint::CreateRuntime)) return;
    if (inside) plan.hook_state = hook_state_without_pid(name_, HookPoint::CreateContainer, *hooks.spec);
    plan.parent_tasks.push_back(
        {Await::Mounted, [this](const WaitingChild& child) {
             hooks_begun_ = true;
             run_hooks(make_hook_run(HookPoint::CreateRuntime, child.pid, [](const Error& error) { throw error; }));
         }});
}

HookRun::Failed ContainerCore::log_failure() const {
    return [session = session_, subject = subject()](const Error& error) {
        session->log_errors([&] { throw error.with_subject(subject); });
    };
}

std::shared_ptr<HookRun> ContainerCore::begin_poststart_hooks() {
    auto run = make_hook_run(HookPoint::Poststart, run_times_.pid, log_failure());
    if (run) set_own_hook_run(run);
    return run;
}

void ContainerCore::finish_poststart_hooks(const std::shared_ptr<HookRun>& run) {
    if (!run) return;
    run_hooks(run);
    if (present_events()) notice_end(); // nobody could, meanwhile
}

bool ContainerCore::awaits_poststart_hooks() const {
    return own_hook_run_ && !own_hook_run_->is_in_callable();
}

void ContainerCore::run_poststop_hooks() {
    if (!std::exchange(hooks_begun_, false)) return;
    session_->log_errors([&] { run_hooks(make_hook_run(HookPoint::Poststop, -1, log_failure())); });
}

void ContainerCore::begin_poststop_hooks(bool with_commands, std::function<void()> then) {
    std::shared_ptr<HookRun> run;
    session_->log_errors([&] { run = make_hook_run(HookPoint::Poststop, -1, log_failure()); });
    if (!run) {
        then();
        return;
    }
    if (!with_commands) run->leave_out_commands();
    std::shared_ptr<Loop> loop;
    if (const auto events = present_events()) loop = events->loop();
    run->begin(std::move(loop), [this, self = shared_from_this(), then = std::move(then)] {
        {
            const std::lock_guard lock(mutex_);
            hook_run_ = nullptr;
        }
        then();
    });
    {
        const std::lock_guard lock(mutex_);
        hook_run_ = run;
    }
    changed_.notify_all(); // who waits can go on with them
    // Nobody asks for the container of a closed session.
    if (!run->go_on() && session_->closed()) (void)run->await(std::nullopt);
}

bool ContainerCore::await_hooks(std::optional<std::chrono::nanoseconds> limit) {
    const auto run = hook_run();
    return !run || run->await(limit);
}

void ContainerCore::check_not_in_hook(std::string_view action) const {
    std::shared_ptr<HookRun> own, other;
    {
        const std::lock_guard lock(mutex_);
        own = own_hook_run_;
        other = hook_run_;
    }
    if (!(own && own->is_in_callable()) && !(other && other->is_in_callable())) return;
    throw Error(Errc::InvalidState, Stage::Hooks, concat(subject(), ": ", action), {},
                "called by one of its hooks, it would wait for itself");
}

} // namespace internal

Container& Container::add_hook(Hook hook) {
    core_->configure([&](Spec& spec) {
        internal::check_hook(hook);
        spec.hooks.push_back(std::move(hook));
    });
    return *this;
}

Container& Container::add_hook(HookPoint point, HookHandler handler) {
    core_->add_hook(point, std::move(handler));
    return *this;
}

Container& Container::clear_hooks() {
    core_->clear_hooks();
    return *this;
}

Container& Container::set_annotation(std::string key, std::string value) {
    core_->configure([&](Spec& spec) {
        internal::check_annotation(key, value);
        spec.annotations.insert_or_assign(std::move(key), std::move(value));
    });
    return *this;
}

} // namespace ct
