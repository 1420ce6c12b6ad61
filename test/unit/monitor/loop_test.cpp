// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor/loop.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <ct/error.hpp>

namespace ct::internal {
namespace {

struct Event {
    UniqueFd fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    void raise() const { ::eventfd_write(fd.get(), 1); }
    void consume() const {
        eventfd_t value = 0;
        ::eventfd_read(fd.get(), &value);
    }
};

bool readable(int fd) {
    pollfd look{fd, POLLIN, 0};
    return ::poll(&look, 1, 0) == 1;
}

TEST(Loop, IsReadableAsLongAsSomethingIsDue) {
    Loop loop;
    const Event event;
    int calls = 0;
    loop.add(event.fd.get(), EPOLLIN, [&](std::uint32_t events) {
        EXPECT_EQ(events, EPOLLIN);
        if (++calls == 2) event.consume();
    });
    EXPECT_FALSE(readable(loop.fd()));
    EXPECT_EQ(loop.dispatch(), 0U);
    event.raise();
    EXPECT_TRUE(readable(loop.fd()));
    EXPECT_EQ(loop.dispatch(), 1U);
    EXPECT_TRUE(readable(loop.fd()));
    EXPECT_EQ(loop.dispatch(), 1U);
    EXPECT_FALSE(readable(loop.fd()));
    EXPECT_EQ(calls, 2);
}

TEST(Loop, WaitsAtMostForTheLimit) {
    Loop loop;
    const Event event;
    loop.add(event.fd.get(), EPOLLIN, [&](std::uint32_t) { event.consume(); });
    EXPECT_EQ(loop.dispatch_for(std::chrono::milliseconds(1)), 0U);
    std::thread other([&] { event.raise(); });
    EXPECT_EQ(loop.dispatch_for(std::chrono::seconds(60)), 1U);
    other.join();
}

TEST(Loop, CallbackMayRemoveItself) {
    Loop loop;
    const Event event;
    event.raise();
    auto held = std::make_shared<int>(7);
    const std::weak_ptr<int> watched = held;
    Loop::Id id = 0;
    id = loop.add(event.fd.get(), EPOLLIN, [&loop, &id, held](std::uint32_t) {
        loop.remove(id);
        EXPECT_EQ(*held, 7); // still there
    });
    held.reset();
    EXPECT_EQ(loop.dispatch(), 1U);
    EXPECT_TRUE(watched.expired());
    EXPECT_EQ(loop.dispatch(), 0U);
}

TEST(Loop, CallbackMayRemoveOthersThatAreDueToo) {
    Loop loop;
    const Event events[2];
    Loop::Id ids[2] = {0, 0};
    int calls = 0;
    for (std::size_t i = 0; i < 2; ++i) {
        ids[i] = loop.add(events[i].fd.get(), EPOLLIN, [&, i](std::uint32_t) {
            ++calls;
            loop.remove(ids[1 - i]);
        });
        events[i].raise();
    }
    EXPECT_EQ(loop.dispatch(), 1U);
    EXPECT_EQ(calls, 1);
}

TEST(Loop, RemovedDescriptorMayComeBackUnderTheSameNumber) {
    Loop loop;
    int first = 0;
    int second = 0;
    Event event;
    const int number = event.fd.get();
    const Loop::Id id = loop.add(number, EPOLLIN, [&](std::uint32_t) { ++first; });
    loop.remove(id);
    event.fd.reset();
    event = Event();
    ASSERT_EQ(event.fd.get(), number);
    loop.add(number, EPOLLIN, [&](std::uint32_t) { ++second; });
    event.raise();
    EXPECT_EQ(loop.dispatch(), 1U);
    EXPECT_EQ(first, 0);
    EXPECT_EQ(second, 1);
    loop.remove(id); // is nobody's any more
    EXPECT_EQ(loop.dispatch(), 1U);
}

TEST(Loop, ExceptionLeavesAndTheOthersComeNext) {
    Loop loop;
    const Event throwing;
    const Event other;
    int calls = 0;
    loop.add(throwing.fd.get(), EPOLLIN, [&](std::uint32_t) {
        throwing.consume();
        throw std::runtime_error("no");
    });
    loop.add(other.fd.get(), EPOLLIN, [&](std::uint32_t) {
        ++calls;
        other.consume();
    });
    throwing.raise();
    other.raise();
    EXPECT_THROW(loop.dispatch(), std::runtime_error);
    (void)loop.dispatch();
    EXPECT_EQ(calls, 1);
    EXPECT_FALSE(readable(loop.fd()));
}

TEST(Loop, OnlyOneCallDispatches) {
    Loop loop;
    const Event event;
    event.raise();
    std::size_t nested = 1;
    std::size_t elsewhere = 1;
    loop.add(event.fd.get(), EPOLLIN, [&](std::uint32_t) {
        event.consume();
        nested = loop.dispatch();
        std::thread([&] { elsewhere = loop.dispatch(); }).join();
    });
    EXPECT_EQ(loop.dispatch(), 1U);
    EXPECT_EQ(nested, 0U);
    EXPECT_EQ(elsewhere, 0U);
    event.raise();
    EXPECT_EQ(loop.dispatch(), 1U);
}

TEST(Loop, WatchesMoreThanOneCallTakes) {
    Loop loop;
    std::vector<Event> events(200);
    int calls = 0;
    for (const Event& event : events) {
        loop.add(event.fd.get(), EPOLLIN, [&](std::uint32_t) {
            event.consume();
            ++calls;
        });
        event.raise();
    }
    std::size_t dispatched = 0;
    while (const std::size_t more = loop.dispatch()) dispatched += more;
    EXPECT_EQ(dispatched, events.size());
    EXPECT_EQ(calls, 200);
}

TEST(Loop, BadDescriptorIsAnErrorAndLeavesNothing) {
    Loop loop;
    auto held = std::make_shared<int>(7);
    const std::weak_ptr<int> watched = held;
    EXPECT_THROW(loop.add(-1, EPOLLIN, [held](std::uint32_t) {}), Error);
    held.reset();
    EXPECT_TRUE(watched.expired());
}

using Clock = std::chrono::steady_clock;

TEST(Loop, TimersRunOnceInTheOrderOfTheirTimes) {
    Loop loop;
    std::vector<int> ran;
    const auto now = Clock::now();
    loop.add_timer(now - std::chrono::seconds(1), [&] { ran.push_back(2); });
    loop.add_timer(now - std::chrono::seconds(2), [&] { ran.push_back(1); });
    loop.add_timer(now + std::chrono::hours(1), [&] { ran.push_back(3); });
    EXPECT_EQ(loop.dispatch_for(std::chrono::seconds(60)), 2U);
    EXPECT_EQ(ran, (std::vector<int>{1, 2}));
    EXPECT_FALSE(readable(loop.fd()));
}

TEST(Loop, IsReadableWhenATimerIsDue) {
    Loop loop;
    bool ran = false;
    const auto begin = Clock::now();
    loop.add_timer(begin + std::chrono::milliseconds(5), [&] { ran = true; });
    pollfd look{loop.fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&look, 1, 60'000), 1);
    EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(5));
    EXPECT_EQ(loop.dispatch(), 1U);
    EXPECT_TRUE(ran);
    EXPECT_FALSE(readable(loop.fd()));
}

TEST(Loop, CancelledTimerDoesNotRun) {
    Loop loop;
    auto held = std::make_shared<int>(7);
    const std::weak_ptr<int> watched = held;
    const Loop::Id id = loop.add_timer(Clock::now(), [held] { FAIL(); });
    held.reset();
    loop.remove(id);
    EXPECT_TRUE(watched.expired());
    EXPECT_FALSE(readable(loop.fd()));
    EXPECT_EQ(loop.dispatch(), 0U);
}

TEST(Loop, ClosedItKeepsNothing) {
    Loop loop;
    auto held = std::make_shared<int>(7);
    const std::weak_ptr<int> watched = held;
    loop.add_timer(Clock::now(), [held] { FAIL(); });
    loop.close();
    loop.add_timer(Clock::now(), [held] { FAIL(); });
    loop.add(0, EPOLLIN, [held](std::uint32_t) { FAIL(); });
    held.reset();
    EXPECT_TRUE(watched.expired());
    EXPECT_EQ(loop.dispatch(), 0U);
}

TEST(Loop, TimerMayThrowAndSetOthers) {
    Loop loop;
    int ran = 0;
    loop.add_timer(Clock::now(), [&] {
        loop.add_timer(Clock::now(), [&] { ++ran; });
        throw std::runtime_error("no");
    });
    EXPECT_THROW(loop.dispatch_for(std::chrono::seconds(60)), std::runtime_error);
    EXPECT_EQ(loop.dispatch_for(std::chrono::seconds(60)), 1U);
    EXPECT_EQ(ran, 1);
}

} // namespace
} // namespace ct::internal
