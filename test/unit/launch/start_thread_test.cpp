// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/start_thread.hpp"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace ct::internal {
namespace {

TEST(StartThread, RunsJobsOnOneOtherThread) {
    StartThread thread;
    std::thread::id first;
    std::thread::id second;
    thread.run([&] { first = std::this_thread::get_id(); });
    thread.run([&] { second = std::this_thread::get_id(); });
    EXPECT_NE(first, std::this_thread::get_id());
    EXPECT_EQ(first, second);
}

TEST(StartThread, HandsExceptionsOnAndGoesOn) {
    StartThread thread;
    EXPECT_THROW(thread.run([] { throw std::out_of_range("job"); }), std::out_of_range);
    bool ran = false;
    thread.run([&] { ran = true; });
    EXPECT_TRUE(ran);
}

TEST(StartThread, DoesOneJobAtATimeForAll) {
    StartThread thread;
    int at_work = 0; // unguarded on purpose
    int most = 0;
    int jobs = 0;
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i) {
        callers.emplace_back([&] {
            for (int job = 0; job < 250; ++job) {
                thread.run([&] {
                    most = std::max(most, ++at_work);
                    ++jobs;
                    --at_work;
                });
            }
        });
    }
    for (std::thread& caller : callers) caller.join();
    EXPECT_EQ(most, 1);
    EXPECT_EQ(jobs, 1000);
}

TEST(StartThread, BlocksSignalsOnlyThere) {
    sigset_t before;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &before);
    StartThread thread;
    sigset_t there;
    thread.run([&] { ::pthread_sigmask(SIG_BLOCK, nullptr, &there); });
    sigset_t here;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &here);
    for (const int number : {SIGTERM, SIGCHLD, SIGINT, SIGUSR1, SIGALRM, SIGPROF}) {
        EXPECT_EQ(sigismember(&there, number), 1) << number;
        EXPECT_EQ(sigismember(&here, number), sigismember(&before, number)) << number;
    }
}

} // namespace
} // namespace ct::internal
