// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/low_fds.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "base/sys.hpp"

namespace ct::internal {
namespace {

constexpr int Slots = 15;

/// A duplicate of \p fd with a number that a host with many descriptors has.
UniqueFd high(int fd) {
    return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 300));
}

bool is_null(int fd) {
    struct stat status {};
    return ::fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == ::makedev(1, 3);
}

bool is_close_on_exec(int fd) {
    return (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

int open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<int>(std::distance(begin(all), end(all)));
}

TEST(LowFds, NullIsDevNull) {
    const LowFds low_fds;
    EXPECT_TRUE(is_null(low_fds.null()));
    EXPECT_GT(low_fds.null(), 2);
    EXPECT_EQ(::fcntl(low_fds.null(), F_GETFL) & O_ACCMODE, O_RDWR);
    EXPECT_TRUE(is_close_on_exec(low_fds.null()));
}

TEST(LowFds, GivesEverythingBack) {
    const int before = open_descriptors();
    {
        LowFds low_fds;
        LowFds::Lease lease(low_fds);
        EXPECT_EQ(open_descriptors(), before + 1 + Slots);
        EXPECT_EQ(lease.low(low_fds.null()), low_fds.null());
    }
    EXPECT_EQ(open_descriptors(), before);
}

TEST(LowFds, LowNumberStaysAsItIs) {
    LowFds low_fds;
    LowFds::Lease lease(low_fds);
    EXPECT_EQ(lease.low(0), 0);
    EXPECT_EQ(lease.low(255), 255);
}

TEST(LowFds, HighNumberGetsALowOne) {
    LowFds low_fds;
    const sys::Pipe pipe = sys::pipe(Stage::Stdio);
    const UniqueFd high_write = high(pipe.write.get());
    LowFds::Lease lease(low_fds);
    const int low = lease.low(high_write.get());
    EXPECT_LT(low, 256);
    EXPECT_GT(low, 2);
    EXPECT_TRUE(is_close_on_exec(low));
    ASSERT_EQ(::write(low, "x", 1), 1);
    char byte = 0;
    ASSERT_EQ(::read(pipe.read.get(), &byte, 1), 1);
    EXPECT_EQ(byte, 'x');
}

TEST(LowFds, EndedLeaseKeepsNothingOpen) {
    LowFds low_fds;
    sys::Pipe pipe = sys::pipe(Stage::Stdio);
    int low = -1;
    {
        const UniqueFd high_write = high(pipe.write.get());
        LowFds::Lease lease(low_fds);
        low = lease.low(high_write.get());
        EXPECT_FALSE(is_null(low));
    }
    EXPECT_TRUE(is_null(low));
    EXPECT_TRUE(is_close_on_exec(low));
    pipe.write.reset();
    pollfd reader{pipe.read.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&reader, 1, 0), 1);
    EXPECT_EQ(reader.revents, POLLHUP);
}

TEST(LowFds, WhenAllAreInUseTheHighNumberHasToDo) {
    LowFds low_fds;
    const UniqueFd source = high(0);
    {
        LowFds::Lease first(low_fds);
        LowFds::Lease second(low_fds);
        std::set<int> numbers;
        for (int i = 0; i < Slots; ++i) numbers.insert((i % 2 == 0 ? first : second).low(source.get()));
        EXPECT_EQ(numbers.size(), static_cast<std::size_t>(Slots));
        EXPECT_FALSE(numbers.contains(source.get()));
        EXPECT_EQ(first.low(source.get()), source.get());
        EXPECT_EQ(second.low(source.get()), source.get());
    }
    LowFds::Lease again(low_fds);
    for (int i = 0; i < Slots; ++i) EXPECT_LT(again.low(source.get()), 256);
    EXPECT_EQ(again.low(source.get()), source.get());
}

TEST(LowFds, ClosedDescriptorIsLeftToTheCaller) {
    LowFds low_fds;
    {
        LowFds::Lease lease(low_fds);
        EXPECT_EQ(lease.low(999), 999);
    }
    LowFds::Lease lease(low_fds);
    const UniqueFd source = high(0);
    for (int i = 0; i < Slots; ++i) EXPECT_LT(lease.low(source.get()), 256) << "a slot was lost";
}

TEST(LowFds, LeasesOfManyThreadsDoNotMeet) {
    LowFds low_fds;
    const sys::Pipe pipe = sys::pipe(Stage::Stdio);
    const auto work = [&] {
        const UniqueFd source = high(pipe.write.get());
        for (int round = 0; round < 200; ++round) {
            LowFds::Lease lease(low_fds);
            const int first = lease.low(source.get());
            const int second = lease.low(source.get());
            EXPECT_FALSE(is_null(first));
            EXPECT_FALSE(is_null(second));
            EXPECT_TRUE(first != second || first == source.get());
        }
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) threads.emplace_back(work);
    for (std::thread& thread : threads) thread.join();
    const UniqueFd source = high(0);
    LowFds::Lease lease(low_fds);
    std::set<int> numbers;
    for (int i = 0; i < Slots; ++i) numbers.insert(lease.low(source.get()));
    EXPECT_EQ(numbers.size(), static_cast<std::size_t>(Slots));
}

} // namespace
} // namespace ct::internal
