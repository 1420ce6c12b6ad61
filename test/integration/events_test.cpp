// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// What a container's owner is told of it.

#include <ct/ct.hpp>

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "events_fixture.hpp"
#include "support/cgroups.hpp"

namespace ct::test {
namespace {

using std::chrono::seconds;

bool is_here(Controller controller) {
    for (const HostFeature& feature : Session().capabilities()) {
        if (feature.name == "cgroup." + std::string(to_string(controller))) return feature.available;
    }
    return false;
}

TEST_F(EventsTest, ComeInTheOrderOfALife) {
    Container container = plain();
    note(container);
    container.start({}, [] { return 3; });
    dispatch_until([&] { return stopped(); });
    EXPECT_EQ(said, (std::vector<std::string>{"state starting", "state running", "start", "state stopping", "exit",
                                              "state stopped"}));
    EXPECT_EQ(container.state(), State::Stopped);
    ASSERT_TRUE(record);
    EXPECT_EQ(record->container, container.name());
    EXPECT_EQ(record->status, (ExitStatus{ExitStatus::Kind::Exited, 3, false}));
    EXPECT_GT(record->pid, 0);
    EXPECT_LE(record->started, record->ended);
    EXPECT_GE(record->ran, record->start.total);
    EXPECT_GE(record->start.total, record->start.prepare + record->start.birth + record->start.set_up);
    EXPECT_GT(record->start.birth.count(), 0);
    EXPECT_EQ(container.exit_record(), record);
}

TEST_F(EventsTest, AreToldOnceThoughSomebodyWaits) {
    Container container = plain();
    note(container);
    for (int run = 0; run < 3; ++run) {
        said.clear();
        container.start({}, [] { return 0; });
        EXPECT_TRUE(container.wait().success());
        EXPECT_TRUE(said.empty());
        dispatch_until([&] { return stopped(); });
        EXPECT_EQ(said.size(), 6U);
        EXPECT_EQ(session().dispatch(), 0U);
    }
}

TEST_F(EventsTest, MakeTheDescriptorReadable) {
    Container container = plain();
    note(container);
    container.start({}, [] { return 0; });
    while (!stopped()) {
        pollfd ready{session().fd(), POLLIN, 0};
        ASSERT_EQ(::poll(&ready, 1, 60'000), 1);
        (void)session().dispatch();
    }
    pollfd ready{session().fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&ready, 1, 0), 0);
}

TEST_F(EventsTest, OfAFailedStartAreTwo) {
    Container container = plain();
    note(container);
    EXPECT_THROW(container.start({.argv = {"/no/such/program"}}), Error);
    dispatch_until([&] { return stopped(); });
    EXPECT_EQ(said, (std::vector<std::string>{"state starting", "state stopped"}));
    EXPECT_FALSE(container.exit_record());
}

TEST_F(EventsTest, AHandlerSetLaterIsToldWhatHappensThen) {
    Container container = plain();
    container.start({}, [] {
        ::pause();
        return 0;
    });
    note(container);
    container.signal(SIGTERM);
    dispatch_until([&] { return stopped(); });
    EXPECT_EQ(said, (std::vector<std::string>{"state stopping", "exit", "state stopped"}));
    EXPECT_EQ(record->status.value, SIGTERM);
}

TEST_F(EventsTest, AnExceptionLeavesDispatchAndLosesNothing) {
    Container container = plain();
    note(container);
    container.on_start([](const StartEvent&) { throw std::runtime_error("no"); });
    container.start({}, [] { return 0; });
    bool thrown = false;
    while (!stopped()) {
        try {
            (void)session().dispatch_for(seconds(60));
        } catch (const std::runtime_error& error) {
            EXPECT_STREQ(error.what(), "no");
            EXPECT_FALSE(thrown);
            thrown = true;
        }
    }
    EXPECT_TRUE(thrown);
    EXPECT_EQ(said,
              (std::vector<std::string>{"state starting", "state running", "state stopping", "exit", "state stopped"}));
}

TEST_F(EventsTest, AHandlerMayStartItAgainAndReleaseIt) {
    int runs = 0;
    {
        Container container = plain();
        container.on_state(
            [&, handle = std::make_shared<std::optional<Container>>(container)](const StateEvent& event) {
                if (event.to != State::Stopped) return;
                if (++runs < 5) {
                    (*handle)->start({}, [] { return 0; });
                } else {
                    handle->reset();
                }
            });
        container.start({}, [] { return 0; });
    }
    dispatch_until([&] { return runs == 5; });
}

TEST_F(EventsTest, EnteredProcessesAreToldBeforeTheEnd) {
    Container container = plain();
    container.add_namespace(Namespace::Pid);
    note(container);
    const Process init = container.start({}, [] {
        ::pause();
        return 0;
    });
    container.enter({}, [] { return 7; });
    dispatch_until([&] { return !said.empty() && said.back() == "process exited with code 7"; });
    // Nobody reaps this one but the loop, and the first process cannot end before that.
    container.enter({}, [] {
        ::pause();
        return 0;
    });
    init.signal(SIGKILL);
    dispatch_until([&] { return stopped(); });
    const std::vector<std::string> end(said.end() - 4, said.end());
    EXPECT_EQ(end, (std::vector<std::string>{"process was killed by signal 9 (SIGKILL)", "state stopping", "exit",
                                             "state stopped"}));
}

TEST_F(EventsTest, OutputIsDeliveredBeforeTheExit) {
    Container container = plain();
    note(container);
    std::size_t lines = 0;
    container.on_log([&](const LogRecord& line) {
        EXPECT_NE(said.back(), "exit");
        EXPECT_EQ(line.bytes.size(), 99U);
        ++lines;
    });
    container.start({}, [] {
        const std::string line = std::string(99, 'x') + "\n";
        for (int i = 0; i < 5000; ++i) {
            if (::write(1, line.data(), line.size()) != static_cast<ssize_t>(line.size())) return 1;
        }
        return 0;
    });
    dispatch_until([&] { return stopped(); });
    EXPECT_EQ(lines, 5000U);
    EXPECT_TRUE(record->status.success());
}

TEST_F(EventsTest, OutOfMemoryComesBeforeTheExit) {
    if (!is_here(Controller::Memory)) GTEST_SKIP() << "needs the memory controller";
    Container container = plain();
    container.add_namespace(Namespace::Pid).set_limits({.memory_max = 32 * MiB});
    note(container);
    container.start({}, [] {
        for (;;) {
            constexpr std::size_t size = 1 << 20;
            void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (memory == MAP_FAILED) return 1;
            std::memset(memory, 1, size);
        }
    });
    dispatch_until([&] { return stopped(); });
    ASSERT_GE(said.size(), 4U);
    EXPECT_NE(std::find(said.begin(), said.end(), "oom"), said.end());
    const std::vector<std::string> end(said.end() - 2, said.end());
    EXPECT_EQ(end, (std::vector<std::string>{"exit", "state stopped"}));
    EXPECT_EQ(record->status.value, SIGKILL);
    EXPECT_GE(record->oom_kills.value_or(0), 1U);
    EXPECT_GE(record->peak_memory.value_or(Bytes{}), 16 * MiB);
}

TEST_F(EventsTest, TheLimitOfProcessesIsTold) {
    if (!is_here(Controller::Pids)) GTEST_SKIP() << "needs the pids controller";
    Container container = plain();
    container.add_namespace(Namespace::Pid).set_limits({.pids_max = 2});
    std::uint64_t refused = 0;
    bool ended = false;
    container.on_pids_limit([&](const LimitEvent& event) { refused = event.count; });
    container.on_exit([&](const ExitEvent&) { ended = true; });
    container.start({}, [] {
        for (int i = 0; i < 5; ++i) {
            const pid_t pid = ::fork();
            if (pid == 0) {
                for (;;) ::pause();
            }
        }
        return 0;
    });
    dispatch_until([&] { return ended; });
    EXPECT_EQ(refused, 4U);
}

TEST_F(EventsTest, FreezingIsToldAsEventAndState) {
    Container container = plain();
    container.add_namespace(Namespace::Pid).set_cgroup({.own_group = true});
    note(container);
    std::vector<bool> frozen;
    container.on_frozen([&](const FrozenEvent& event) { frozen.push_back(event.frozen); });
    container.start({}, [] {
        ::pause();
        return 0;
    });
    container.freeze();
    dispatch_until([&] { return frozen.size() == 1; });
    dispatch_until([&] { return said.back() == "state paused"; });
    container.thaw();
    dispatch_until([&] { return frozen.size() == 2; });
    dispatch_until([&] { return said.back() == "state running"; });
    EXPECT_EQ(frozen, (std::vector<bool>{true, false}));
    container.kill();
    dispatch_until([&] { return stopped(); });
}

TEST_F(EventsTest, TheRecordCountsWhatWasUsed) {
    Container container = plain();
    container.start({}, [] {
        const auto begin = std::chrono::steady_clock::now();
        while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(100)) {
        }
        return 0;
    });
    container.wait();
    const auto found = container.exit_record();
    ASSERT_TRUE(found);
    EXPECT_GT(found->cpu_user.value() + found->cpu_system.value(), std::chrono::milliseconds(1));
    EXPECT_GT(found->peak_memory.value(), 100 * KiB);
    const auto json = nlohmann::json::parse(to_json(*found));
    EXPECT_EQ(json.at("container"), container.name());
    EXPECT_EQ(json.at("status"), "exited");
    EXPECT_EQ(json.at("code"), 0);
    EXPECT_EQ(json.at("ran"), found->ran.count());
    EXPECT_FALSE(json.contains("signal"));
    EXPECT_FALSE(json.contains("throttled"));
    EXPECT_EQ(found->describe().rfind("exited with code 0 after ", 0), 0U);
}

TEST_F(EventsTest, AreToldAfterAForkOfTheHostHasGone) {
    Container container = plain().set_cgroup({.own_group = true});
    container.set_log({.flush_after = seconds(1)});
    std::vector<std::string> log;
    container.on_log([&](const LogRecord& line) { log.emplace_back(line.bytes); });
    container.set_attachable({});
    std::optional<AttachServer> server(std::in_place, container, AttachServerOptions{.path = dir() / "attach"});
    std::size_t stats = 0;
    container.on_stats(std::chrono::milliseconds(1), [&](const StatsEvent&) { ++stats; });
    note(container);
    container.start(shell("printf half; read x"));
    dispatch_until([&] { return stats > 0 && container.log_stats().bytes == 4; });
    const pid_t copy = ::fork();
    if (copy == 0) { // as exit(3) does with static objects
        server.reset();
        close_session();
        ::_exit(0);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(copy, &status, 0), copy);
    EXPECT_EQ(status, 0);
    const std::size_t before = stats;
    dispatch_until([&] { return stats > before && !log.empty(); });
    EXPECT_EQ(log, std::vector<std::string>{"half"});
    container.close_input();
    dispatch_until([&] { return stopped(); });
    EXPECT_TRUE(record);
}

TEST_F(EventsTest, ManyContainersAreAllTold) {
    constexpr std::size_t count = 100;
    std::size_t exits = 0;
    std::vector<Container> containers;
    for (std::size_t i = 0; i < count; ++i) {
        containers.push_back(session().create("many-" + std::to_string(i)));
        containers.back().on_exit([&](const ExitEvent& event) {
            EXPECT_TRUE(event.record.status.success());
            ++exits;
        });
        containers.back().start({}, [] { return 0; });
    }
    dispatch_until([&] { return exits == count; });
    EXPECT_EQ(session().dispatch(), 0U);
}

} // namespace
} // namespace ct::test
