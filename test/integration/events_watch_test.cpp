// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// What is watched of a container as long as it runs: pressure, statistics, health.

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <stdexcept>

#include "cgroup/hierarchies.hpp"
#include "events_fixture.hpp"
#include "support/cgroups.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

int pause_for_ever() {
    for (;;) ::pause();
}

std::size_t open_descriptors() {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

// --- Pressure

class PressureEvents : public EventsTest {
protected:
    void SetUp() override {
        EventsTest::SetUp();
        if (hierarchies_.unified() == nullptr) GTEST_SKIP() << "no cgroup version 2 on this host";
        if (!fs::exists("/proc/pressure/cpu")) GTEST_SKIP() << "this kernel does not measure pressure";
    }
    Container grouped() {
        Container container = plain();
        container.add_namespace(Namespace::Pid).set_cgroup({.own_group = true});
        return container;
    }
    /// More who want to run than may at a time.
    static int crowd() {
        for (long i = 0; i < 2 * ::sysconf(_SC_NPROCESSORS_ONLN); ++i) {
            if (::fork() == 0) break;
        }
        for (;;) {
        }
    }

    const internal::Hierarchies hierarchies_ = internal::Hierarchies::detect();
    const PressureTrigger cpu_{.resource = Resource::Cpu, .stall = 50ms, .window = 2s};
};

TEST_F(PressureEvents, AreToldToHostsThatPollTheDescriptor) {
    Container container = grouped();
    std::vector<PressureTrigger> told;
    container.on_pressure(cpu_, [&](const PressureEvent& event) {
        EXPECT_EQ(event.container, "box");
        EXPECT_GE(event.pressure.some.value().total, 50ms);
        told.push_back(event.trigger);
    });
    container.start({}, [] { return crowd(); });
    // Each poll makes the kernel look at what the descriptor watches: none may lose what was to be told.
    while (told.size() < 2) {
        pollfd ready{session().fd(), POLLIN, 0};
        ASSERT_EQ(::poll(&ready, 1, 60'000), 1);
        ASSERT_EQ(::poll(&ready, 1, 0), 1);
        (void)session().dispatch();
    }
    EXPECT_EQ(told, (std::vector<PressureTrigger>{cpu_, cpu_}));
    container.kill();
    container.wait();
}

TEST_F(PressureEvents, CanBeSetAndRemovedWhileItRuns) {
    Container container = grouped();
    note(container);
    container.start({}, [] { return crowd(); });
    bool told = false;
    const PressureTrigger other{.resource = Resource::Memory, .stall = 1s, .window = 2s, .stalled = Stalled::Full};
    container.on_pressure(other, [](const PressureEvent&) {});
    const std::size_t before = open_descriptors();
    container.on_pressure(cpu_, [&](const PressureEvent&) { told = true; });
    EXPECT_EQ(open_descriptors(), before + 1);
    dispatch_until([&] { return told; });
    container.on_pressure(cpu_, nullptr);
    EXPECT_EQ(open_descriptors(), before);
    container.kill();
    dispatch_until([&] { return stopped(); });
}

TEST_F(PressureEvents, OfAGroupThatMeasuresNoneAreRefused) {
    Container container = grouped();
    note(container);
    container.start({}, pause_for_ever);
    const fs::path group = own_group_path(container);
    if (!fs::exists(group / "cgroup.pressure")) GTEST_SKIP() << "needs Linux 6.1 to put the pressure of a group off";
    std::ofstream(group / "cgroup.pressure") << 0 << std::flush;
    EXPECT_TRUE(fails([&] { container.on_pressure(cpu_, [](const PressureEvent&) {}); }, Errc::Unsupported,
                      {"container 'box': ", (group / "cpu.pressure").string(), "psi=1"}));
    // As if nothing had been asked for.
    container.kill();
    dispatch_until([&] { return stopped(); });
    container.start({}, [] { return 0; });
    EXPECT_TRUE(exited(container.wait(), 0));
}

TEST_F(EventsTest, PressureOfGroupsOfVersion1IsRefusedBeforeAnythingRuns) {
    if (!has_version_1(Controller::Pids)) GTEST_SKIP() << "the pids controller is not one of version 1 here";
    Container container = plain();
    // Without a group of version 2: none is needed to end all.
    container.add_namespace(Namespace::Pid).add_controller(Controller::Pids);
    note(container);
    container.on_pressure({.resource = Resource::Io}, [](const PressureEvent&) {});
    EXPECT_TRUE(fails([&] { container.start({}, [] { return 0; }); }, Errc::Unsupported,
                      {"container 'box': ", "io.pressure", "version 2", "/pids"}));
    dispatch_until([&] { return stopped(); });
    EXPECT_EQ(said, (std::vector<std::string>{"state starting", "state stopped"}));
}

TEST_F(EventsTest, PressureWithoutAGroupIsRefused) {
    Container container = plain();
    container.on_pressure({}, [](const PressureEvent&) {});
    EXPECT_TRUE(fails([&] { container.start({}, [] { return 0; }); }, Errc::Unsupported,
                      {"memory.pressure", "no group of its own", "Cgroup::own_group"}));
    container.on_pressure({}, nullptr);
    container.start({}, [] { return 0; });
    EXPECT_TRUE(exited(container.wait(), 0));
}

TEST_F(EventsTest, AMalformedTriggerOfPressureIsRefused) {
    Container container = plain();
    for (const auto& [stall, window] : {std::pair{0us, 1'000'000us},
                                        {2'000'000us, 1'000'000us},
                                        {1us, 499'999us},
                                        {1us, 10'000'001us},
                                        {-1us, 1'000'000us}}) {
        EXPECT_TRUE(fails([&] { container.on_pressure({.stall = stall, .window = window}, nullptr); },
                          Errc::InvalidConfig, {"container 'box': watch the pressure"}));
    }
}

// --- Statistics

TEST_F(EventsTest, StatisticsComeAtRegularTimes) {
    constexpr auto interval = 20ms;
    Container container = plain();
    container.set_cgroup({.own_group = true});
    note(container);
    std::vector<steady_clock::time_point> times;
    container.on_stats(interval, [&](const StatsEvent& event) {
        EXPECT_EQ(event.container, "box");
        EXPECT_NE(said.back(), "state stopping");
        times.push_back(event.time);
    });
    EXPECT_EQ(session().dispatch(), 0U) << "nothing is due as long as it does not run";
    const auto begin = steady_clock::now();
    container.start({}, pause_for_ever);
    dispatch_until([&] { return times.size() == 5; });
    for (std::size_t i = 0; i < times.size(); ++i) EXPECT_GE(times[i], begin + (i + 1) * interval);
    // A host that is busy with something else gets the present, not the past.
    const auto busy_until = steady_clock::now() + 10 * interval;
    while (steady_clock::now() < busy_until) {
    }
    times.clear();
    (void)session().dispatch();
    (void)session().dispatch();
    EXPECT_LE(times.size(), 3U);
    container.kill();
    container.wait();
    times.clear();
    dispatch_until([&] { return stopped(); });
    pollfd ready{session().fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&ready, 1, 100), 0) << "nothing is due after its end";
}

TEST_F(EventsTest, StatisticsTellWhatStatsTells) {
    Container container = plain();
    container.set_cgroup({.own_group = true}).add_namespace(Namespace::Pid);
    container.start({}, pause_for_ever);
    std::optional<Stats> told;
    container.on_stats(1ms, [&](const StatsEvent& event) { told = event.stats; });
    dispatch_until([&] { return told.has_value(); });
    const Stats now = container.stats();
    EXPECT_EQ(told->cpu.usage.has_value(), now.cpu.usage.has_value());
    EXPECT_EQ(told->pids.current, now.pids.current);
    container.on_stats(1ms, nullptr);
    while (session().dispatch() > 0) continue;
    pollfd ready{session().fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&ready, 1, 20), 0);
    container.kill();
    container.wait();
}

TEST_F(EventsTest, StatisticsNeedAGroupAndATime) {
    Container container = plain();
    const auto handler = [](const StatsEvent&) {};
    for (const auto interval : {0ns, -5ns, 999'999ns, std::chrono::nanoseconds(25h)}) {
        EXPECT_TRUE(fails([&] { container.on_stats(interval, handler); }, Errc::InvalidConfig, {"container 'box'"}));
    }
    container.start({}, pause_for_ever);
    EXPECT_TRUE(fails([&] { container.on_stats(1s, handler); }, Errc::InvalidState, {"container 'box'", "no cgroups"}));
    container.kill();
    container.wait();
    note(container);
    container.on_stats(1s, handler);
    EXPECT_TRUE(fails([&] { container.start({}, [] { return 0; }); }, Errc::InvalidState, {"no cgroups"}));
    dispatch_until([&] { return stopped(); });
    EXPECT_EQ(said, (std::vector<std::string>{"state starting", "state stopped"}));
}

// --- Health

class HealthEvents : public EventsTest {
protected:
    HealthCheck check(std::function<bool()> callable) {
        return {.check = std::move(callable), .interval = 1ms, .timeout = 10s, .retries = 3};
    }
    HealthCheck check(std::vector<std::string> command) {
        ProcessSpec process = host_program(std::move(command));
        process.stdio = {Stdio::Null, Stdio::Null, Stdio::Null};
        return {.check = std::move(process), .interval = 1ms, .timeout = 10s, .retries = 3};
    }
    HealthHandler noted() {
        return [this](const HealthEvent& event) {
            health.push_back(std::string(to_string(event.health)) + " " + std::to_string(event.failures) + " " +
                             std::string(event.reason));
            last = event.last;
        };
    }
    void end(Container& container) {
        container.kill();
        dispatch_until([&] { return stopped(); });
        const auto told = health.size();
        while (session().dispatch() > 0) continue;
        EXPECT_EQ(health.size(), told);
    }

    std::vector<std::string> health;
    ExitStatus last;
};

TEST_F(HealthEvents, TellEachChangeOnce) {
    Container container = plain();
    note(container);
    bool good = true;
    int calls = 0;
    container.on_health(check([&] {
                            ++calls;
                            return good;
                        }),
                        noted());
    container.start({}, pause_for_ever);
    dispatch_until([&] { return calls == 5; });
    EXPECT_EQ(health, (std::vector<std::string>{"starting 0 ", "healthy 0 "}));
    good = false;
    dispatch_until([&] { return calls == 15; });
    EXPECT_EQ(health.size(), 3U);
    EXPECT_EQ(health.back(), "unhealthy 3 it returned false");
    good = true;
    dispatch_until([&] { return health.size() == 4; });
    EXPECT_EQ(health.back(), "healthy 0 ");
    end(container);
    const int before = calls;
    pollfd ready{session().fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&ready, 1, 50), 0);
    EXPECT_EQ(calls, before);
}

TEST_F(HealthEvents, OfProgramsTellTheirExitCode) {
    Container container = plain();
    container.add_namespace(Namespace::Pid);
    note(container);
    container.on_health(check({"exit", "7"}), noted());
    container.start({}, pause_for_ever);
    dispatch_until([&] { return health.size() == 2; });
    EXPECT_EQ(health.back(), "unhealthy 3 exited with code 7");
    EXPECT_EQ(last, (ExitStatus{ExitStatus::Kind::Exited, 7, false}));
    container.on_health(check({"exit", "0"}), noted());
    dispatch_until([&] { return health.size() == 4; });
    EXPECT_EQ(health.at(2), "starting 0 ");
    EXPECT_EQ(health.back(), "healthy 0 ");
    EXPECT_TRUE(last.success());
    end(container);
    EXPECT_TRUE(std::none_of(said.begin(), said.end(), [](const std::string& text) {
        return text.starts_with("process ");
    })) << "checks are no events";
}

TEST_F(HealthEvents, AProgramThatDoesNotEndIsKilled) {
    Container container = plain();
    note(container);
    HealthCheck slow = check({"pause"});
    slow.timeout = 20ms;
    slow.retries = 2;
    container.on_health(slow, noted());
    const pid_t init = container.start({}, pause_for_ever).pid();
    dispatch_until([&] { return health.size() == 2; });
    EXPECT_EQ(health.back(), "unhealthy 2 did not end within 20 ms");
    container.on_health({}, nullptr);
    EXPECT_TRUE(await([&] {
        (void)session().dispatch();
        return container.processes() == std::vector<pid_t>{init};
    }));
    end(container);
}

TEST_F(HealthEvents, AProgramThatSomebodyKillsHasFailed) {
    Container container = plain();
    note(container);
    HealthCheck patient = check({"pause"});
    patient.retries = 1;
    container.on_health(patient, noted());
    const pid_t init = container.start({}, pause_for_ever).pid();
    std::vector<pid_t> processes;
    dispatch_until([&] {
        processes = container.processes();
        return processes.size() == 2;
    });
    std::erase(processes, init);
    ASSERT_EQ(::kill(processes.front(), SIGKILL), 0);
    dispatch_until([&] { return health.size() == 2; });
    EXPECT_EQ(health.back(), "unhealthy 1 was killed by signal 9 (SIGKILL)");
    end(container);
}

TEST_F(HealthEvents, NothingIsLeftOfACheckWhenTheContainerEnds) {
    for (const bool grouped : {false, true}) {
        for (const bool dispatching : {false, true}) {
            Container container = plain();
            if (grouped) container.set_cgroup({.own_group = true});
            note(container);
            container.on_health(check({"pause"}), noted());
            const Process init = container.start({}, pause_for_ever);
            std::vector<pid_t> processes;
            dispatch_until([&] {
                processes = container.processes();
                return processes.size() == 2;
            });
            init.kill();
            if (!dispatching) container.wait();
            dispatch_until([&] { return stopped(); });
            EXPECT_TRUE(std::all_of(processes.begin(), processes.end(), [](pid_t pid) { return ::kill(pid, 0) < 0; }))
                << grouped << dispatching;
        }
    }
}

TEST_F(HealthEvents, ClosingTheSessionEndsACheck) {
    Container container = plain();
    container.on_health(check({"pause"}), noted());
    container.start({}, pause_for_ever);
    std::vector<pid_t> processes;
    dispatch_until([&] {
        processes = container.processes();
        return processes.size() == 2;
    });
    close_session();
    EXPECT_TRUE(std::all_of(processes.begin(), processes.end(), [](pid_t pid) { return ::kill(pid, 0) < 0; }));
}

TEST_F(HealthEvents, ACheckDoesNotKeepOthersWaiting) {
    Container container = plain();
    note(container);
    container.on_health(check({"pause"}), noted());
    container.start({}, pause_for_ever);
    dispatch_until([&] { return container.processes().size() == 2; });
    Container other = session().create("other");
    bool ended = false;
    other.on_exit([&](const ExitEvent&) { ended = true; });
    other.start({}, [] { return 0; });
    dispatch_until([&] { return ended; });
    EXPECT_EQ(container.processes().size(), 2U) << "it still goes on";
    end(container);
}

TEST_F(HealthEvents, AProgramThatCannotBeStartedHasFailed) {
    Container container = plain();
    note(container);
    HealthCheck missing = check({"exit", "0"});
    std::get<ProcessSpec>(missing.check).argv = {"/no/such/program"};
    container.on_health(missing, noted());
    container.start({}, pause_for_ever);
    dispatch_until([&] { return health.size() == 2; });
    EXPECT_TRUE(contains(health.back(), "unhealthy 3 container 'box': "));
    EXPECT_TRUE(contains(health.back(), "/no/such/program"));
    EXPECT_EQ(last.kind, ExitStatus::Kind::Unknown);
    end(container);
}

TEST_F(HealthEvents, FailuresAtTheBeginningDoNotCount) {
    Container container = plain();
    note(container);
    bool good = false;
    int calls = 0;
    HealthCheck young = check([&] {
        ++calls;
        return good;
    });
    young.start_period = 1h;
    container.on_health(young, noted());
    container.start({}, pause_for_ever);
    dispatch_until([&] { return calls == 10; });
    EXPECT_EQ(health, std::vector<std::string>{"starting 0 "});
    good = true;
    dispatch_until([&] { return health.size() == 2; });
    good = false;
    dispatch_until([&] { return health.size() == 3; });
    EXPECT_EQ(health.back(), "unhealthy 3 it returned false");
    end(container);
}

TEST_F(HealthEvents, WhatACallableThrowsLeavesDispatchAndIsAFailure) {
    Container container = plain();
    note(container);
    HealthCheck throwing = check([]() -> bool { throw std::runtime_error("no"); });
    throwing.retries = 2;
    container.on_health(throwing, noted());
    container.start({}, pause_for_ever);
    int thrown = 0;
    while (health.size() < 2) {
        try {
            (void)session().dispatch_for(60s);
        } catch (const std::runtime_error&) {
            ++thrown;
        }
    }
    EXPECT_GE(thrown, 2);
    EXPECT_EQ(health.back(), "unhealthy 2 it threw");
    container.on_health({}, nullptr);
    end(container);
}

TEST_F(HealthEvents, APausedContainerIsNotChecked) {
    Container container = plain();
    container.add_namespace(Namespace::Pid).set_cgroup({.own_group = true});
    note(container);
    int calls = 0;
    container.on_health(check([&] {
                            ++calls;
                            return true;
                        }),
                        noted());
    container.start({}, pause_for_ever);
    dispatch_until([&] { return calls == 2; });
    container.freeze();
    const int before = calls;
    std::size_t turns = 0;
    dispatch_until([&] {
        ++turns;
        return turns > 20;
    });
    EXPECT_EQ(calls, before);
    container.thaw();
    dispatch_until([&] { return calls > before; });
    end(container);
}

TEST_F(HealthEvents, OfAHeldContainerAreThoseOfItsProcesses) {
    Container container = plain();
    container.add_namespace(Namespace::Uts);
    note(container);
    container.on_health(check({"exit", "0"}), noted());
    container.hold();
    dispatch_until([&] { return health.size() == 2; });
    EXPECT_EQ(health.back(), "healthy 0 ");
    (void)container.stop(0s);
    dispatch_until([&] { return stopped(); });
}

TEST_F(HealthEvents, AHandlerMayEndTheContainer) {
    Container container = plain();
    note(container);
    container.on_health(check({"exit", "1"}), [&](const HealthEvent& event) {
        if (event.health == Health::Unhealthy) container.kill();
    });
    container.start({}, pause_for_ever);
    dispatch_until([&] { return stopped(); });
    EXPECT_EQ(record->status.value, SIGKILL);
}

TEST_F(HealthEvents, MalformedChecksAreRefused) {
    Container container = plain();
    const auto refused = [&](const std::function<void(HealthCheck&)>& spoil, std::string_view part) {
        HealthCheck spoiled = check({"exit", "0"});
        spoil(spoiled);
        EXPECT_TRUE(
            fails([&] { container.on_health(spoiled, noted()); }, Errc::InvalidConfig, {"container 'box'", part}));
    };
    refused([](HealthCheck& check) { check.interval = 0ns; }, "interval");
    refused([](HealthCheck& check) { check.timeout = 25h; }, "time limit");
    refused([](HealthCheck& check) { check.retries = 0; }, "retries");
    refused([](HealthCheck& check) { check.check = std::function<bool()>(); }, "callable");
    refused([](HealthCheck& check) { check.check = ProcessSpec(); }, "program");
    refused([](HealthCheck& check) { std::get<ProcessSpec>(check.check).stdio.out = Stdio::Pipe; }, "pipe");
    refused([](HealthCheck& check) { std::get<ProcessSpec>(check.check).terminal.emplace(); }, "terminal");
}

} // namespace
} // namespace ct::test
