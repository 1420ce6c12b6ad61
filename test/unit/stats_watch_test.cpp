// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "stats_watch.hpp"

#include <gtest/gtest.h>

#include <ct/error.hpp>

namespace ct::internal {
namespace {

using namespace std::chrono_literals;

TEST(StatsWatch, TicksDoNotDriftAndAreNotMadeUpFor) {
    const Loop::TimePoint first(100ms);
    EXPECT_EQ(next_tick(first, 10ms, Loop::TimePoint(99ms)), first);
    EXPECT_EQ(next_tick(first, 10ms, first), Loop::TimePoint(110ms));
    EXPECT_EQ(next_tick(first, 10ms, Loop::TimePoint(109ms)), Loop::TimePoint(110ms));
    EXPECT_EQ(next_tick(first, 10ms, Loop::TimePoint(110ms)), Loop::TimePoint(120ms));
    EXPECT_EQ(next_tick(first, 10ms, Loop::TimePoint(1234ms)), Loop::TimePoint(1240ms));
}

TEST(StatsWatch, IntervalsAreOneMillisecondToADay) {
    EXPECT_NO_THROW(check_interval(1ms, "an interval"));
    EXPECT_NO_THROW(check_interval(24h, "an interval"));
    for (const auto interval : {0ns, 999'999ns, std::chrono::nanoseconds(24h) + 1ns, -1ns}) {
        EXPECT_THROW(check_interval(interval, "an interval"), Error);
    }
}

} // namespace
} // namespace ct::internal
