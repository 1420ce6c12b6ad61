// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// What many containers cost that do nothing: no thread, no turn of the host's loop, little memory. By default a few
// hundred for a moment; with CT_TEST_FULL=1 in the environment 1000 for ten seconds.
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// Two pipes and the process of each container need as many descriptors, and more than the usual limit.
class ManyFds {
public:
    ManyFds() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const rlimit most{before_.rlim_max, before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &most);
    }
    ManyFds(const ManyFds&) = delete;
    ManyFds& operator=(const ManyFds&) = delete;
    ~ManyFds() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

/// How often this thread has gone to sleep.
long sleeps() {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

std::size_t resident() {
    std::size_t size = 0;
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> size >> pages;
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

using IdleTest = ContainerTest;

TEST_F(IdleTest, ManyIdleContainersCostNoTurnNoThreadAndLittleMemory) {
    const bool full = std::getenv("CT_TEST_FULL") != nullptr;
    const std::size_t count = full ? 1000 : ForksCannotAllocate ? 50 : 250;
    const std::chrono::nanoseconds quiet = full ? 10s : 1s;
    const ManyFds many;
    const int threads = thread_count();
    const std::size_t heap = ::mallinfo2().uordblks;
    const std::size_t memory = resident();

    std::size_t told = 0;
    std::size_t ended = 0;
    std::vector<Container> boxes;
    boxes.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        boxes.push_back(plain("idle" + std::to_string(i)));
        boxes.back().on_log([&](const LogRecord& record) {
            if (record.bytes == "ready") ++told;
        });
        boxes.back().on_exit([&](const ExitEvent&) { ++ended; });
        boxes.back().on_oom([](const OomEvent&) {});
        boxes.back().start(host_program({"pause"}));
    }
    while (told < count) (void)session().dispatch_for(Patience);
    (void)session().dispatch();

    std::cout << count << " idle containers: " << (::mallinfo2().uordblks - heap) / count << " bytes of heap and "
              << (resident() - memory) / count << " bytes of resident memory each.\n";
    EXPECT_EQ(thread_count(), threads);
    const long before = sleeps();
    const auto begin = Clock::now();
    EXPECT_EQ(session().dispatch_for(quiet), 0U); // returns before only if there is something to do
    const auto slept = sleeps() - before;
    EXPECT_GE(Clock::now() - begin, quiet);
    EXPECT_EQ(slept, 1);

    for (Container& box : boxes) box.signal(SIGKILL);
    while (ended < count) (void)session().dispatch_for(Patience);
}

} // namespace
} // namespace ct::test
