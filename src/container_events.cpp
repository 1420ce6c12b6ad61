// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <sys/resource.h>

#include "base/subject.hpp"
#include "cgroup/stats.hpp"
#include "container_core.hpp"
#include "exit_file.hpp"
#include "health_watch.hpp"
#include "run_watch.hpp"
#include "stats_watch.hpp"

/// The part of a container that tells what becomes of it.
namespace ct {

Container& Container::on_state(StateHandler handler) {
    core_->on_event<&internal::EventHandlers::state>(std::move(handler));
    return *this;
}

Container& Container::on_start(StartHandler handler) {
    core_->on_event<&internal::EventHandlers::start>(std::move(handler));
    return *this;
}

Container& Container::on_exit(ExitHandler handler) {
    core_->on_event<&internal::EventHandlers::exit>(std::move(handler));
    return *this;
}

Container& Container::on_oom(OomHandler handler) {
    core_->on_event<&internal::EventHandlers::oom>(std::move(handler));
    return *this;
}

Container& Container::on_memory_high(LimitHandler handler) {
    core_->on_event<&internal::EventHandlers::memory_high>(std::move(handler));
    return *this;
}

Container& Container::on_pids_limit(LimitHandler handler) {
    core_->on_event<&internal::EventHandlers::pids_limit>(std::move(handler));
    return *this;
}

Container& Container::on_frozen(FrozenHandler handler) {
    core_->on_event<&internal::EventHandlers::frozen>(std::move(handler));
    return *this;
}

Container& Container::on_process_exit(ProcessExitHandler handler) {
    core_->on_event<&internal::EventHandlers::process_exit>(std::move(handler));
    return *this;
}

Container& Container::on_pressure(const PressureTrigger& trigger, PressureHandler handler) {
    core_->on_pressure(trigger, std::move(handler));
    return *this;
}

Container& Container::on_stats(std::chrono::nanoseconds interval, StatsHandler handler) {
    core_->on_stats(interval, std::move(handler));
    return *this;
}

Container& Container::on_health(HealthCheck check, HealthHandler handler) {
    core_->on_health(std::move(check), std::move(handler));
    return *this;
}

std::optional<ExitRecord> Container::exit_record() const {
    return core_->exit_record();
}

Container& Container::set_exit_file(std::string path) {
    core_->set_exit_file(std::move(path));
    return *this;
}

namespace internal {

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

void ContainerCore::write_records() const noexcept {
    if (const auto events = present_events()) events->write_records();
}

void ContainerCore::prepare_watch(const Spec& spec) {
    const std::shared_ptr<Events> events = present_events();
    if (!events) return;
    auto watch = std::make_shared<RunWatch>(weak_from_this(), name_, events);
    if (!wants_scope(spec)) watch->prepare(groups());
    const std::lock_guard lock(mutex_);
    run_watch_ = std::move(watch);
}

void ContainerCore::watch_run(GroupWatch::From from) {
    const std::shared_ptr<Events> events = present_events();
    if (!events) return;
    std::shared_ptr<ProcessCore> init;
    std::shared_ptr<const Groups> groups;
    std::shared_ptr<Entered> entered;
    std::shared_ptr<RunWatch> watch;
    {
        const std::lock_guard lock(mutex_);
        if (state_ != State::Running) return;
        if (!run_watch_) run_watch_ = std::make_shared<RunWatch>(weak_from_this(), name_, events);
        watch = run_watch_;
        if (!watch->take()) return;
        init = init_;
        groups = groups_;
        entered = entered_;
    }
    try {
        watch->begin(groups, from);
        for (const auto& process : entered->all()) watch->watch_entered(process);
        if (init) watch->watch_first(*init);
    } catch (...) {
        forget_watch();
        throw;
    }
}

void ContainerCore::forget_watch() noexcept {
    std::shared_ptr<RunWatch> watch; // released after the lock
    const std::lock_guard lock(mutex_);
    watch.swap(run_watch_);
}

void ContainerCore::update_watch() {
    if (const auto watch = run_watch()) with_subject(subject(), [&] { watch->update(); });
}

void ContainerCore::on_pressure(const PressureTrigger& trigger, PressureHandler handler) {
    with_subject(subject(), [&] { check_pressure_trigger(trigger); });
    const auto events = this->events();
    watch_run(GroupWatch::From::Now);
    auto before = events->set_pressure(trigger, std::move(handler));
    try {
        update_watch();
    } catch (...) {
        events->put_back(std::move(before));
        throw;
    }
}

void ContainerCore::on_stats(std::chrono::nanoseconds interval, StatsHandler handler) {
    with_subject(subject(), [&] { check_interval(interval, "an interval of statistics"); });
    const auto events = this->events();
    watch_run(GroupWatch::From::Now);
    events->set<&EventHandlers::stats>(StatsWish{interval, std::move(handler)});
    try {
        update_watch();
    } catch (...) {
        events->set<&EventHandlers::stats>(StatsWish{});
        throw;
    }
}

void ContainerCore::on_health(HealthCheck check, HealthHandler handler) {
    if (handler) with_subject(subject(), [&] { check_health_check(check); });
    const auto events = this->events();
    watch_run(GroupWatch::From::Now);
    events->set<&EventHandlers::health>(HealthWish{std::move(check), std::move(handler)});
    update_watch();
}

bool ContainerCore::try_read_stats(const Groups& groups, Stats& stats) const noexcept {
    bool done = false;
    session_->log_errors([&] {
        stats = with_subject(subject(), [&] { return read_stats(groups); });
        done = true;
    });
    return done;
}

void ContainerCore::set_exit_file(std::string path) {
    if (!path.empty()) with_subject(subject(), [&] { check_exit_file(path); });
    const std::lock_guard lock(mutex_);
    exit_file_ = std::move(path);
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
    finish(init, Removal::Later);
}

void ContainerCore::tell_start() const {
    if (!events_) return;
    events_->post<&EventHandlers::start>([name = name_, pid = run_times_.pid, times = run_times_.start] {
        return StartEvent{name, pid, times};
    });
}

std::shared_ptr<ExitRecord> ContainerCore::begin_exit_record(const ProcessCore& init, pid_t pid) {
    auto record = std::make_shared<ExitRecord>();
    record->container = name_;
    record->pid = pid;
    record->started = run_times_.wall;
    record->ended = std::chrono::system_clock::now();
    record->monotonic_start = run_times_.begin;
    record->monotonic_end = std::chrono::steady_clock::now();
    record->ran = record->monotonic_end - record->monotonic_start;
    record->start = run_times_.start;
    if (const auto output = this->output()) record->log = output->stats();
    if (const auto usage = init.usage()) add_usage(*record, *usage);
    const auto groups = this->groups();
    // Reading what the groups have counted takes longer than all the rest.
    if (!groups || !is_exit_told()) return record;
    session_->log_errors([&] { with_subject(subject(), [&] { add_stats(*record, read_usage(*groups)); }); });
    return record;
}

bool ContainerCore::is_exit_told() const {
    const std::lock_guard lock(mutex_);
    return !exit_file_.empty() || (events_ && (events_->has<&EventHandlers::exit>() || events_->records()));
}

void ContainerCore::write_exit_record(const std::shared_ptr<const ExitRecord>& record) {
    std::string file;
    {
        const std::lock_guard lock(mutex_);
        exit_record_ = record;
        file = exit_file_;
    }
    if (file.empty()) return;
    session_->log_errors([&] { with_subject(subject(), [&] { write_exit_file(file, to_json(*record) + '\n'); }); });
}

std::optional<ExitRecord> ContainerCore::exit_record() const {
    const std::lock_guard lock(mutex_);
    return exit_record_ ? std::optional(*exit_record_) : std::nullopt;
}

} // namespace internal

} // namespace ct
