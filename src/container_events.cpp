// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <sys/resource.h>

#include "base/subject.hpp"
#include "cgroup/stats.hpp"
#include "container_core.hpp"
#include "run_watch.hpp"

/// The part of a container that tells what becomes of it.
namespace ct::internal {

namespace {

using std::chrono::nanoseconds;

nanoseconds duration(const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

/// What the kernel says of the first process and those that it has waited for.
void add_usage(ExitRecord& record, const rusage& usage) {
    constexpr std::uint64_t sector = 512;
    record.cpu_user = duration(usage.ru_utime);
    record.cpu_system = duration(usage.ru_stime);
    record.peak_memory = static_cast<std::uint64_t>(usage.ru_maxrss) * KiB;
    record.major_faults = static_cast<std::uint64_t>(usage.ru_majflt);
    record.read = Bytes{static_cast<std::uint64_t>(usage.ru_inblock) * sector};
    record.written = Bytes{static_cast<std::uint64_t>(usage.ru_oublock) * sector};
}

template <typename T>
void prefer(std::optional<T>& value, const std::optional<T>& better) {
    if (better) value = better;
}

void add_stats(ExitRecord& record, const Stats& stats) {
    prefer(record.cpu_user, stats.cpu.user);
    prefer(record.cpu_system, stats.cpu.system);
    record.throttled = stats.cpu.throttled_time;
    prefer(record.peak_memory, stats.memory.peak);
    prefer(record.major_faults, stats.memory.major_page_faults);
    record.oom_kills = stats.memory.events.oom_kill;
    if (!stats.io) return;
    Bytes read, written;
    for (const IoStats& device : *stats.io) {
        read.count += device.read.value_or(Bytes{}).count;
        written.count += device.written.value_or(Bytes{}).count;
    }
    record.read = read;
    record.written = written;
}

} // namespace

std::shared_ptr<Events> ContainerCore::present_events() const {
    const std::lock_guard lock(mutex_);
    return events_;
}

std::shared_ptr<Events> ContainerCore::events() {
    if (auto present = present_events()) return present;
    auto loop = session_->loop(); // takes the session's lock
    const std::lock_guard lock(mutex_);
    if (!events_) events_ = std::make_shared<Events>(std::move(loop));
    return events_;
}

void ContainerCore::record_events() {
    if (auto recorder = session_->recorder()) events()->record_with(std::move(recorder));
}

void ContainerCore::stop_recording() const {
    if (const auto events = present_events()) events->record_with(nullptr);
}

void ContainerCore::watch_run(GroupWatch::From from) {
    const std::shared_ptr<Events> events = present_events();
    if (!events) return;
    std::shared_ptr<ProcessCore> init;
    std::shared_ptr<const Groups> groups;
    std::shared_ptr<Entered> entered;
    auto watch = std::make_shared<RunWatch>(weak_from_this(), name_, events);
    {
        const std::lock_guard lock(mutex_);
        if (run_watch_ || state_ != State::Running) return;
        run_watch_ = watch;
        init = init_;
        groups = groups_;
        entered = entered_;
    }
    try {
        watch->watch_groups(groups, from);
        for (const auto& process : entered->all()) watch->watch_entered(process);
        if (init) watch->watch_first(*init);
    } catch (...) {
        const std::lock_guard lock(mutex_);
        run_watch_ = nullptr;
        throw;
    }
}

std::shared_ptr<RunWatch> ContainerCore::run_watch() const {
    const std::lock_guard lock(mutex_);
    return run_watch_;
}

void ContainerCore::notice_end() {
    std::shared_ptr<ProcessCore> init;
    std::shared_ptr<Output> output;
    {
        const std::lock_guard lock(mutex_);
        if (state_ != State::Running || !init_) return;
        init = init_;
        output = output_;
    }
    if (!init->wait(nanoseconds(0))) return;
    if (output) {
        // Registered before it can happen; finish() takes no notice of a second call.
        output->when_done([weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->notice_end();
        });
        if (!output->end(Output::Call::Handlers)) return;
    }
    finish(init);
}

void ContainerCore::tell_state(State from, State to) const {
    const auto events = present_events();
    if (!events) return;
    events->post<&EventHandlers::state>([name = name_, from, to] { return StateEvent{name, from, to}; });
}

void ContainerCore::tell_start(pid_t pid) const {
    const auto events = present_events();
    if (!events) return;
    events->post<&EventHandlers::start>([name = name_, pid, times = run_times_.start] {
        return StartEvent{name, pid, times};
    });
}

std::shared_ptr<ExitRecord> ContainerCore::begin_exit_record(const ProcessCore& init, pid_t pid) {
    auto record = std::make_shared<ExitRecord>();
    record->container = name_;
    record->pid = pid;
    record->started = run_times_.wall;
    record->ended = std::chrono::system_clock::now();
    record->ran = std::chrono::steady_clock::now() - run_times_.begin;
    record->start = run_times_.start;
    if (const auto usage = init.usage()) add_usage(*record, *usage);
    const auto events = present_events();
    const auto groups = this->groups();
    // Reading what the groups have counted takes longer than all the rest.
    if (!groups || !events || (!events->get<&EventHandlers::exit>() && !events->recorder())) return record;
    session_->log_errors([&] { with_subject(subject(), [&] { add_stats(*record, read_stats(*groups)); }); });
    return record;
}

void ContainerCore::tell_exit(std::shared_ptr<const ExitRecord> record) {
    std::shared_ptr<RunWatch> watch;
    {
        const std::lock_guard lock(mutex_);
        exit_record_ = record;
        watch.swap(run_watch_);
    }
    const auto events = present_events();
    if (!events) return;
    events->post<&EventHandlers::exit>([record = std::move(record)] { return ExitEvent{record->container, *record}; });
}

std::optional<ExitRecord> ContainerCore::exit_record() const {
    const std::lock_guard lock(mutex_);
    return exit_record_ ? std::optional(*exit_record_) : std::nullopt;
}

} // namespace ct::internal
