// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/area.hpp"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/sys.hpp"

namespace ct::internal {
namespace {

/// Whether the kernel could read there; asked in a way that no sanitizer looks at.
bool is_accessible(const std::byte* place) {
    const sys::Pipe pipe = sys::pipe(Stage::Launch);
    return ::syscall(SYS_write, pipe.write.get(), place, 1) == 1;
}

TEST(LaunchArea, HasStacksAboveGuardPages) {
    const LaunchArea area(LaunchArea::Sharing::Threads);
    for (const std::span<std::byte> stack : {area.child_stack(), area.helper_stack()}) {
        EXPECT_GE(stack.size(), std::size_t{16} * 1024);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(stack.data() + stack.size()) % 16, 0U);
        EXPECT_TRUE(is_accessible(stack.data()));
        EXPECT_TRUE(is_accessible(&stack.back()));
        EXPECT_FALSE(is_accessible(stack.data() - 1));
        EXPECT_FALSE(is_accessible(stack.data() - 4096));
    }
}

TEST(LaunchArea, PartsDoNotOverlap) {
    const LaunchArea area(LaunchArea::Sharing::Threads);
    const auto* const handshake = reinterpret_cast<const std::byte*>(&area.handshake());
    const auto overlaps = [](const std::byte* a, std::size_t a_size, const std::byte* b, std::size_t b_size) {
        return a < b + b_size && b < a + a_size;
    };
    const auto child = area.child_stack();
    const auto helper = area.helper_stack();
    EXPECT_FALSE(overlaps(child.data(), child.size(), helper.data(), helper.size()));
    EXPECT_FALSE(overlaps(child.data(), child.size(), handshake, sizeof(Handshake)));
    EXPECT_FALSE(overlaps(helper.data(), helper.size(), handshake, sizeof(Handshake)));
}

/// Whether this process sees what a forked child writes.
bool is_seen_across_fork(const LaunchArea& area) {
    area.handshake().step = 1;
    const pid_t child = ::fork();
    if (child == 0) {
        area.handshake().step = 2;
        ::_exit(0);
    }
    EXPECT_EQ(::waitpid(child, nullptr, 0), child);
    return area.handshake().step == 2;
}

TEST(LaunchArea, IsSharedWithCopiesOnlyOnRequest) {
    EXPECT_FALSE(is_seen_across_fork(LaunchArea(LaunchArea::Sharing::Threads)));
    EXPECT_TRUE(is_seen_across_fork(LaunchArea(LaunchArea::Sharing::Processes)));
}

TEST(AreaPool, GivesAnAreaOutAgain) {
    AreaPool pool;
    auto area = pool.take();
    area->handshake().step = 4711; // a new one is all zeroes
    pool.give_back(std::move(area));
    EXPECT_EQ(pool.take()->handshake().step, 4711U);
}

TEST(AreaPool, GivesEachAreaToOneStart) {
    AreaPool pool;
    auto first = pool.take();
    auto second = pool.take();
    EXPECT_NE(first.get(), second.get());
    EXPECT_NE(&first->handshake(), &second->handshake());
    pool.give_back(std::move(first));
    pool.give_back(std::move(second));
    const auto third = pool.take();
    const auto fourth = pool.take();
    EXPECT_NE(third.get(), fourth.get());
}

} // namespace
} // namespace ct::internal
