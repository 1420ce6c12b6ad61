// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "attach/point.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace ct::internal {

std::shared_ptr<const AttachPoint::Taps> AttachPoint::taps() const {
    const std::lock_guard lock(mutex_);
    return taps_;
}

template <typename Body>
void AttachPoint::tell(const Taps& taps, Call call, const Body& body) {
    std::exception_ptr thrown;
    for (const auto& tap : taps) {
        if (call == Call::NoHandlers && tap->is_handler()) continue;
        try {
            body(*tap);
        } catch (...) {
            if (!thrown) thrown = std::current_exception();
        }
    }
    if (thrown) std::rethrow_exception(thrown);
}

void AttachPoint::begin_output(std::size_t history, std::function<void()> resume) {
    const std::lock_guard lock(mutex_);
    history_.reset(history);
    resume_ = std::move(resume);
}

void AttachPoint::begin_input(std::shared_ptr<Input> input) {
    bool ends = false;
    {
        const std::lock_guard lock(mutex_);
        input_ = input;
        takes_input_ = true;
        ends = std::exchange(input_ends_, false);
    }
    tell(*taps(), Call::NoHandlers, [](AttachTap& tap) { tap.room(); });
    if (ends && input) input->end();
}

void AttachPoint::abandon() noexcept {
    std::function<void()> released;
    const std::lock_guard lock(mutex_);
    history_.reset(0);
    released.swap(resume_);
}

void AttachPoint::output(const OutputChunk& chunk, Call call) {
    std::shared_ptr<const Taps> taps = this->taps();
    for (const auto& tap : *taps) tap->before_output();
    {
        // Who comes at that time gets it either as history, or as output.
        const std::lock_guard lock(mutex_);
        history_.append(chunk.stream, chunk.bytes);
        taps = taps_;
    }
    SharedChunk shared(chunk);
    tell(*taps, call, [&](AttachTap& tap) { tap.output(shared); });
}

void AttachPoint::catch_up(Call call) {
    tell(*taps(), call, [](AttachTap& tap) { tap.catch_up(); });
}

void AttachPoint::end(Call call) {
    auto taps = std::make_shared<const Taps>();
    std::shared_ptr<Input> input;
    std::function<void()> resume;
    {
        const std::lock_guard lock(mutex_);
        taps.swap(taps_);
        input.swap(input_);
        resume.swap(resume_);
        takes_input_ = false;
        input_ends_ = false;
    }
    if (input) input->close();
    tell(*taps, Call::Handlers, [&](AttachTap& tap) { tap.end(call == Call::Handlers); });
    const std::lock_guard lock(mutex_);
    history_.reset(0); // who was accepted at the last moment has got it
}

void AttachPoint::add(const std::shared_ptr<AttachTap>& tap, std::size_t history) {
    const std::lock_guard lock(mutex_);
    auto changed = std::make_shared<Taps>(*taps_);
    changed->push_back(tap);
    tap->begin(history_.last(history));
    taps_ = std::move(changed);
}

void AttachPoint::remove(const AttachTap& tap) noexcept {
    std::shared_ptr<const Taps> before; // released after the lock
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(*taps_, &tap, [](const auto& each) { return each.get(); });
    if (found == taps_->end()) return;
    auto changed = std::make_shared<Taps>(*taps_);
    changed->erase(changed->begin() + (found - taps_->begin()));
    before = std::exchange(taps_, std::move(changed));
}

bool AttachPoint::has_handlers() const {
    return std::ranges::any_of(*taps(), [](const auto& tap) { return tap->is_handler(); });
}

std::shared_ptr<Input> AttachPoint::input() const {
    const std::lock_guard lock(mutex_);
    return input_;
}

std::size_t AttachPoint::write(std::string_view bytes, const std::shared_ptr<Input::Waiter>& waiter) {
    std::shared_ptr<Input> input;
    {
        const std::lock_guard lock(mutex_);
        if (!takes_input_) return 0; // begin_input() tells when
        input = input_;
    }
    if (!input) return bytes.size();
    const auto taken = input->write(bytes);
    if (!taken) return bytes.size(); // nobody reads it
    if (*taken < bytes.size()) input->await_room(waiter);
    return *taken;
}

void AttachPoint::end_input() {
    std::shared_ptr<Input> input;
    {
        const std::lock_guard lock(mutex_);
        input_ends_ = !takes_input_;
        input = input_;
    }
    if (input) input->end();
    if (input_ended_) input_ended_();
}

void AttachPoint::unblock() {
    if (--blocking_ > 0) return;
    std::function<void()> resume;
    {
        const std::lock_guard lock(mutex_);
        resume = resume_;
    }
    if (resume) resume();
}

} // namespace ct::internal
