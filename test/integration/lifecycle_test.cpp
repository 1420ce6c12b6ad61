// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <array>
#include <atomic>
#include <fstream>
#include <iterator>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

using namespace std::chrono_literals;

class Lifecycle : public ContainerTest {
protected:
    static std::ptrdiff_t mapping_count() {
        std::ifstream maps{"/proc/self/maps"};
        return std::count(std::istreambuf_iterator<char>{maps}, {}, '\n');
    }
};

TEST_F(Lifecycle, GoesFromStoppedToRunningAndBack) {
    Container container = isolated();
    EXPECT_EQ(container.state(), State::Stopped);
    EXPECT_FALSE(container.running());
    const Process process = start_ready(container, program({"pause"}));
    EXPECT_EQ(container.state(), State::Running);
    EXPECT_TRUE(container.running());
    EXPECT_EQ(container.init().pid(), process.pid());
    container.kill();
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
    EXPECT_EQ(container.state(), State::Stopped);
    EXPECT_FALSE(container.running());
    EXPECT_EQ(process.pid(), -1);
}

TEST_F(Lifecycle, StateNoticesTheEnd) {
    Container container = isolated();
    const Process process = container.start(program({"exit", "3"}));
    pollfd ended{process.pidfd(), POLLIN, 0};
    ASSERT_EQ(::poll(&ended, 1, -1), 1);
    EXPECT_FALSE(container.running());
    EXPECT_EQ(container.state(), State::Stopped);
    EXPECT_TRUE(exited(container.wait(), 3));
    EXPECT_TRUE(exited(process.wait(), 3));
}

TEST_F(Lifecycle, EndWithoutAWaitIsNoHindranceToTheNextStart) {
    Container container = isolated();
    const Process process = container.start(program({"exit", "3"}));
    process.wait();
    EXPECT_TRUE(exited(run(container, program({"exit", "4"})).status, 4));
}

TEST_F(Lifecycle, StartsAgainFiftyTimes) {
    Container container = isolated().add_default_mounts().set_hostname("again");
    std::ptrdiff_t mappings = 0;
    for (int i = 0; i < 50; ++i) {
        ASSERT_TRUE(exited(run(container, program({"exit", std::to_string(i)})).status, i));
        if (i == 9) mappings = mapping_count();
    }
    EXPECT_LE(mapping_count(), mappings + 5) << "each start leaves a mapping in the host";
}

TEST_F(Lifecycle, TakesAnotherConfigurationWhenStopped) {
    Container container = isolated().set_hostname("one");
    EXPECT_EQ(lines(run(container, program({"uname"})).out).at(0), "one");
    container.set_hostname("two");
    EXPECT_EQ(lines(run(container, program({"uname"})).out).at(0), "two");
    Spec spec = container.spec();
    spec.hostname = "three";
    container.set_spec(spec);
    EXPECT_EQ(container.spec(), spec);
    EXPECT_EQ(lines(run(container, program({"uname"})).out).at(0), "three");
}

TEST_F(Lifecycle, OneSpecStartsManyContainers) {
    const Spec spec = isolated().add_default_mounts().set_hostname("same").spec();
    std::vector<Container> containers;
    std::vector<Process> processes;
    for (int i = 0; i < 20; ++i) {
        containers.push_back(session().create("box-" + std::to_string(i), spec));
        processes.push_back(start_ready(containers.back(), program({"pause"})));
    }
    for (Container& container : containers) EXPECT_TRUE(container.running());
    for (Container& container : containers) {
        container.kill();
        EXPECT_TRUE(signaled(container.wait(), SIGKILL));
    }
}

TEST_F(Lifecycle, RunningOneRefusesStartAndSetters) {
    Container container = isolated();
    const Process process = start_ready(container, program({"pause"}));
    EXPECT_TRUE(fails([&] { container.start(program({"exit", "0"})); }, Errc::InvalidState, {"container 'box': "}));
    EXPECT_TRUE(fails([&] { container.set_hostname("x"); }, Errc::InvalidState, {"container 'box': "}));
    EXPECT_TRUE(fails([&] { container.set_spec({}); }, Errc::InvalidState, {"container 'box': "}));
    EXPECT_TRUE(fails([&] { container.add_default_mounts(); }, Errc::InvalidState, {"container 'box': "}));
    EXPECT_TRUE(fails([&] { container.set_root("/"); }, Errc::InvalidState, {"container 'box': "}));
    container.kill();
    container.wait();
}

TEST_F(Lifecycle, OneOfManyStartsAtOnceWins) {
    Container container = isolated();
    for (int round = 0; round < 10; ++round) {
        std::atomic<int> started{0};
        std::atomic<int> refused{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&] {
                try {
                    container.start(program({"pause"}));
                    ++started;
                } catch (const Error& error) {
                    refused += error.code() == Errc::InvalidState ? 1 : 0;
                }
            });
        for (std::thread& thread : threads) thread.join();
        EXPECT_EQ(started, 1);
        EXPECT_EQ(refused, 3);
        container.kill();
        container.wait();
    }
}

TEST_F(Lifecycle, NeverStartedOneHasNothingToWaitFor) {
    Container container = isolated();
    EXPECT_TRUE(fails([&] { container.wait(); }, Errc::InvalidState, {"container 'box': "}));
    EXPECT_TRUE(fails([&] { (void)container.init(); }, Errc::InvalidState, {"container 'box': "}));
}

TEST_F(Lifecycle, StoppedOneRefusesSignals) {
    Container container = isolated();
    for (int i = 0; i < 2; ++i) {
        EXPECT_TRUE(fails([&] { container.kill(); }, Errc::InvalidState, {"container 'box': "}));
        EXPECT_TRUE(fails([&] { container.signal(SIGTERM); }, Errc::InvalidState, {"container 'box': "}));
        EXPECT_TRUE(succeeded(run(container, program({"exit", "0"}))));
    }
}

TEST_F(Lifecycle, WaitReturnsTheSameForEverybody) {
    Container container = isolated();
    const Process process = start_ready(container, program({"trap", "15", "7"}));
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 6; ++i)
        threads.emplace_back([&, i] { good += exited(i % 2 == 0 ? container.wait() : process.wait(), 7) ? 1 : 0; });
    container.signal(SIGTERM);
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(good, 6);
    EXPECT_TRUE(exited(container.wait(), 7));
    EXPECT_TRUE(exited(process.wait(), 7));
    EXPECT_TRUE(exited(*container.wait_for(0s), 7));
}

TEST_F(Lifecycle, WaitForGivesUp) {
    Container container = isolated();
    const Process process = start_ready(container, program({"pause"}));
    EXPECT_FALSE(container.wait_for(0s).has_value());
    EXPECT_FALSE(container.wait_for(1ms).has_value());
    EXPECT_FALSE(process.wait_for(0s).has_value());
    EXPECT_FALSE(process.wait_for(1ms).has_value());
    EXPECT_TRUE(container.running());
    container.kill();
    EXPECT_TRUE(signaled(container.wait_for(Patience).value(), SIGKILL));
}

TEST_F(Lifecycle, WaitForTheLongestTimeThereIs) {
    Container container = isolated();
    container.start(program({"exit", "2"}));
    EXPECT_TRUE(exited(container.wait_for(std::chrono::nanoseconds::max()).value(), 2));
}

TEST_F(Lifecycle, SignalReachesTheFirstProcess) {
    Container container = isolated();
    start_ready(container, program({"trap", std::to_string(SIGUSR2), "9"}));
    container.signal(SIGUSR2);
    EXPECT_TRUE(exited(container.wait(), 9));
}

TEST_F(Lifecycle, UnknownSignalIsAnError) {
    Container container = isolated();
    const Process process = start_ready(container, program({"pause"}));
    EXPECT_TRUE(fails([&] { container.signal(1000); }, std::errc::invalid_argument, {"container 'box': "}));
    EXPECT_TRUE(fails([&] { process.signal(-1); }, std::errc::invalid_argument, {}));
    EXPECT_NO_THROW(process.signal(0));
    container.kill();
    container.wait();
    EXPECT_NO_THROW(process.signal(SIGTERM));
    EXPECT_NO_THROW(process.kill());
}

TEST_F(Lifecycle, KillEndsEveryProcessOfThePidNamespace) {
    Container container = isolated();
    const Process process = start_ready(container, program({"fork-pause"}));
    container.kill();
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
    EXPECT_TRUE(reaches_end(process.stream(1)));
}

TEST_F(Lifecycle, EndOfTheFirstProcessEndsThePidNamespace) {
    Container container = isolated();
    const Process process = start_ready(container, program({"orphan"}));
    EXPECT_TRUE(exited(container.wait(), 0));
    EXPECT_TRUE(reaches_end(process.stream(1)));
}

TEST_F(Lifecycle, StopAsksFirst) {
    Container container = isolated();
    start_ready(container, program({"trap", "15", "5"}));
    EXPECT_TRUE(exited(container.stop(Patience), 5));
    start_ready(container, program({"trap", "2", "6"}));
    EXPECT_TRUE(exited(container.stop(Patience, SIGINT), 6));
    EXPECT_EQ(container.state(), State::Stopped);
}

TEST_F(Lifecycle, StopKillsWhatDoesNotObey) {
    Container container = isolated();
    start_ready(container, program({"ignore", "15"}));
    EXPECT_TRUE(signaled(container.stop(10ms), SIGKILL));
    start_ready(container, program({"pause"}));
    EXPECT_TRUE(signaled(container.stop(0s), SIGKILL));
}

TEST_F(Lifecycle, StopOfAStoppedOneReturnsTheLastStatus) {
    Container container = isolated();
    EXPECT_TRUE(exited(run(container, program({"exit", "8"})).status, 8));
    EXPECT_TRUE(exited(container.stop(Patience), 8));
}

TEST_F(Lifecycle, StopsRunAtOnce) {
    Container container = isolated();
    start_ready(container, program({"trap", "15", "5"}));
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { good += exited(container.stop(Patience), 5) ? 1 : 0; });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(good, 4);
}

TEST_F(Lifecycle, WaitingDelaysNobodyElse) {
    Container one = isolated("one");
    Container two = isolated("two");
    start_ready(one, program({"trap", "15", "1"}));
    std::thread waiting{[&] { one.wait(); }};
    EXPECT_EQ(one.state(), State::Running);
    EXPECT_TRUE(exited(run_entered(one, program({"exit", "3"})).status, 3));
    EXPECT_TRUE(exited(run(two, program({"exit", "4"})).status, 4));
    one.signal(SIGTERM);
    waiting.join();
}

TEST_F(Lifecycle, HandlesNameTheSameContainer) {
    Container one = isolated();
    Container two = one;
    EXPECT_EQ(two.name(), "box");
    start_ready(one, program({"pause"}));
    EXPECT_TRUE(two.running());
    two.kill();
    EXPECT_TRUE(signaled(one.wait(), SIGKILL));
}

TEST_F(Lifecycle, RunningOneNeedsNoHandle) {
    {
        Container container = isolated();
        start_ready(container, program({"pause"}));
    }
    std::optional<Container> found = session().find("box");
    ASSERT_TRUE(found.has_value());
    EXPECT_TRUE(found->running());
    found->kill();
    EXPECT_TRUE(signaled(found->wait(), SIGKILL));
}

TEST_F(Lifecycle, WaitingDuringAStartIsForTheRunThatBegins) {
    std::array<int, 2> gate{};
    ASSERT_EQ(::pipe2(gate.data(), O_CLOEXEC), 0);
    Container container = isolated();
    EXPECT_TRUE(exited(run(container, program({"exit", "7"})).status, 7));
    const Mount mount{.source = "tmpfs", .target = "/data", .type = "tmpfs", .options = {}};
    const auto pass = [&gate] {
        char byte = 0;
        return ::read(gate[0], &byte, 1) == 1 ? 0 : 1;
    };
    container.add_mount(mount, {.before = {MountHook{pass}}});
    std::thread starter([&] { container.start(program({"trap", "15", "6"})); });
    while (container.state() != State::Starting) std::this_thread::yield();
    EXPECT_FALSE(container.try_wait().has_value());
    EXPECT_FALSE(container.wait_for(1ms).has_value());
    std::optional<ExitStatus> stopped;
    std::thread stopper([&] { stopped = container.stop(0s, SIGKILL); });
    EXPECT_EQ(::write(gate[1], "x", 1), 1);
    starter.join();
    stopper.join();
    EXPECT_TRUE(signaled(*stopped, SIGKILL));
    EXPECT_EQ(container.state(), State::Stopped);
    for (const int fd : gate) ::close(fd);
}

} // namespace
} // namespace ct::test
