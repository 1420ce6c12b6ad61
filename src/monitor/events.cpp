// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor/events.hpp"

#include <chrono>

#include "base/rollback.hpp"

namespace ct::internal {

PressureWishes Events::set_pressure(const PressureTrigger& trigger, PressureHandler handler) {
    auto next = std::make_shared<PressureWishes>();
    std::shared_ptr<const PressureWishes> before; // released after the lock
    const std::lock_guard lock(mutex_);
    before = handlers_.pressure;
    if (before) *next = *before;
    next->erase(trigger);
    if (handler) next->emplace(trigger, std::make_shared<const PressureHandler>(std::move(handler)));
    handlers_.pressure = std::move(next);
    return before ? *before : PressureWishes();
}

void Events::put_back(PressureWishes wishes) {
    std::shared_ptr<const PressureWishes> next = std::make_shared<PressureWishes>(std::move(wishes));
    const std::lock_guard lock(mutex_);
    handlers_.pressure.swap(next);
}

void Events::post(std::function<void()> tell) {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(tell));
    schedule();
}

void Events::record_with(std::shared_ptr<const EventRecorder> recorder) {
    write_records();
    const std::lock_guard lock(mutex_);
    recorder_.swap(recorder);
}

void Events::record(std::string line) {
    line += '\n';
    const std::lock_guard lock(mutex_);
    lines_ += line;
    schedule();
}

void Events::write_records() noexcept {
    const std::lock_guard writing(writing_);
    std::string lines;
    std::shared_ptr<const EventRecorder> recorder;
    {
        const std::lock_guard lock(mutex_);
        if (lines_.empty()) return;
        lines.swap(lines_);
        recorder = recorder_;
    }
    lines.pop_back();
    if (recorder) recorder->write(lines);
}

void Events::schedule() {
    if (scheduled_ || (queue_.empty() && lines_.empty())) return;
    loop_->add_timer(std::chrono::steady_clock::now(), [self = shared_from_this()] { self->deliver(); });
    scheduled_ = true;
}

void Events::deliver() {
    write_records();
    Rollback again; // also if a handler throws
    again.add([this] {
        const std::lock_guard lock(mutex_);
        scheduled_ = false;
        schedule();
    });
    constexpr int turn = 64; // then others have theirs
    for (int i = 0; i < turn && deliver_one(); ++i) {
    }
}

bool Events::deliver_one() {
    std::function<void()> tell;
    {
        const std::lock_guard lock(mutex_);
        if (queue_.empty()) return false;
        tell = std::move(queue_.front());
        queue_.pop_front();
    }
    tell();
    return true;
}

} // namespace ct::internal
