// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/memory_guard.hpp"

#include <sys/prctl.h>

#include <optional>

#include <gtest/gtest.h>

namespace ct::internal {
namespace {

struct MemoryGuardTest : ::testing::Test {
    const int before = ::prctl(PR_GET_DUMPABLE);

    void SetUp() override { ASSERT_EQ(::prctl(PR_SET_DUMPABLE, 1), 0); }
    void TearDown() override { (void)::prctl(PR_SET_DUMPABLE, before); }
    static bool hidden() { return ::prctl(PR_GET_DUMPABLE) == 0; }
};

TEST_F(MemoryGuardTest, HidesForItsTime) {
    {
        const MemoryGuard guard;
        EXPECT_TRUE(hidden());
    }
    EXPECT_FALSE(hidden());
}

TEST_F(MemoryGuardTest, LastOneRestores) {
    std::optional<MemoryGuard> first(std::in_place);
    std::optional<MemoryGuard> second(std::in_place);
    first.reset();
    EXPECT_TRUE(hidden());
    second.reset();
    EXPECT_FALSE(hidden());
}

TEST_F(MemoryGuardTest, HostThatHidesItselfStaysHidden) {
    ASSERT_EQ(::prctl(PR_SET_DUMPABLE, 0), 0);
    { const MemoryGuard guard; }
    EXPECT_TRUE(hidden());
}

} // namespace
} // namespace ct::internal
