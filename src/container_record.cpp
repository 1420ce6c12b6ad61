// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>

#include "base/concat.hpp"
#include "cgroup/freezer.hpp"
#include "container_core.hpp"
#include "state/cleanup.hpp"
#include "state/spec_json.hpp"

/// The part of a container that concerns its record and its life beyond this session.
namespace ct::internal {

namespace {

using TimePoint = std::chrono::system_clock::time_point;

std::optional<TimePoint> time_point(std::optional<std::chrono::seconds> since_epoch) {
    if (!since_epoch) return std::nullopt;
    return TimePoint(*since_epoch);
}

State state_of(Standing standing, Phase phase) {
    switch (standing) {
    case Standing::Reserved:
    case Standing::Saved:
    case Standing::Ended:
    case Standing::Abandoned: return State::Stopped;
    case Standing::Starting:
    case Standing::HalfStarted: return State::Starting;
    case Standing::Running: return State::Running;
    case Standing::Ending: return State::Stopping;
    case Standing::Elsewhere: break;
    }
    return phase == Phase::Idle ? State::Stopped : phase == Phase::Starting ? State::Starting : State::Running;
}

bool has_hooks(const HookTable& hooks) {
    return std::any_of(hooks.begin(), hooks.end(),
                       [](const auto& entry) { return !entry.second.before.empty() || !entry.second.after.empty(); });
}

ContainerInfo recorded(const Record& record) {
    ContainerInfo info;
    info.name = record.name;
    info.saved = record.saved;
    info.on_close = record.on_close;
    info.command = record.command;
    info.log = record.log;
    info.attach_socket = record.attach_socket;
    info.created = time_point(record.created);
    info.started = time_point(record.started);
    info.last_exit = record.last_exit;
    return info;
}

} // namespace

ContainerInfo describe(const Record& record, const Viewpoint& viewpoint) {
    const Assessment found = assess(record, viewpoint);
    const bool here = found.standing != Standing::Elsewhere;
    ContainerInfo info = recorded(record);
    info.state = state_of(found.standing, record.phase);
    if (info.state == State::Running && here && is_frozen(record.groups)) info.state = State::Paused;
    info.pid = found.init && here ? record.init.pid : -1;
    info.owner = found.owner && here ? record.owner.pid : -1;
    return info;
}

ContainerInfo ContainerCore::info() {
    const State now = state();
    ContainerInfo info = registration_ ? recorded(registration_->last_known()) : ContainerInfo{};
    const std::lock_guard lock(mutex_);
    info.name = name_;
    info.state = now;
    const bool alive = init_ && now != State::Stopped && now != State::Starting;
    info.pid = alive ? init_->pid() : -1;
    info.own = !adopted_;
    if (last_exit_) info.last_exit = last_exit_;
    if (!registration_) {
        info.on_close = session_->on_close();
        info.owner = adopted_ ? -1 : ::getpid();
        return info;
    }
    const Record record = registration_->last_known();
    info.owner = owner_alive(record, session_->store->viewpoint()) ? record.owner.pid : -1;
    return info;
}

void ContainerCore::reserve() {
    if (!registration_) return;
    with_subject(concat(subject(), ": create"), [&] { registration_->reserve(spec_, session_->on_close()); });
}

void ContainerCore::follow(StoredRecord stored) {
    const Assessment found = assess(stored.record, session_->store->viewpoint());
    if (stored.record.held && found.standing == Standing::Running) {
        throw Error(Errc::InvalidState, Stage::State, concat(subject(), ": open"), {},
                    concat("it is held by process ", stored.record.owner.pid, ", without a process to enter"));
    }
    const Record record = stored.record;
    registration_->follow(std::move(stored));
    {
        const std::lock_guard lock(mutex_);
        if (state_ != State::Stopped) return;
        spec_ = record.spec;
        process_ = record.process;
        hooks_ = std::make_shared<const HookTable>();
        last_exit_ = record.last_exit;
        init_.reset();
    }
    if (found.standing != Standing::Running) return;
    UniqueFd pidfd = open_if_alive(record.init);
    if (!pidfd) return;
    try {
        attach(record.init.pid, std::move(pidfd), *record.spec, concat(subject(), ": open process ", record.init.pid));
        if (!record.groups.empty()) {
            auto groups = std::make_shared<const Groups>(
                open_groups(session_->group_parents().hierarchies(), record.groups, record.group_mark));
            const std::lock_guard lock(mutex_);
            groups_ = std::move(groups);
        }
        watch_run(GroupWatch::From::Now);
    } catch (const Error& error) {
        if (error.code() != std::errc::no_such_process) throw; // it has just ended
    }
}

void ContainerCore::read_news() {
    {
        const std::lock_guard lock(mutex_);
        if (state_ != State::Stopped || removed_) return;
    }
    auto news = registration_->news();
    if (std::holds_alternative<Registration::Removed>(news)) {
        {
            const std::lock_guard lock(mutex_);
            if (state_ != State::Stopped) return;
            removed_ = true;
        }
        session_->drop(*this);
    } else if (auto* const stored = std::get_if<StoredRecord>(&news); stored != nullptr && !stored->record.held) {
        // Held by somebody else it is none that could be followed: a start finds the record taken.
        follow(std::move(*stored));
    }
}

void ContainerCore::set_process(ProcessSpec process) {
    (void)life();
    auto replacement = std::make_shared<const ProcessSpec>(std::move(process));
    std::unique_lock lock(mutex_);
    check_stopped(lock, "change the process");
    process_ = std::move(replacement);
}

std::shared_ptr<const ProcessSpec> ContainerCore::process() {
    (void)life();
    const std::lock_guard lock(mutex_);
    return process_;
}

void ContainerCore::save() {
    if (!registration_) {
        throw Error(Errc::InvalidState, Stage::State, concat(subject(), ": save"), {},
                    "its session has no state directory");
    }
    const State now = life();
    std::shared_ptr<const Spec> spec;
    std::shared_ptr<const ProcessSpec> process;
    std::shared_ptr<const HookTable> hooks;
    {
        const std::lock_guard lock(mutex_);
        if (removed_) throw Error(Errc::InvalidState, Stage::State, concat(subject(), ": save"), {}, "it was removed");
        if (now == State::Starting || now == State::Stopping) throw wrong_state("save", "stopped or running", now);
        spec = spec_;
        process = process_;
        hooks = hooks_;
    }
    if (has_hooks(*hooks)) {
        throw Error(Errc::InvalidConfig, Stage::Configure, concat(subject(), ": save"), {},
                    "the hooks of its mounts cannot be saved");
    }
    with_subject(subject(), [&] {
        check_savable(*spec, process.get());
        registration_->save(spec, process);
    });
}

void ContainerCore::remove(Remove how) {
    if (life() == State::Running && how == Remove::Force) {
        (void)stop(std::chrono::nanoseconds(0), SIGKILL);
    }
    (void)life();
    bool removed = false;
    {
        std::unique_lock lock(mutex_);
        check_stopped(lock, "remove");
        removed = removed_;
    }
    if (registration_ && !removed) with_subject(subject(), [&] { registration_->remove(); });
    {
        const std::lock_guard lock(mutex_);
        removed_ = true;
    }
    session_->drop(*this);
}

void ContainerCore::detach() {
    if (!running_init("detach")) {
        throw Error(Errc::InvalidState, Stage::State, concat(subject(), ": detach"), {},
                    "it is held by this process; pin() keeps its namespaces without it");
    }
    if (output()) {
        throw Error(Errc::InvalidState, Stage::State, concat(subject(), ": detach"), {},
                    "its output is logged by this process");
    }
    if (registration_) with_subject(subject(), [&] { registration_->detach(); });
    std::shared_ptr<ProcessCore> init;
    std::shared_ptr<BridgeUse> bridges;
    bool child = false;
    {
        const std::lock_guard lock(mutex_);
        child = !adopted_;
        adopted_ = true;
        adopter_ = false;
        host_side_.detach();
        init = init_;
        bridges = host_side_.bridges();
    }
    stop_recording();
    if (bridges) bridges->leave();
    // A child of ours has to be reaped all the same.
    if (child) session_->leftovers.add(init);
    // It may be the last reference.
    const auto self = shared_from_this();
    session_->forget(*this);
}

void ContainerCore::check_running_record(const std::shared_ptr<ProcessCore>& init) {
    try {
        registration_->running();
    } catch (...) {
        give_up(init);
        throw;
    }
}

} // namespace ct::internal
