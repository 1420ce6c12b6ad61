// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/exit_status.hpp"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <functional>

#include <gtest/gtest.h>

#include "base/unique_fd.hpp"

namespace ct::internal {
namespace {

using namespace std::chrono_literals;

constexpr ExitStatus exited(int code) {
    return {ExitStatus::Kind::Exited, code, false};
}
constexpr ExitStatus signaled(int number, bool dumped = false) {
    return {ExitStatus::Kind::Signaled, number, dumped};
}

TEST(ExitStatus, DescribesItself) {
    EXPECT_EQ(exited(0).describe(), "exited with code 0");
    EXPECT_EQ(exited(3).describe(), "exited with code 3");
    EXPECT_EQ(signaled(SIGKILL).describe(), "was killed by signal 9 (SIGKILL)");
    EXPECT_EQ(signaled(SIGTERM).describe(), "was killed by signal 15 (SIGTERM)");
    EXPECT_EQ(ExitStatus{}.describe(), "ended with unknown status");
    EXPECT_TRUE(signaled(SIGRTMIN + 1).describe().starts_with("was killed by signal 35"));
    EXPECT_NE(signaled(SIGSEGV, true).describe(), signaled(SIGSEGV).describe());
}

TEST(ExitStatus, HasTheCodeThatAShellShows) {
    EXPECT_EQ(exited(0).shell_code(), 0);
    EXPECT_EQ(exited(255).shell_code(), 255);
    EXPECT_EQ(signaled(SIGTERM).shell_code(), 143);
    EXPECT_EQ(ExitStatus{}.shell_code(), 255);
}

TEST(ExitStatus, OnlyCodeZeroIsSuccess) {
    EXPECT_TRUE(exited(0).success());
    EXPECT_FALSE(exited(1).success());
    EXPECT_FALSE((ExitStatus{ExitStatus::Kind::Signaled, 0, false}.success()));
    EXPECT_FALSE(ExitStatus{}.success());
}

struct Child {
    pid_t pid;
    UniqueFd pidfd;
};

Child forked(const std::function<void()>& body) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        body();
        ::_exit(0);
    }
    return {pid, UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)))};
}

TEST(Reap, TellsHowAProcessEnded) {
    EXPECT_EQ(reap(forked([] { ::_exit(3); }).pidfd.get()), exited(3));
    EXPECT_EQ(reap(forked([] { ::raise(SIGKILL); }).pidfd.get()), signaled(SIGKILL));
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a zombie is left";
}

TEST(Reap, IsNeverWrongAboutAStatusThatAnotherTook) {
    const Child child = forked([] { ::_exit(3); });
    ASSERT_EQ(::waitpid(child.pid, nullptr, 0), child.pid);
    const ExitStatus status = reap(child.pidfd.get());
    // Linux 6.15 and newer still know it.
    EXPECT_TRUE(status == exited(3) || status == ExitStatus{}) << status.describe();
}

TEST(WaitUntilEnded, ReturnsWhenTheTimeHasPassed) {
    const Child child = forked([] { ::pause(); });
    EXPECT_FALSE(wait_until_ended(child.pidfd.get(), 0ns));
    EXPECT_FALSE(wait_until_ended(child.pidfd.get(), 1ms));
    EXPECT_FALSE(wait_until_ended(child.pidfd.get(), -1s));
    ::kill(child.pid, SIGKILL);
    EXPECT_TRUE(wait_until_ended(child.pidfd.get(), std::nullopt));
    EXPECT_TRUE(wait_until_ended(child.pidfd.get(), 0ns)) << "it stays ended";
    EXPECT_EQ(reap(child.pidfd.get()), signaled(SIGKILL));
    EXPECT_TRUE(wait_until_ended(child.pidfd.get(), std::nullopt)) << "also when it was reaped";
}

TEST(WaitUntilEnded, IsNotEndedByASignal) {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    struct sigaction previous {};
    ::sigaction(SIGALRM, &action, &previous);
    const pid_t waiter = ::getpid();
    const Child child = forked([&] {
        for (int i = 0; i < 50; ++i) ::kill(waiter, SIGALRM);
        ::_exit(4);
    });
    EXPECT_TRUE(wait_until_ended(child.pidfd.get(), std::nullopt));
    EXPECT_EQ(reap(child.pidfd.get()), exited(4));
    ::sigaction(SIGALRM, &previous, nullptr);
}

} // namespace
} // namespace ct::internal
