// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "health_watch.hpp"

#include <sys/epoll.h>

#include <csignal>
#include <utility>

#include "base/concat.hpp"
#include "container_core.hpp"
#include "stats_watch.hpp"

namespace ct {

std::string_view to_string(Health health) noexcept {
    switch (health) {
    case Health::Starting: return "starting";
    case Health::Healthy: return "healthy";
    case Health::Unhealthy: return "unhealthy";
    }
    return "unknown";
}

namespace internal {

namespace {

using Clock = std::chrono::steady_clock;

std::string in_milliseconds(std::chrono::nanoseconds time) {
    return concat(std::chrono::duration_cast<std::chrono::milliseconds>(time).count(), " ms");
}

} // namespace

HealthWatch::HealthWatch(std::weak_ptr<ContainerCore> container, std::string name, std::shared_ptr<Events> events,
                         std::shared_ptr<const HealthWish> wish)
    : container_(std::move(container)), name_(std::move(name)), events_(std::move(events)), wish_(std::move(wish)) {}

void HealthWatch::start() {
    const std::lock_guard lock(mutex_);
    started_ = Clock::now();
    become(Health::Starting);
    arm();
}

void HealthWatch::end() noexcept {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    events_->loop()->remove(timer_);
    events_->loop()->remove(watch_);
    if (!process_) return;
    try {
        (void)process_->signal(SIGKILL);
    } catch (const Error&) {
        // It has become somebody whom this process may not kill; the container's groups end it.
    }
}

std::shared_ptr<ProcessCore> HealthWatch::process() const {
    const std::lock_guard lock(mutex_);
    return process_;
}

void HealthWatch::arm() {
    timer_ = events_->loop()->add_timer(Clock::now() + wish_->check.interval, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->check();
    });
}

void HealthWatch::check() {
    const auto container = container_.lock();
    if (!container) return;
    const bool paused = container->is_paused();
    {
        const std::lock_guard lock(mutex_);
        if (ended_) return;
        if (paused) return arm();
    }
    if (const auto* callable = std::get_if<std::function<bool()>>(&wish_->check.check)) {
        call(*callable);
    } else {
        launch(*container, std::get<ProcessSpec>(wish_->check.check));
    }
}

void HealthWatch::call(const std::function<bool()>& callable) {
    Result result{{}, "it threw"};
    std::exception_ptr thrown;
    try {
        result.reason = callable() ? "" : "it returned false";
    } catch (...) {
        thrown = std::current_exception();
    }
    {
        const std::lock_guard lock(mutex_);
        if (!ended_) {
            conclude(std::move(result));
            arm();
        }
    }
    if (thrown) std::rethrow_exception(thrown);
}

void HealthWatch::launch(ContainerCore& container, const ProcessSpec& spec) {
    try {
        follow(container.enter(spec, nullptr, ContainerCore::Tell::Nobody));
    } catch (const Error& error) {
        const std::lock_guard lock(mutex_);
        if (ended_) return;
        // It has ended, or is paused, since one looked: no fault of the check.
        if (error.code() != Errc::InvalidState) conclude({{}, error.what()});
        arm();
    } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!ended_) arm();
        throw;
    }
}

void HealthWatch::follow(std::shared_ptr<ProcessCore> process) {
    const std::lock_guard lock(mutex_);
    process_ = std::move(process);
    timed_out_ = false;
    try {
        if (ended_) {
            (void)process_->signal(SIGKILL);
            return;
        }
        watch_ = events_->loop()->add(process_->pidfd(), EPOLLIN, [weak = weak_from_this()](std::uint32_t) {
            if (const auto self = weak.lock()) self->process_ended();
        });
        timer_ = events_->loop()->add_timer(Clock::now() + wish_->check.timeout, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->timed_out();
        });
    } catch (...) {
        events_->loop()->remove(std::exchange(watch_, 0));
        (void)process_->signal(SIGKILL); // the container reaps it
        process_.reset();
        throw;
    }
}

void HealthWatch::timed_out() {
    const auto container = container_.lock();
    const bool paused = container && container->is_paused();
    const std::lock_guard lock(mutex_);
    if (ended_ || !process_) return;
    timed_out_ = true;
    (void)process_->signal(SIGKILL);
    if (!paused) conclude({{}, concat("did not end within ", in_milliseconds(wish_->check.timeout))});
}

void HealthWatch::process_ended() {
    const std::lock_guard lock(mutex_);
    if (ended_ || !process_) return;
    const auto status = process_->wait(std::chrono::nanoseconds(0));
    if (!status) return;
    events_->loop()->remove(std::exchange(watch_, 0));
    events_->loop()->remove(timer_);
    process_.reset();
    if (!timed_out_) conclude({*status, status->success() ? "" : status->describe()});
    arm();
}

void HealthWatch::conclude(Result result) {
    last_ = std::move(result);
    if (last_.reason.empty()) {
        failures_ = 0;
        if (health_ != Health::Healthy) become(Health::Healthy);
        return;
    }
    if (health_ == Health::Starting && Clock::now() < started_ + wish_->check.start_period) return;
    ++failures_;
    if (failures_ >= wish_->check.retries && health_ != Health::Unhealthy) become(Health::Unhealthy);
}

void HealthWatch::become(Health health) {
    health_ = health;
    events_->post([events = events_.get(), wish = wish_, name = name_, health, failures = failures_, last = last_] {
        if (events->get<&EventHandlers::health>() != wish) return;
        wish->handler(HealthEvent{name, health, failures, last.status, last.reason});
    });
}

void check_health_check(const HealthCheck& check) {
    check_interval(check.interval, "the interval of health checks");
    check_interval(check.timeout, "the time limit of health checks");
    std::vector<std::string> found;
    if (check.retries == 0) found.emplace_back("a health check with no retries");
    if (const auto* callable = std::get_if<std::function<bool()>>(&check.check)) {
        if (!*callable) found.emplace_back("the callable of the health check is empty");
    } else {
        const auto& spec = std::get<ProcessSpec>(check.check);
        const StandardStreams& stdio = spec.stdio;
        if (spec.argv.empty()) found.emplace_back("the health check has no program");
        if (stdio.in == Stdio::Pipe || stdio.out == Stdio::Pipe || stdio.err == Stdio::Pipe || spec.terminal) {
            found.emplace_back("a health check with a pipe or a terminal: nobody would read it");
        }
    }
    if (!found.empty()) throw Error::invalid_config("check the health", std::move(found));
}

} // namespace internal

} // namespace ct
