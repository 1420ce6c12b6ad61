// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <algorithm>
#include <chrono>
#include <ctime>
#include <optional>

namespace ct::internal {

inline timespec to_timespec(std::chrono::nanoseconds span) noexcept {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(span);
    return {seconds.count(), (span - seconds).count()};
}

/// How long something that began with this object may still block: a year at most, by which no clock overflows.
class TimeLimit {
public:
    using Span = std::optional<std::chrono::nanoseconds>;

    explicit TimeLimit(Span limit) noexcept : limit_(limit) {
        if (limit) limit_ = std::clamp<std::chrono::nanoseconds>(*limit, std::chrono::nanoseconds(0), Longest);
    }

    /// Never negative; nothing if there is no limit.
    [[nodiscard]] Span left() const noexcept {
        if (!limit_) return std::nullopt;
        return std::max<std::chrono::nanoseconds>(*limit_ - (Clock::now() - begin_), std::chrono::nanoseconds(0));
    }
    [[nodiscard]] bool passed() const noexcept { return left() == std::chrono::nanoseconds(0); }

private:
    using Clock = std::chrono::steady_clock;

    static constexpr std::chrono::hours Longest{24 * 365};

    Span limit_;
    const Clock::time_point begin_ = Clock::now();
};

} // namespace ct::internal
