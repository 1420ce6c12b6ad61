// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "base/unique_fd.hpp"

#include <fcntl.h>

#include <type_traits>

#include <gtest/gtest.h>

namespace ct::internal {
namespace {

static_assert(!std::is_copy_constructible_v<UniqueFd> && !std::is_copy_assignable_v<UniqueFd>);
static_assert(std::is_nothrow_move_constructible_v<UniqueFd> && std::is_nothrow_move_assignable_v<UniqueFd>);
static_assert(!std::is_convertible_v<int, UniqueFd> && !std::is_convertible_v<UniqueFd, bool>);

int open_null() {
    return ::open("/dev/null", O_RDWR | O_CLOEXEC);
}

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) >= 0;
}

TEST(UniqueFd, ClosesAtItsEnd) {
    const int number = open_null();
    {
        const UniqueFd fd(number);
        EXPECT_TRUE(fd);
        EXPECT_EQ(fd.get(), number);
        EXPECT_TRUE(is_open(number));
    }
    EXPECT_FALSE(is_open(number));
}

TEST(UniqueFd, IsTrueForZeroAndFalseForNone) {
    UniqueFd zero(0);
    EXPECT_TRUE(zero);
    EXPECT_EQ(zero.release(), 0);
    EXPECT_FALSE(zero);
    EXPECT_EQ(UniqueFd().get(), -1);
    EXPECT_FALSE(UniqueFd());
}

TEST(UniqueFd, ReleaseGivesTheDescriptorAway) {
    const int number = open_null();
    EXPECT_EQ(UniqueFd(number).release(), number);
    EXPECT_TRUE(is_open(number));
    ::close(number);
}

TEST(UniqueFd, ResetClosesTheOldOne) {
    const int first = open_null();
    const int second = open_null();
    UniqueFd fd(first);
    fd.reset(second);
    EXPECT_FALSE(is_open(first));
    EXPECT_TRUE(is_open(second));
    fd.reset();
    EXPECT_FALSE(is_open(second));
    EXPECT_FALSE(fd);
}

TEST(UniqueFd, MovingLeavesNothingBehind) {
    const int number = open_null();
    UniqueFd first(number);
    UniqueFd second(std::move(first));
    EXPECT_FALSE(first); // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(second.get(), number);
    const int replaced = open_null();
    UniqueFd third(replaced);
    third = std::move(second);
    EXPECT_FALSE(second); // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(third.get(), number);
    EXPECT_FALSE(is_open(replaced));
    EXPECT_TRUE(is_open(number));
}

TEST(UniqueFd, MovingToItselfKeepsItOpen) {
    const int number = open_null();
    UniqueFd fd(number);
    UniqueFd& same = fd;
    fd = std::move(same);
    EXPECT_EQ(fd.get(), number);
    EXPECT_TRUE(is_open(number));
}

TEST(UniqueFd, ClosingKeepsErrno) {
    const int number = open_null();
    ::close(number);
    UniqueFd stale(number); // closing it fails with EBADF
    errno = ENOTDIR;
    stale.reset();
    EXPECT_EQ(errno, ENOTDIR);
}

} // namespace
} // namespace ct::internal
