// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>

#include "base/concat.hpp"
#include "base/subject.hpp"
#include "base/time_limit.hpp"
#include "config/log.hpp"
#include "container_core.hpp"

/// The part of a container that concerns its output.
namespace ct::internal {

void ContainerCore::set_log(std::optional<Log> log) {
    if (log) with_subject(subject(), [&] { check_log(*log); });
    (void)life();
    std::vector<std::shared_ptr<LogSink>> forgotten; // released after the lock
    const std::lock_guard lock(mutex_);
    if (state_ != State::Stopped) throw wrong_state("change the log", "stopped", state_);
    if (!log) forgotten.swap(sinks_);
    log_ = std::move(log);
}

std::optional<Log> ContainerCore::log() const {
    const std::lock_guard lock(mutex_);
    return log_;
}

void ContainerCore::add_sink(std::shared_ptr<LogSink> sink) {
    if (!sink) throw Error::invalid_config(subject(), {"the log sink is null"});
    (void)life();
    const std::lock_guard lock(mutex_);
    if (state_ != State::Stopped) throw wrong_state("add a log sink", "stopped", state_);
    sinks_.push_back(std::move(sink));
}

std::shared_ptr<OutputHandlers> ContainerCore::handlers() {
    const std::lock_guard lock(mutex_);
    if (!handlers_) handlers_ = std::make_shared<OutputHandlers>();
    return handlers_;
}

bool ContainerCore::is_logged() const {
    const std::lock_guard lock(mutex_);
    return attachable_ || log_ || !sinks_.empty() || (handlers_ && handlers_->any());
}

std::vector<LogTarget> ContainerCore::log_targets() const {
    const std::lock_guard lock(mutex_);
    return log_ ? log_->targets : std::vector<LogTarget>();
}

std::shared_ptr<Output> ContainerCore::output() const {
    const std::lock_guard lock(mutex_);
    return output_;
}

std::shared_ptr<Output> ContainerCore::open_output() const {
    if (!is_logged()) return nullptr;
    Log log;
    std::vector<std::shared_ptr<LogSink>> sinks;
    std::shared_ptr<const OutputHandlers> handlers;
    std::optional<AttachedOutput> attached;
    {
        const std::lock_guard lock(mutex_);
        if (log_) log = *log_;
        sinks = sinks_;
        handlers = handlers_;
        if (attachable_) attached = {attach_point_, *attachable_};
    }
    if (!handlers) handlers = std::make_shared<const OutputHandlers>();
    return std::make_shared<Output>(name_, log, std::move(sinks), std::move(handlers), session_->scratches,
                                    std::move(attached));
}

void ContainerCore::reopen_log() {
    if (const auto output = this->output()) with_subject(subject(), [&] { output->reopen(); });
}

LogStats ContainerCore::log_stats() const {
    const auto output = this->output();
    return output ? output->stats() : LogStats{};
}

void ContainerCore::check_not_in_handler(std::string_view action) const {
    const auto output = this->output();
    if (!output || !output->is_moved_here()) return;
    throw Error(Errc::InvalidState, Stage::Wait, concat(subject(), ": ", action), {},
                "this is a handler of its output, which has to return first");
}

bool ContainerCore::deliver_output(const std::shared_ptr<Output>& output,
                                   std::optional<std::chrono::nanoseconds> limit) {
    if (!output) return true;
    const TimeLimit time(limit);
    while (!output->end(Output::Call::Handlers)) {
        if (time.passed()) return false;
        (void)wait_until_ended(-1, time.left(), output.get());
    }
    return true;
}

} // namespace ct::internal
