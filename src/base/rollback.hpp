// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <functional>
#include <utility>
#include <vector>

namespace ct::internal {

/// Undo actions, run last-in first-out when it is destroyed unless they were dismissed. The actions must not throw:
/// what cannot be undone is logged by the action itself and never replaces the error that is under way.
class Rollback {
public:
    Rollback() = default;
    Rollback(Rollback&& other) noexcept : actions_(std::exchange(other.actions_, {})) {}
    Rollback& operator=(Rollback&& other) noexcept {
        if (this != &other) {
            run();
            actions_ = std::exchange(other.actions_, {});
        }
        return *this;
    }
    Rollback(const Rollback&) = delete;
    Rollback& operator=(const Rollback&) = delete;
    ~Rollback() { run(); }

    void add(std::function<void()> undo) { actions_.push_back(std::move(undo)); }

    void run() noexcept {
        while (!actions_.empty()) {
            const auto undo = std::move(actions_.back());
            actions_.pop_back();
            undo();
        }
    }

    void dismiss() noexcept { actions_.clear(); }

private:
    std::vector<std::function<void()>> actions_;
};

} // namespace ct::internal
