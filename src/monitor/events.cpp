// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor/events.hpp"

#include <chrono>

#include "base/rollback.hpp"

namespace ct::internal {

void Events::post(std::function<void()> tell) {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(tell));
    schedule();
}

void Events::schedule() {
    if (scheduled_ || queue_.empty()) return;
    loop_->add_timer(std::chrono::steady_clock::now(), [self = shared_from_this()] { self->deliver(); });
    scheduled_ = true;
}

void Events::deliver() {
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
