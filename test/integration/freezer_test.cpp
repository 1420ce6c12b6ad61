// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>
#include <new>
#include <thread>

#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup/freezer.hpp"
#include "cgroup/hierarchies.hpp"
#include "support/cgroups.hpp"
#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// The hierarchy by which a container is frozen.
enum class By {
    OwnGroup, ///< Whichever libct takes: that of version 2, where there is one.
    Freezer,  ///< The freezer of version 1, where that is mounted.
};

class Freezer : public ContainerTest, public ::testing::WithParamInterface<By> {
protected:
    /// With a pid namespace, since without one there is a group of version 2 as well.
    [[nodiscard]] Container freezable(const std::string& name = "box") {
        Container container = isolated(name);
        if (GetParam() == By::Freezer) return container.add_controller(Controller::Freezer);
        return container.set_cgroup({.own_group = true});
    }
    /// Freezes or thaws as somebody else would.
    static void by_hand(const std::string& group, bool frozen) {
        if (fs::exists(group + "/freezer.state")) {
            std::ofstream(group + "/freezer.state") << (frozen ? "FROZEN" : "THAWED");
        } else {
            std::ofstream(group + "/cgroup.freeze") << (frozen ? "1" : "0");
        }
    }
    [[nodiscard]] std::string group_of(const Container& container) const {
        return GetParam() == By::Freezer ? container.cgroup_path(Controller::Freezer) : own_group_path(container);
    }
};

INSTANTIATE_TEST_SUITE_P(, Freezer, ::testing::Values(By::OwnGroup, By::Freezer), [](const auto& param) {
    return param.param == By::OwnGroup ? "ByItsOwnGroup" : "ByTheFreezerController";
});

TEST_P(Freezer, StopsAWriterAndLetsItGoOn) {
    Container container = freezable();
    SharedCounter counter;
    container.start({}, [&] {
        for (;;) counter.add();
        return 0;
    });
    EXPECT_EQ(container.state(), State::Running);
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(counter.moves());
        container.freeze();
        EXPECT_EQ(container.state(), State::Paused);
        EXPECT_TRUE(container.running());
        EXPECT_FALSE(counter.moves_soon());
        container.thaw();
        EXPECT_EQ(container.state(), State::Running);
    }
    container.freeze();
    container.freeze(); // changes nothing
    EXPECT_FALSE(container.wait_for(milliseconds(1)));
    container.thaw();
    container.thaw();
    EXPECT_TRUE(counter.moves());
    container.kill();
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
}

TEST_P(Freezer, StopsAForkBomb) {
    Container container = freezable();
    container.set_controller_value(Controller::Pids, "pids.max", "40");
    SharedCounter counter;
    container.start({}, [&] { return fork_bomb(counter); });
    ASSERT_TRUE(counter.moves());
    for (int i = 0; i < 5; ++i) {
        container.freeze();
        EXPECT_FALSE(counter.moves_soon());
        container.thaw();
        ASSERT_TRUE(counter.moves());
    }
    container.freeze();
    container.kill();
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
}

TEST_P(Freezer, AFrozenContainerCanBeKilled) {
    Container container = freezable();
    start_ready(container, program({"fork-pause"}));
    container.freeze();
    container.kill();
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
    EXPECT_EQ(container.state(), State::Stopped);
}

TEST_P(Freezer, AFrozenContainerCanBeStopped) {
    Container container = freezable();
    start_ready(container, program({"trap", std::to_string(SIGTERM), "7"}));
    container.freeze();
    EXPECT_TRUE(exited(container.stop(Patience), 7)) << "it could heed the signal";
    start_ready(container, program({"ignore", std::to_string(SIGTERM)}));
    container.freeze();
    EXPECT_TRUE(signaled(container.stop(milliseconds(1)), SIGKILL));
}

TEST_P(Freezer, AFrozenContainerEndsWithItsSession) {
    Container container = freezable();
    const Process init = start_ready(container, program({"pause"}));
    container.freeze();
    close_session();
    EXPECT_EQ(container.state(), State::Stopped);
    EXPECT_TRUE(signaled(init.wait(), SIGKILL));
}

TEST_P(Freezer, AFrozenContainerCanBeRemoved) {
    Container container = freezable();
    start_ready(container, program({"pause"}));
    container.freeze();
    container.remove(Remove::Force);
    EXPECT_EQ(container.state(), State::Stopped);
}

TEST_P(Freezer, ASignalArrivesWhenItIsThawed) {
    Container container = freezable();
    start_ready(container, program({"trap", std::to_string(SIGUSR1), "5"}));
    container.freeze();
    container.signal(SIGUSR1);
    EXPECT_FALSE(container.try_wait());
    EXPECT_EQ(container.state(), State::Paused);
    container.thaw();
    EXPECT_TRUE(exited(container.wait(), 5));
}

TEST_P(Freezer, NobodyEntersAPausedContainer) {
    Container container = freezable();
    start_ready(container, program({"pause"}));
    container.freeze();
    for (const bool callable : {false, true}) {
        EXPECT_TRUE(fails(
            [&] {
                if (callable) {
                    container.enter({}, [] { return 0; });
                } else {
                    container.enter(program({"exit", "0"}));
                }
            },
            Errc::InvalidState, {"container 'box': enter", "it is paused and has to be running"}));
    }
    const auto is_paused = {std::string_view("it is paused and has to be stopped")};
    EXPECT_TRUE(fails([&] { container.start(program({"exit", "0"})); }, Errc::InvalidState, is_paused));
    EXPECT_TRUE(fails([&] { container.set_hostname("x"); }, Errc::InvalidState, is_paused));
    EXPECT_TRUE(fails([&] { container.remove(); }, Errc::InvalidState, is_paused));
    container.thaw();
    EXPECT_TRUE(fails([&] { container.start(program({"exit", "0"})); }, Errc::InvalidState, {"it is running and"}));
    EXPECT_TRUE(succeeded(run_entered(container, program({"exit", "0"}))));
    container.kill();
    container.wait();
}

TEST_P(Freezer, WhatSomebodyElseHasFrozenIsPausedAndThawed) {
    Container container = freezable();
    SharedCounter counter;
    container.start({}, [&] {
        for (;;) counter.add();
        return 0;
    });
    by_hand(group_of(container), true);
    EXPECT_EQ(container.state(), State::Paused);
    EXPECT_EQ(container.info().state, State::Paused);
    container.thaw();
    EXPECT_EQ(container.state(), State::Running);
    EXPECT_TRUE(counter.moves());
    container.kill();
    container.wait();
}

TEST_P(Freezer, AFrozenGroupAboveIsTold) {
    Container container = freezable();
    start_ready(container, program({"pause"}));
    const std::string above = fs::path(group_of(container)).parent_path();
    by_hand(above, true);
    while (container.state() != State::Paused) ::sched_yield(); // its processes are on their way
    EXPECT_TRUE(fails([&] { container.thaw(milliseconds(20)); }, std::errc::timed_out,
                      {"container 'box': thaw", "a group above it is frozen"}));
    // A start there would never end.
    Container other = freezable("other");
    for (const bool callable : {false, true}) {
        EXPECT_TRUE(fails(
            [&] {
                if (callable) {
                    other.start({}, [] { return 0; });
                } else {
                    other.start(program({"exit", "0"}));
                }
            },
            Errc::InvalidState, {"container 'other': make a process in the cgroup", "it is frozen"}));
        EXPECT_EQ(other.state(), State::Stopped);
    }
    // Kill it all the same.
    container.kill();
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
    by_hand(above, false);
}

TEST_P(Freezer, AnEndedContainerCannotBeFrozen) {
    Container container = freezable();
    EXPECT_TRUE(fails([&] { container.freeze(); }, Errc::InvalidState, {"container 'box': freeze", "stopped"}));
    EXPECT_TRUE(fails([&] { container.thaw(); }, Errc::InvalidState, {"container 'box': thaw", "stopped"}));
}

TEST_P(Freezer, OtherSessionsSeeIt) {
    Session first({.state_directory = make_dir("state"), .cgroup_parent = cgroup_parent()});
    Container container = first.create("box").add_namespace(Namespace::Pid);
    if (GetParam() == By::Freezer) {
        container.add_controller(Controller::Freezer);
    } else {
        container.set_cgroup({.own_group = true});
    }
    const Process init = start_ready(container, host_program({"trap", std::to_string(SIGTERM), "3"}));
    container.freeze();
    {
        Session second({.state_directory = make_dir("state"), .cgroup_parent = cgroup_parent()});
        EXPECT_EQ(second.containers().at(0).state, State::Paused);
        Container same = second.open("box");
        EXPECT_EQ(same.state(), State::Paused);
        same.thaw();
        EXPECT_EQ(container.state(), State::Running);
        same.freeze();
        EXPECT_EQ(container.state(), State::Paused);
        EXPECT_EQ(second.containers().at(0).state, State::Paused);
    }
    EXPECT_TRUE(exited(container.stop(Patience), 3));
}

class FreezerOfNone : public ContainerTest {};

TEST_F(FreezerOfNone, SaysWhatIsMissing) {
    Container container = isolated();
    start_ready(container, program({"pause"}));
    EXPECT_TRUE(fails([&] { container.freeze(); }, Errc::InvalidState,
                      {"container 'box': freeze", "has no cgroups", "Spec::cgroup"}));
    container.kill();
    container.wait();
}

TEST_F(FreezerOfNone, ManyThreadsFreezeAndThaw) {
    Container container = isolated().set_cgroup({.own_group = true});
    start_ready(container, program({"fork-pause"}));
    std::vector<std::thread> threads;
    std::atomic<int> failures{0};
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
            for (int j = 0; j < 20; ++j) {
                try {
                    if ((i + j) % 2 == 0) {
                        container.freeze(milliseconds(50));
                    } else {
                        (void)container.state();
                        container.thaw(milliseconds(0)); // others may have frozen it again
                    }
                } catch (const Error& error) {
                    if (error.code() != std::errc::timed_out) ++failures;
                }
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(failures, 0);
    container.kill();
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
}

} // namespace
} // namespace ct::test
