// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <csignal>
#include <fstream>
#include <set>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.hpp"
#include "cgroup/groups.hpp"
#include "cgroup/kill.hpp"
#include "cgroup/parents.hpp"
#include "cgroup/processes.hpp"
#include "cgroup/removal.hpp"
#include "state/registration.hpp"
#include "support/cgroups.hpp"
#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using internal::Group;
using internal::Groups;
using std::chrono::milliseconds;
using std::chrono::seconds;

void write(const std::string& path, const std::string& text) {
    std::ofstream file(path);
    file << text;
    file.close();
    EXPECT_TRUE(file) << path;
}

/// Says so once it is there.
void pause_ready() {
    (void)!::write(1, "ready\n", 6);
    for (;;) ::pause();
}

/// A daemon, as they make themselves: neither parent nor session tell where it came from.
void daemonize() {
    if (::fork() != 0) return;
    ::setsid();
    if (::fork() != 0) ::_exit(0);
    pause_ready();
}

/// Whether the container has that many processes, once those that are on their way out are gone. Nobody forks any more.
bool comes_down_to(Container& container, std::size_t count) {
    return await([&] { return container.processes().size() == count; });
}

class GroupEnd : public ContainerTest {
protected:
    [[nodiscard]] Container grouped(Container container) const {
        return container.set_cgroup({.own_group = true, .values = {{Controller::Pids, "pids.max", "60"}}});
    }
    [[nodiscard]] std::string group_of(const Container& container) const { return own_group_path(container); }
};

TEST_F(GroupEnd, KillGetsAForkBombAndAllDaemonsWithoutAPidNamespace) {
    Container container = grouped(plain());
    SharedCounter counter;
    for (int i = 0; i < 5; ++i) {
        const Process init = container.start({.stdio = {.out = Stdio::Pipe}}, [&] {
            for (int j = 0; j < 5; ++j) daemonize();
            if (::fork() == 0) return fork_bomb(counter);
            for (;;) ::pause();
        });
        ASSERT_TRUE(counter.moves());
        container.kill();
        EXPECT_TRUE(signaled(container.wait(), SIGKILL));
        EXPECT_TRUE(reaches_end(init.stream(1))) << "somebody is left";
        EXPECT_FALSE(counter.moves_soon());
    }
}

TEST_F(GroupEnd, WhatTheFirstProcessLeavesBehindEndsWithIt) {
    Container container = grouped(plain());
    SharedCounter counter;
    const Process init = container.start({.stdio = {.out = Stdio::Pipe}}, [&] {
        daemonize();
        if (::fork() == 0) return fork_bomb(counter);
        while (counter.value() < 50) ::sched_yield();
        return 3;
    });
    EXPECT_TRUE(exited(container.wait(), 3));
    EXPECT_TRUE(reaches_end(init.stream(1)));
    EXPECT_FALSE(fs::exists(group_of(container)));
}

TEST_F(GroupEnd, ProcessesListsDaemonsToo) {
    Container container = grouped(plain());
    const Process init = container.start({.stdio = {.out = Stdio::Pipe}}, [] {
        daemonize();
        if (::fork() == 0) daemonize();
        pause_ready();
        return 0;
    });
    // It, its child, the two daemons; those between them may still be there.
    for (int i = 0; i < 4; ++i) EXPECT_EQ(read_line(init.stream(1)), "ready");
    EXPECT_TRUE(comes_down_to(container, 4));
    const std::string nested = group_of(container) + "/nested";
    fs::create_directory(nested);
    write(nested + "/cgroup.procs", std::to_string(container.processes().back()));
    EXPECT_TRUE(comes_down_to(container, 4)) << "nested groups count";
    container.kill();
    container.wait();
    EXPECT_TRUE(reaches_end(init.stream(1)));
}

TEST_F(GroupEnd, FreezingAndKillingIsExactWithoutCgroupKill) {
    // By the function that hosts without cgroup.kill need, in whichever hierarchies this one has.
    Container container = grouped(plain());
    SharedCounter counter;
    const Process init = container.start({.stdio = {.out = Stdio::Pipe}}, [&] { return fork_bomb(counter); });
    ASSERT_TRUE(counter.moves());
    const internal::Hierarchies hierarchies = internal::Hierarchies::detect();
    const Groups groups = internal::open_groups(hierarchies, {group_of(container)});
    ASSERT_EQ(groups.all().size(), 1U);
    internal::kill_frozen(groups, seconds(10));
    EXPECT_TRUE(reaches_end(init.stream(1)));
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
}

TEST_F(GroupEnd, WithoutVersion2TheFreezerDoesIt) {
    if (!has_version_1(Controller::Freezer)) GTEST_SKIP() << "needs the freezer controller of cgroup version 1";
    EXPECT_TRUE(passes_in_child([&] {
        hide_version_2();
        Session own({.cgroup_parent = cgroup_parent()});
        Container container = grouped(own.create("box"));
        SharedCounter counter;
        for (int i = 0; i < 5; ++i) {
            const Process init = container.start({.stdio = {.out = Stdio::Pipe}}, [&] {
                daemonize();
                return fork_bomb(counter);
            });
            ASSERT_TRUE(counter.moves());
            container.kill();
            EXPECT_TRUE(signaled(container.wait(), SIGKILL));
            EXPECT_TRUE(reaches_end(init.stream(1)));
        }
        // One that was frozen in a group below.
        start_ready(container, host_program({"fork-pause"}));
        const std::string nested = container.cgroup_path(Controller::Freezer) + "/nested";
        fs::create_directory(nested);
        write(nested + "/tasks", std::to_string(container.processes().back()));
        write(nested + "/freezer.state", "FROZEN");
        container.kill();
        container.wait();
        EXPECT_FALSE(fs::exists(nested));
    }));
}

TEST_F(GroupEnd, NestedGroupsOfAnyShapeGo) {
    Container container = grouped(plain());
    for (const Controller controller : {Controller::Freezer, Controller::Memory, Controller::Cpu})
        container.add_controller(controller);
    start_ready(container, host_program({"fork-pause"}));
    const std::string own = group_of(container);
    for (const std::string& top : std::set<std::string>{own, container.cgroup_path(Controller::Memory)}) {
        for (const char* const name : {" ", "\xff\xfe", "-rf", "*", "a b\\040c"}) {
            ASSERT_TRUE(fs::create_directory(top + "/" + name)) << name;
        }
        fs::create_directory(top + "/closed");
        fs::create_directory(top + "/closed/inner");
        fs::permissions(top + "/closed", fs::perms::none);
    }
    // Deeper than a path can name, and wide, differently in each hierarchy.
    const auto make_deep = [](const std::string& top, const char* name, int depth) {
        internal::UniqueFd at(::open(top.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        int made = 0;
        while (made < depth && ::mkdirat(at.get(), name, 0755) == 0) {
            at = internal::UniqueFd(::openat(at.get(), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
            ++made;
        }
        return made;
    };
    EXPECT_GT(make_deep(container.cgroup_path(Controller::Cpu), "deep", 300), 200);
    EXPECT_GT(make_deep(own, "d", 1200), 200);
    for (int i = 0; i < 500; ++i) fs::create_directories(own + "/wide" + std::to_string(i) + "/x");
    const std::string processes = own + "/wide7/x/cgroup.procs";
    write(processes, std::to_string(container.processes().back()));
    if (fs::exists(own + "/wide7/cgroup.freeze")) write(own + "/wide7/cgroup.freeze", "1");
    container.kill();
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
    EXPECT_FALSE(fs::exists(own));
}

TEST_F(GroupEnd, GroupsOfThreadsGo) {
    Container container = grouped(plain());
    start_ready(container, host_program({"fork-pause"}));
    const std::string own = group_of(container);
    if (!fs::exists(own + "/cgroup.type")) GTEST_SKIP() << "needs cgroup version 2";
    fs::create_directories(own + "/a/b");
    write(own + "/a/cgroup.type", "threaded");
    write(own + "/a/b/cgroup.type", "threaded");
    write(own + "/a/b/cgroup.threads", std::to_string(container.processes().back()));
    EXPECT_EQ(container.processes().size(), 2U);
    container.freeze();
    container.thaw();
    container.kill();
    container.wait();
    EXPECT_FALSE(fs::exists(own));
}

TEST_F(GroupEnd, WhatCannotGoIsLoggedAndLetsTheNameBeUsedLater) {
    std::string log;
    Session own({.log_handler =
                     [&](LogLevel level, std::string_view text) {
                         if (level == LogLevel::Warning) log += text;
                     },
                 .cgroup_parent = cgroup_parent()});
    Container container = own.create("box").set_cgroup({.own_group = true});
    start_ready(container, host_program({"pause"}));
    const std::string nested = own_group_path(container) + "/nested";
    fs::create_directory(nested);
    ASSERT_EQ(::mount("none", nested.c_str(), "tmpfs", 0, nullptr), 0); // rmdir(2) does not remove what is mounted on
    const internal::Hierarchies hierarchies = internal::Hierarchies::detect();
    const Groups groups = internal::open_groups(hierarchies, {own_group_path(container)});
    container.kill();
    EXPECT_TRUE(fails([&] { internal::remove_groups(groups, milliseconds(50)); }, std::errc::device_or_resource_busy,
                      {"remove the cgroup '" + own_group_path(container)}));
    ASSERT_EQ(::umount2(nested.c_str(), MNT_DETACH), 0);
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
    EXPECT_EQ(log, "");
    EXPECT_FALSE(fs::exists(nested));
    EXPECT_TRUE(exited(container.start(host_program({"exit", "3"})).wait(), 3));
}

TEST_F(GroupEnd, WhatAFailedStartCouldNotRemoveTheNextSessionDoes) {
    const internal::Hierarchies hierarchies = internal::Hierarchies::detect();
    const internal::Hierarchy* const hierarchy = hierarchies.find(Controller::Pids);
    if (hierarchy == nullptr) GTEST_SKIP() << "needs the pids controller";
    const std::string state = make_dir("state");
    const std::string group = hierarchy->mount_point + cgroup_parent() + "-box";
    const std::string nested = group + "/nested";
    const auto fail_start = [&](const internal::GroupMark& mark, internal::Registration& registration) {
        fs::create_directories(nested);
        const internal::UniqueFd directory(::open(group.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        mark.put_on(directory.get());
        ASSERT_EQ(::mount("none", nested.c_str(), "tmpfs", 0, nullptr), 0); // in the way of rmdir(2)
        const auto spec = std::make_shared<const Spec>();
        registration.reserve(spec, OnClose::Kill);
        registration.claim({spec, {}, OnClose::Kill});
        registration.announce_groups({group}, mark.text());
        EXPECT_TRUE(fails([&] { registration.failed(); }, std::errc::device_or_resource_busy, {"remove the cgroup"}));
    };
    for (const bool released : {false, true}) {
        SCOPED_TRACE(released ? "the container is gone" : "the process is gone");
        const internal::Store store(state);
        EXPECT_TRUE(passes_in_child([&] {
            const internal::GroupMark mark;
            internal::Registration registration(store, "box");
            fail_start(mark, registration);
            if (released) {
                EXPECT_THROW(registration.release(), Error);
                // Also in this process; it is not free yet.
                Session same({.state_directory = state});
                EXPECT_THROW((void)same.create("box"), Error);
            }
        }));
        EXPECT_TRUE(store.read("box").has_value());
        ASSERT_EQ(::umount2(nested.c_str(), MNT_DETACH), 0);
        Session next({.state_directory = state});
        EXPECT_FALSE(fs::exists(group));
        EXPECT_FALSE(store.read("box").has_value());
    }
}

TEST_F(GroupEnd, ManyAtOnce) {
    std::vector<Container> containers;
    for (int i = 0; i < 20; ++i) {
        containers.push_back(plain("box" + std::to_string(i)).set_cgroup({.own_group = true}));
        start_ready(containers.back(), host_program({"fork-pause"}));
    }
    for (Container& container : containers) container.freeze();
    close_session();
    for (Container& container : containers) EXPECT_EQ(container.state(), State::Stopped);
}

} // namespace
} // namespace ct::test
