// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "entered.hpp"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <vector>

#include <gtest/gtest.h>

#include "launch/exit_status.hpp"
#include "process_core.hpp"

namespace ct::internal {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<ProcessCore> paused_process() {
    const pid_t pid = ::fork();
    if (pid == 0) {
        for (;;) ::pause();
    }
    Launched launched;
    launched.pid = pid;
    launched.pidfd = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    return std::make_shared<ProcessCore>("box", std::move(launched), HostEnds{}, nullptr);
}

/// Kills it, and returns when it has ended but is not reaped.
void end(const ProcessCore& process) {
    (void)process.signal(SIGKILL);
    ASSERT_TRUE(wait_until_ended(process.pidfd(), std::nullopt));
}

bool has_children() {
    siginfo_t info{};
    return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

TEST(Entered, SweepsOnlyWhatHasEnded) {
    Entered entered;
    const auto process = paused_process();
    entered.add(process);
    entered.sweep();
    EXPECT_GT(process->pid(), 0) << "reaped alive";
    end(*process);
    entered.sweep();
    EXPECT_EQ(process->pid(), -1);
    EXPECT_FALSE(has_children());
    EXPECT_EQ(process.use_count(), 1) << "is kept after its end";
}

TEST(Entered, ReapsWithoutAnyHandle) {
    Entered entered;
    auto process = paused_process();
    entered.add(process);
    end(*process);
    process.reset();
    EXPECT_TRUE(has_children());
    entered.sweep();
    EXPECT_FALSE(has_children());
}

TEST(Entered, TakesOverThoseOfAnother) {
    Entered first;
    Entered second;
    const auto process = paused_process();
    first.add(process);
    second.take_all(first);
    end(*process);
    first.sweep();
    EXPECT_TRUE(has_children());
    second.sweep();
    EXPECT_FALSE(has_children());
}

TEST(Entered, WaitingForTheFirstReapsTheOthers) {
    Entered entered;
    const auto first = paused_process();
    const auto before = paused_process();
    const auto after = paused_process();
    entered.add(before);
    EXPECT_FALSE(entered.wait_until_ended(first->pidfd(), 0ns));
    entered.add(after);
    end(*before);
    end(*after);
    EXPECT_FALSE(entered.wait_until_ended(first->pidfd(), 1ms));
    EXPECT_EQ(before->pid(), -1);
    EXPECT_EQ(after->pid(), -1);
    EXPECT_GT(first->pid(), 0);
    end(*first);
    EXPECT_TRUE(entered.wait_until_ended(first->pidfd(), std::nullopt));
    EXPECT_TRUE(entered.wait_until_ended(first->pidfd(), 0ns)) << "it stays ended";
    EXPECT_TRUE(first->wait(std::nullopt));
    EXPECT_FALSE(has_children());
}

} // namespace
} // namespace ct::internal
