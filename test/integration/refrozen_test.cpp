// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Containers that freeze themselves, in whole or in part, when that is in the way.
#include <atomic>
#include <csignal>
#include <fstream>
#include <new>
#include <thread>

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "launch/launch.hpp"
#include "support/cgroups.hpp"
#include "support/faults.hpp"
#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

/// Freezes a group of version 1, as long as it can.
[[noreturn]] void freeze_again_and_again(const std::string& group) {
    const int state = ::open((group + "/freezer.state").c_str(), O_WRONLY | O_CLOEXEC);
    for (;;) (void)!::pwrite(state, "FROZEN", 6, 0);
}

class Refrozen : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        if (!has_version_1(Controller::Freezer)) GTEST_SKIP() << "needs the freezer of cgroup version 1";
    }
    [[nodiscard]] Container freezing(const std::string& name = "box") {
        return plain(name).set_cgroup({.own_group = true, .controllers = {Controller::Freezer}});
    }
    [[nodiscard]] static std::string group_of(const std::string& name = "box") {
        const internal::Hierarchies hierarchies = internal::Hierarchies::detect();
        return hierarchies.find(Controller::Freezer)->mount_point + cgroup_parent() + "/" + name;
    }
};

TEST_F(Refrozen, IsKilledAllTheSame) {
    Container container = freezing();
    const std::string group = group_of();
    for (int i = 0; i < 20; ++i) {
        container.start({}, [&] {
            for (int j = 0; j < 8; ++j) {
                if (::fork() == 0) freeze_again_and_again(group);
            }
            for (;;) ::pause();
            return 0;
        });
        while (container.state() != State::Paused) ::sched_yield();
        container.kill();
        const auto status = container.wait_for(Patience);
        ASSERT_TRUE(status.has_value());
        EXPECT_TRUE(signaled(*status, SIGKILL));
    }
}

TEST_F(Refrozen, IsKilledWhoeverFreezesIt) {
    Container container = freezing();
    start_ready(container, host_program({"fork-pause"}));
    // Somebody outside, who does not end with it, but gives up at some time.
    std::atomic<int> times{0};
    std::thread outside([state = group_of() + "/freezer.state", &times] {
        while (times < 5 && fs::exists(state)) {
            if (content(state) != "THAWED\n") continue;
            std::ofstream(state) << "FROZEN";
            ++times;
        }
    });
    while (container.state() != State::Paused) ::sched_yield();
    container.kill();
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
    outside.join();
}

TEST_F(Refrozen, IsStoppedAlsoWithoutAFirstProcess) {
    Container container = freezing().add_namespace(Namespace::Uts);
    const std::string group = group_of();
    for (int i = 0; i < 5; ++i) {
        container.hold();
        const Process entered = container.enter({.stdio = {.out = Stdio::Pipe}}, [&] {
            ::signal(SIGTERM, SIG_IGN);
            for (int j = 0; j < 4; ++j) {
                if (::fork() == 0) freeze_again_and_again(group);
            }
            for (;;) ::pause();
            return 0;
        });
        while (container.state() != State::Paused) ::sched_yield();
        container.stop(milliseconds(1));
        EXPECT_EQ(container.state(), State::Stopped);
        EXPECT_TRUE(signaled(entered.wait(), SIGKILL));
        EXPECT_TRUE(reaches_end(entered.stream(1))) << "somebody is left";
    }
}

/// Who may divide the container's groups moves those that enter into a frozen one, at each step of their set-up.
class TrappedEntering : public ContainerTest, public ::testing::WithParamInterface<int> {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        internal::enter_patience = milliseconds(200);
    }
    void TearDown() override {
        internal::enter_patience = std::chrono::seconds(10);
        ContainerTest::TearDown();
    }
    static void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }
};

INSTANTIATE_TEST_SUITE_P(, TrappedEntering, ::testing::Values(1, 2),
                         [](const auto& param) { return "OfVersion" + std::to_string(param.param); });

TEST_P(TrappedEntering, IsGivenUpAfterAWhile) {
    const bool old = GetParam() == 1;
    if (old && !has_version_1(Controller::Freezer)) GTEST_SKIP() << "needs the freezer of cgroup version 1";
    Container container = isolated().set_cgroup({.own_group = true});
    if (old) container.add_controller(Controller::Freezer);
    const Process init = start_ready(container, program({"pause"}));
    const std::string top = old ? container.cgroup_path(Controller::Freezer) : own_group_path(container);
    const std::string trap = top + "/trap";
    fs::create_directory(trap);
    if (!old && !fs::exists(trap + "/cgroup.freeze")) GTEST_SKIP() << "needs cgroup version 2";
    const auto freeze = [&](bool frozen) {
        if (old) {
            write(trap + "/freezer.state", frozen ? "FROZEN" : "THAWED");
        } else {
            write(trap + "/cgroup.freeze", frozen ? "1" : "0");
        }
    };
    const SharedFaults faults;
    ProcessSpec pause = program({"pause"});
    pause.stdio.out = Stdio::Null;
    int given_up = 0;
    int entered_all_the_same = 0;
    bool passed = false;
    for (std::uint32_t at = 1; !passed; ++at) {
        SharedFaults::set(at);
        std::optional<Process> entered;
        std::string said;
        std::atomic<bool> over{false};
        std::thread entering([&] {
            try {
                entered = container.enter(pause);
            } catch (const Error& error) {
                EXPECT_EQ(error.code(), std::errc::timed_out) << at;
                said = error.what();
            }
            over = true;
        });
        while (SharedFaults::passed() < at && !over) ::sched_yield();
        passed = over; // each step has been the one
        freeze(true);
        for (const std::string& pid : lines(content(top + "/cgroup.procs"))) {
            if (pid != std::to_string(init.pid())) write(trap + "/cgroup.procs", pid);
        }
        SharedFaults::go();
        entering.join();
        if (!said.empty()) {
            ++given_up;
            EXPECT_TRUE(contains(said, "container 'box': set up the process")) << at;
            EXPECT_TRUE(contains(said, "something in the container keeps it from going on")) << at;
            EXPECT_EQ(content(trap + "/cgroup.procs"), "") << at;
        }
        freeze(false);
        if (entered) {
            ++entered_all_the_same;
            entered->kill();
            EXPECT_TRUE(signaled(entered->wait(), SIGKILL));
        }
        EXPECT_EQ(container.processes(), std::vector<pid_t>{init.pid()}) << at;
    }
    EXPECT_GT(given_up, 3);
    EXPECT_GT(entered_all_the_same, 1) << "before it is there nobody can trap it";
    container.kill();
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
}

/// Its end comes when somebody is about to use its groups.
class EndedMeanwhile : public ContainerTest {
protected:
    /// All that uses the groups of a running container. Nothing waits for its time limit.
    [[nodiscard]] static std::vector<std::pair<std::string, std::function<void(Container&)>>> uses() {
        return {{"freeze", [](Container& box) { box.freeze(std::chrono::hours(1)); }},
                {"thaw", [](Container& box) { box.thaw(std::chrono::hours(1)); }},
                {"update", [](Container& box) { box.update({.pids_max = 30}); }},
                {"update of devices", [](Container& box) { box.update({.devices = std::vector<DeviceRule>{}}); }},
                {"set_controller_value",
                 [](Container& box) { box.set_controller_value(Controller::Pids, "pids.max", "40"); }},
                {"controller_value", [](Container& box) { (void)box.controller_value(Controller::Pids, "pids.max"); }},
                {"cgroup_path", [](Container& box) { (void)box.cgroup_path(Controller::Pids); }},
                {"stats", [](Container& box) { (void)box.stats(); }}};
    }
    [[nodiscard]] Container limited(Session& session) {
        return session.create("box").set_cgroup(
            {.own_group = true,
             .controllers = {Controller::Devices},
             .limits = {.pids_max = 20, .devices = std::vector<DeviceRule>{{.allow = true}}}});
    }
};

TEST_F(EndedMeanwhile, IsToldWhateverTheKernelSays) {
    for (const bool recorded : {false, true}) {
        SessionOptions options{.cgroup_parent = cgroup_parent()};
        if (recorded) options.state_directory = make_dir("state");
        Session session(options);
        for (const auto& [name, use] : uses()) {
            for (std::uint32_t at = 1;; ++at) {
                SCOPED_TRACE(name + ", at point " + std::to_string(at));
                Container container = limited(session);
                start_ready(container, host_program({"pause"}));
                const SharedFaults faults;
                SharedFaults::set(at);
                std::atomic<bool> over{false};
                std::thread user([&, use = use] {
                    try {
                        use(container);
                    } catch (const Error& error) {
                        EXPECT_EQ(error.code(), Errc::InvalidState) << error.what();
                        EXPECT_TRUE(contains(error.what(), "and has to be running"));
                    }
                    over = true;
                });
                while (SharedFaults::passed() < at && !over) ::sched_yield();
                const bool passed = over;
                container.kill();
                // It cannot be recorded as long as somebody is about to change the record.
                std::thread waiter([&] { container.wait(); });
                while (!passed && fs::exists(own_group_path(container))) ::sched_yield();
                SharedFaults::go();
                waiter.join();
                user.join();
                if (passed) break;
            }
        }
    }
}

TEST_F(EndedMeanwhile, IsToldInARace) {
    Session own({.cgroup_parent = cgroup_parent()});
    for (int i = 0; i < 15; ++i) {
        Container container = limited(own);
        start_ready(container, host_program({"pause"}));
        std::atomic<bool> over{false};
        std::vector<std::thread> threads;
        for (const auto& [name, use] : uses()) {
            threads.emplace_back([&, name = name, use = use] {
                try {
                    while (!over) use(container); // some may be used of a stopped one, too
                } catch (const Error& error) {
                    EXPECT_EQ(error.code(), Errc::InvalidState) << name << ": " << error.what();
                }
            });
        }
        container.kill();
        container.wait();
        over = true;
        for (std::thread& thread : threads) thread.join();
    }
}

} // namespace
} // namespace ct::test
