// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Limits that change while the container runs.
#include <cmath>
#include <csignal>
#include <thread>

#include <unistd.h>

#include "base/fault.hpp"
#include "limits_fixture.hpp"

namespace ct::test {
namespace {

using UpdatedLimit = LimitsTest;

/// How either version says "no limit" for memory.
bool is_unlimited(const std::string& text) {
    return text == "max" || text.size() > 18;
}

TEST_F(UpdatedLimit, OnlyWhatIsGivenChangesAndTheSpecificationHasIt) {
    CT_REQUIRE_CONTROLLER(Controller::Pids);
    CT_REQUIRE_CONTROLLER(Controller::Cpu);
    Container container = isolated().set_limits({.cpu_weight = 200, .pids_max = 20});
    const Process init = start_ready(container, program({"pause"}));
    container.update({.pids_max = 30});
    EXPECT_EQ(container.controller_value(Controller::Pids, "pids.max"), "30");
    EXPECT_EQ(container.spec().cgroup.limits, (Limits{.cpu_weight = 200, .pids_max = 30}));
    container.update({.cpus = 0.5});
    const bool v1 = version(Controller::Cpu) == 1;
    EXPECT_EQ(container.controller_value(Controller::Cpu, v1 ? "cpu.cfs_quota_us" : "cpu.max"),
              v1 ? "50000" : "50000 100000");
    EXPECT_EQ(container.controller_value(Controller::Cpu, v1 ? "cpu.shares" : "cpu.weight"), v1 ? "2048" : "200");
    container.update({});
    EXPECT_EQ(container.spec().cgroup.limits, (Limits{.cpus = 0.5, .cpu_weight = 200, .pids_max = 30}));
    container.kill();
    container.wait();
    // As every change of the specification, it holds for the next start, too.
    const Process again = start_ready(container, program({"pause"}));
    EXPECT_EQ(container.controller_value(Controller::Pids, "pids.max"), "30");
    container.kill();
    container.wait();
}

TEST_F(UpdatedLimit, TimeAndPeriodGoUpAndDown) {
    CT_REQUIRE_CONTROLLER(Controller::Cpu);
    using std::chrono::milliseconds;
    const bool v1 = version(Controller::Cpu) == 1;
    Container container = isolated().set_limits({.cpus = 0.5});
    const Process init = start_ready(container, program({"spin"}));
    for (const auto& [cpus, period] : {std::pair(0.5, milliseconds(10)), std::pair(1.5, milliseconds(1000)),
                                       std::pair(0.2, milliseconds(5)), std::pair(0.2, milliseconds(100))}) {
        container.update({.cpus = cpus, .cpu_period = period});
        const std::string quota = std::to_string(std::lround(cpus * static_cast<double>(period.count() * 1000)));
        const std::string in = std::to_string(period.count() * 1000);
        if (v1) {
            EXPECT_EQ(container.controller_value(Controller::Cpu, "cpu.cfs_quota_us"), quota);
            EXPECT_EQ(container.controller_value(Controller::Cpu, "cpu.cfs_period_us"), in);
        } else {
            EXPECT_EQ(container.controller_value(Controller::Cpu, "cpu.max"), quota + " " + in);
        }
    }
    container.update({.cpus = HUGE_VAL});
    EXPECT_TRUE(container.controller_value(Controller::Cpu, v1 ? "cpu.cfs_quota_us" : "cpu.max")
                    .starts_with(v1 ? "-1" : "max"));
    container.kill();
    container.wait();
}

TEST_F(UpdatedLimit, ASpinnerIsThrottledFromThenOn) {
    CT_REQUIRE_CONTROLLER(Controller::Cpu);
    Container container = isolated().add_controller(Controller::Cpu);
    const Process init = start_ready(container, program({"spin"}));
    EXPECT_EQ(number(container, Controller::Cpu, "cpu.stat", "nr_throttled"), 0U);
    container.update({.cpus = 0.1});
    EXPECT_TRUE(gets_throttled(container, 3));
    container.kill();
    container.wait();
}

TEST_F(UpdatedLimit, ThePartOfTheIdleAndBack) {
    CT_REQUIRE_CONTROLLER(Controller::Cpu);
    Container container = isolated().set_limits({.cpu_weight = 300});
    const Process init = start_ready(container, program({"pause"}));
    const std::string file = version(Controller::Cpu) == 1 ? "cpu.shares" : "cpu.weight";
    const std::string weight = container.controller_value(Controller::Cpu, file);
    try {
        container.update({.cpu_idle = true});
    } catch (const Error& error) {
        EXPECT_TRUE(fails([&] { throw error; }, Errc::Unsupported, {"cpu.idle", "Linux 5.15"}));
        container.kill();
        container.wait();
        return;
    }
    EXPECT_NE(container.controller_value(Controller::Cpu, file), weight);
    container.update({.cpu_weight = 300}); // kept for later
    container.update({.cpu_idle = false});
    EXPECT_EQ(container.controller_value(Controller::Cpu, "cpu.idle"), "0");
    EXPECT_EQ(container.controller_value(Controller::Cpu, file), weight);
    container.kill();
    container.wait();
}

TEST_F(UpdatedLimit, MoreMemoryLetsAHogGoOn) {
    CT_REQUIRE_CONTROLLER(Controller::Memory);
    Container container = isolated().set_limits({.memory_max = 64 * MiB});
    const Process init = container.start(talking({"hog", "33554432", "67108864", "134217728"}));
    EXPECT_EQ(read_line(init.stream(1)), "have 33554432");
    container.update({.memory_max = 128 * MiB});
    ASSERT_EQ(::write(init.stream(0), "\n", 1), 1);
    EXPECT_EQ(read_line(init.stream(1)), "have 67108864");
    ASSERT_EQ(::write(init.stream(0), "\n", 1), 1);
    EXPECT_TRUE(signaled(container.wait(), SIGKILL)) << "three times as much is still too much";
}

TEST_F(UpdatedLimit, MemoryWithSwapGoesUpAndDown) {
    CT_REQUIRE_CONTROLLER(Controller::Memory);
    Container container = isolated().set_limits({.memory_max = 32 * MiB, .swap_max = 8 * MiB});
    std::optional<Process> init;
    try {
        init = start_ready(container, program({"pause"}));
    } catch (const Error& error) {
        ASSERT_EQ(error.code(), Errc::Unsupported) << error.what();
        GTEST_SKIP() << "this kernel does not count swap";
    }
    const bool v1 = version(Controller::Memory) == 1;
    const auto expect = [&](Bytes memory, Bytes swap) {
        EXPECT_EQ(container.controller_value(Controller::Memory, v1 ? "memory.limit_in_bytes" : "memory.max"),
                  std::to_string(memory.count));
        EXPECT_EQ(
            container.controller_value(Controller::Memory, v1 ? "memory.memsw.limit_in_bytes" : "memory.swap.max"),
            std::to_string(v1 ? memory.count + swap.count : swap.count));
    };
    container.update({.memory_max = 256 * MiB});
    expect(256 * MiB, 8 * MiB);
    container.update({.memory_max = 16 * MiB});
    expect(16 * MiB, 8 * MiB);
    container.update({.memory_max = 64 * MiB, .swap_max = Bytes{0}});
    expect(64 * MiB, Bytes{0});
    container.update({.swap_max = 64 * MiB});
    expect(64 * MiB, 64 * MiB);
    container.update({.memory_max = Bytes::unlimited(), .swap_max = Bytes::unlimited()});
    EXPECT_TRUE(
        is_unlimited(container.controller_value(Controller::Memory, v1 ? "memory.limit_in_bytes" : "memory.max")));
    EXPECT_TRUE(is_unlimited(
        container.controller_value(Controller::Memory, v1 ? "memory.memsw.limit_in_bytes" : "memory.swap.max")));
    container.kill();
    container.wait();
}

TEST_F(UpdatedLimit, LessMemoryThanInUse) {
    CT_REQUIRE_CONTROLLER(Controller::Memory);
    CT_REQUIRE_CONTROLLER(Controller::Pids);
    const Limits before{.memory_max = 128 * MiB, .pids_max = 10};
    Container container = isolated().set_limits(before);
    ProcessSpec hog = program({"hog", "67108864"});
    hog.stdio.out = Stdio::Pipe;
    const Process init = container.start(hog);
    EXPECT_EQ(read_line(init.stream(1)), "have 67108864");
    if (version(Controller::Memory) == 1) {
        EXPECT_TRUE(fails(
            [&] { container.update({.memory_max = 8 * MiB, .pids_max = 99}); }, std::errc::device_or_resource_busy,
            {"container 'box': write \"8388608\" to '", "box/memory.limit_in_bytes'", "more than that is in use"}));
        EXPECT_EQ(container.controller_value(Controller::Pids, "pids.max"), "10") << "restored";
        EXPECT_EQ(container.controller_value(Controller::Memory, "memory.limit_in_bytes"), "134217728");
        EXPECT_EQ(container.spec().cgroup.limits, before);
        container.kill();
        container.wait();
    } else {
        // Without swap to go to, what is in use ends.
        container.update({.memory_max = 8 * MiB, .swap_max = Bytes{0}, .pids_max = 99});
        EXPECT_TRUE(signaled(container.wait(), SIGKILL));
    }
}

TEST_F(UpdatedLimit, AFailedOneRestoresWhatItHasSet) {
    for (const Controller controller : {Controller::Cpu, Controller::Cpuset, Controller::Pids}) {
        CT_REQUIRE_CONTROLLER(controller);
    }
    const Limits before{.cpus = 0.5, .cpu_weight = 200, .pids_max = 20};
    Container container = isolated().set_limits(before).add_controller(Controller::Cpuset);
    const Process init = start_ready(container, program({"pause"}));
    const bool v1 = version(Controller::Cpu) == 1;
    const std::string cpus = version(Controller::Cpuset) == 1 ? "cpuset.cpus" : "cpuset.cpus.effective";
    const auto values = [&] {
        return container.controller_value(Controller::Cpu, v1 ? "cpu.cfs_quota_us" : "cpu.max") + " " +
               container.controller_value(Controller::Cpu, v1 ? "cpu.cfs_period_us" : "cpu.weight") + " " +
               container.controller_value(Controller::Cpu, v1 ? "cpu.shares" : "cpu.weight") + " " +
               container.controller_value(Controller::Cpuset, cpus) + " " +
               container.controller_value(Controller::Pids, "pids.max");
    };
    const std::string old = values();
    const Limits given{.cpus = 0.25,
                       .cpu_period = std::chrono::milliseconds(20),
                       .cpu_weight = 400,
                       .cpuset_cpus = "60000",
                       .pids_max = 99};
    EXPECT_TRUE(fails([&] { container.update(given); }, std::errc::result_out_of_range,
                      {"write \"60000\" to '", "cpuset.cpus'"}));
    EXPECT_EQ(values(), old);
    EXPECT_EQ(container.spec().cgroup.limits, before);

    Limits good = given;
    good.cpuset_cpus = "0";
    internal::Faults faults{.error = ENOTRECOVERABLE};
    internal::faults = &faults;
    bool failed = true;
    for (faults.at = 1; failed; ++faults.at) {
        faults.passed = 0;
        failed = false;
        try {
            container.update(good);
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), std::errc::state_not_recoverable) << error.what();
            failed = true;
        }
        EXPECT_TRUE(!failed || values() == old) << faults.at;
    }
    internal::faults = nullptr;
    EXPECT_GE(faults.at, 4U);
    EXPECT_EQ(container.controller_value(Controller::Cpuset, "cpuset.cpus"), "0");
    EXPECT_EQ(container.controller_value(Controller::Pids, "pids.max"), "99");
    container.kill();
    container.wait();
}

TEST_F(UpdatedLimit, NeedsTheControllerAndARunningContainer) {
    CT_REQUIRE_CONTROLLER(Controller::Pids);
    Container container = isolated().set_limits({.pids_max = 20});
    EXPECT_TRUE(fails([&] { container.update({.pids_max = 5}); }, Errc::InvalidState, {"update", "it is stopped"}));
    const Process init = start_ready(container, program({"pause"}));
    EXPECT_TRUE(fails([&] { container.update({.pids_max = 0}); }, Errc::InvalidConfig, {"a limit of 0 processes"}));
    EXPECT_TRUE(fails([&] { container.update({.cpus = 0.005}); }, Errc::InvalidConfig,
                      {"container 'box': update: a CPU limit of 500 us"}));
    if (version(Controller::Pids) == 1 && has(Controller::Cpuset)) {
        EXPECT_TRUE(fails([&] { container.update({.cpuset_cpus = "0", .pids_max = 5}); }, Errc::InvalidState,
                          {"use the cpuset controller", "started without it"}));
        EXPECT_EQ(container.controller_value(Controller::Pids, "pids.max"), "20");
    }
    if (version(Controller::Memory) == 1) {
        EXPECT_TRUE(fails([&] { container.update({.memory_max = MiB}); }, Errc::InvalidState, {"memory controller"}));
    }
    container.kill();
    container.wait();
    Container bare = isolated("bare");
    const Process other = start_ready(bare, program({"pause"}));
    EXPECT_TRUE(
        fails([&] { bare.update({.pids_max = 5}); }, Errc::InvalidState, {"container 'bare'", "pids controller"}));
    bare.kill();
    bare.wait();
}

TEST_F(UpdatedLimit, AnotherSessionUpdatesItToo) {
    CT_REQUIRE_CONTROLLER(Controller::Pids);
    const auto options = [&] {
        return SessionOptions{.state_directory = dir() / "state", .cgroup_parent = cgroup_parent()};
    };
    Session owner(options());
    Container container = owner.create("box").set_limits({.pids_max = 20});
    const Process init = start_ready(container, host_program({"pause"}));
    const auto recorded = [&] { return Session(options()).open("box").spec().cgroup.limits; };
    Session other(options());
    Container opened = other.open("box");
    opened.update({.pids_max = 30});
    EXPECT_EQ(container.controller_value(Controller::Pids, "pids.max"), "30");
    EXPECT_EQ(opened.spec().cgroup.limits.pids_max, 30U);
    EXPECT_EQ(recorded().pids_max, 30U);
    // Nothing that one has set is lost when the other sets something else.
    if (version(Controller::Pids) == 2) container.update({.hugetlb = {}});
    container.update({});
    EXPECT_EQ(container.spec().cgroup.limits.pids_max, 30U);
    container.update({.pids_max = 40});
    EXPECT_EQ(recorded().pids_max, 40U);
    opened.update({.pids_max = 50});
    // The owner can still end, detach and finish what another one has changed.
    container.detach();
    container.kill();
    container.wait();
    EXPECT_TRUE(fails([&] { (void)recorded(); }, Errc::NotFound, {"box"}));
}

TEST_F(UpdatedLimit, ThreadsUpdateAtOnce) {
    CT_REQUIRE_CONTROLLER(Controller::Pids);
    CT_REQUIRE_CONTROLLER(Controller::Cpu);
    Container container = isolated().set_limits({.cpu_weight = 1, .pids_max = 1000});
    const Process init = start_ready(container, program({"pause"}));
    std::thread weights([&] {
        for (std::uint32_t i = 1; i <= 200; ++i) container.update({.cpu_weight = i});
    });
    for (std::uint64_t i = 1; i <= 200; ++i) container.update({.pids_max = 1000 + i});
    weights.join();
    EXPECT_EQ(container.spec().cgroup.limits, (Limits{.cpu_weight = 200, .pids_max = 1200}));
    EXPECT_EQ(container.controller_value(Controller::Pids, "pids.max"), "1200");
    container.kill();
    container.wait();
}

TEST_F(UpdatedLimit, AHogThatDiesMeanwhileDoesNoHarm) {
    CT_REQUIRE_CONTROLLER(Controller::Memory);
    Container container = isolated().set_limits({.memory_max = 32 * MiB});
    const Process init = container.start(program({"hog", "1073741824"}));
    for (std::uint64_t i = 0; container.running(); ++i) {
        try {
            container.update({.memory_max = (32 + i % 2) * MiB});
        } catch (const Error& error) {
            // It has just ended, or its groups are just being removed; or it has more than it may have now.
            EXPECT_TRUE(error.code() == Errc::InvalidState || error.code() == std::errc::device_or_resource_busy)
                << error.what();
        }
    }
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
}

} // namespace
} // namespace ct::test
