// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <csignal>
#include <fstream>
#include <map>
#include <sstream>

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup/controllers.hpp"
#include "cgroup/hierarchies.hpp"
#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using internal::Hierarchies;
using internal::Hierarchy;

/// The groups of a process by the name of their hierarchy; that of version 2 is empty.
std::map<std::string, std::string> groups_of(const std::string& text) {
    std::map<std::string, std::string> groups;
    for (const std::string& line : lines(text)) {
        const std::size_t first = line.find(':');
        const std::size_t second = line.find(':', first + 1);
        groups[line.substr(first + 1, second - first - 1)] = line.substr(second + 1);
    }
    return groups;
}
std::map<std::string, std::string> groups_of(pid_t pid) {
    return groups_of(content("/proc/" + std::to_string(pid) + "/cgroup"));
}

int pause_here() {
    (void)!::write(1, "ready\n", 6);
    for (;;) ::pause();
    return 0;
}

class Cgroups : public ContainerTest {
protected:
    /// Controllers of this host, but no more than \p most.
    [[nodiscard]] std::vector<Controller> some_controllers(std::size_t most = 14) const {
        std::vector<Controller> found;
        for (const Controller controller : internal::AllControllers) {
            if (hierarchies_.find(controller) != nullptr && found.size() < most) found.push_back(controller);
        }
        return found;
    }
    [[nodiscard]] std::string place(const Hierarchy& hierarchy, const std::string& name = "box") const {
        return hierarchy.mount_point + cgroup_parent() + "/" + name;
    }
    /// A container with all of the host's controllers, of which \p edit makes something else.
    [[nodiscard]] Container controlled(Container container) const {
        for (const Controller controller : some_controllers()) container.add_controller(controller);
        return container;
    }

    const Hierarchies hierarchies_ = Hierarchies::detect();
};

TEST_F(Cgroups, AContainerWithoutAnyIsWhereTheHostIs) {
    Container container = isolated();
    const Process init = start_ready(container, program({"pause"}));
    EXPECT_EQ(groups_of(init.pid()), groups_of(::getpid()));
    container.kill();
    container.wait();
}

TEST_F(Cgroups, EachControllerIsUsedWhereItLives) {
    for (const Controller controller : some_controllers()) {
        SCOPED_TRACE(to_string(controller));
        Container container = isolated().add_controller(controller);
        const Process init = start_ready(container, program({"pause"}));
        const Hierarchy& hierarchy = *hierarchies_.find(controller);
        EXPECT_EQ(container.cgroup_path(controller), place(hierarchy));
        auto expected = groups_of(::getpid());
        expected[hierarchy.name] = cgroup_parent() + "/box";
        EXPECT_EQ(groups_of(init.pid()), expected);
        container.kill();
        container.wait();
        EXPECT_FALSE(fs::exists(place(hierarchy)));
    }
}

TEST_F(Cgroups, AllControllersTogetherAlsoForEnteredProcessesCallablesAndReapers) {
    Container container = controlled(isolated());
    const Process init = start_ready(container, program({"pause"}));
    const auto groups = groups_of(init.pid());
    for (const Hierarchy& hierarchy : hierarchies_.all()) {
        if (!hierarchy.controllers.empty()) {
            EXPECT_EQ(groups.at(hierarchy.name), cgroup_parent() + "/box");
        }
    }
    ProcessSpec pause = program({"pause"});
    pause.stdio.out = Stdio::Pipe;
    const Process entered = container.enter(pause);
    EXPECT_EQ(read_line(entered.stream(1)), "ready");
    EXPECT_EQ(groups_of(entered.pid()), groups);
    const Process callable = container.enter({.stdio = {.out = Stdio::Pipe}}, pause_here);
    EXPECT_EQ(read_line(callable.stream(1)), "ready");
    EXPECT_EQ(groups_of(callable.pid()), groups);
    container.kill();
    container.wait();

    ProcessSpec reaped = program({"pause"});
    reaped.init = Init::Reaper;
    const Process reaper = start_ready(container, reaped);
    for (const pid_t pid : container.processes()) EXPECT_EQ(groups_of(pid), groups) << pid;
    EXPECT_GE(container.processes().size(), 2U);
    EXPECT_EQ(groups_of(reaper.pid()), groups);
    container.kill();
    container.wait();

    const Process first = container.start({.stdio = {.out = Stdio::Pipe}}, pause_here);
    EXPECT_EQ(read_line(first.stream(1)), "ready");
    EXPECT_EQ(groups_of(first.pid()), groups);
    container.kill();
    container.wait();
}

TEST_F(Cgroups, WorkInAUserNamespaceOfAnotherUserToo) {
    Container container = controlled(isolated())
                              .add_namespaces({Namespace::User, Namespace::Cgroup})
                              .add_uid_map({0, 100000, 65536})
                              .add_gid_map({0, 100000, 65536})
                              .add_default_mounts();
    fs::permissions(image(), fs::perms{0777});
    const Process init = start_ready(container, program({"pause"}));
    for (const Hierarchy& hierarchy : hierarchies_.all()) {
        if (!hierarchy.controllers.empty()) {
            EXPECT_EQ(groups_of(init.pid()).at(hierarchy.name), cgroup_parent() + "/box");
        }
    }
    // Its cgroup namespace begins at its groups, also for those who enter.
    for (const auto& [name, path] : groups_of(run_entered(container, program({"cat", "/proc/self/cgroup"})).out)) {
        const auto hierarchy = std::find_if(hierarchies_.all().begin(), hierarchies_.all().end(),
                                            [&, &name = name](const Hierarchy& one) { return one.name == name; });
        if (hierarchy != hierarchies_.all().end() && !hierarchy->controllers.empty()) {
            EXPECT_EQ(path, "/") << name;
        }
    }
    container.kill();
    container.wait();
}

TEST_F(Cgroups, ANamespaceBeginsAtItsGroups) {
    Container container = controlled(isolated()).add_namespace(Namespace::Cgroup).add_default_mounts();
    const auto groups = groups_of(run(container, program({"cat", "/proc/self/cgroup"})).out);
    for (const Hierarchy& hierarchy : hierarchies_.all()) {
        if (!hierarchy.controllers.empty()) {
            EXPECT_EQ(groups.at(hierarchy.name), "/");
        }
    }
}

TEST_F(Cgroups, AHeldContainerHasThemToo) {
    Container container = controlled(plain()).add_namespaces({Namespace::Uts, Namespace::Cgroup});
    container.hold();
    ProcessSpec pause = host_program({"fork-pause"});
    pause.stdio.out = Stdio::Pipe;
    const Process entered = container.enter(pause);
    EXPECT_EQ(read_line(entered.stream(1)), "ready");
    for (const Hierarchy& hierarchy : hierarchies_.all()) {
        if (!hierarchy.controllers.empty()) {
            EXPECT_EQ(groups_of(entered.pid()).at(hierarchy.name), cgroup_parent() + "/box");
        }
    }
    container.stop(std::chrono::seconds{0});
    EXPECT_TRUE(reaches_end(entered.stream(1))) << "the child of the entered process is left";
}

TEST_F(Cgroups, WhatIsLeftInThemEndsWithTheFirstProcess) {
    Container container = controlled(plain());
    ProcessSpec orphan = host_program({"orphan"});
    orphan.stdio.out = Stdio::Pipe;
    const Process init = container.start(orphan);
    EXPECT_TRUE(exited(container.wait(), 0));
    EXPECT_TRUE(reaches_end(init.stream(1)));
}

TEST_F(Cgroups, NestedGroupsGoToo) {
    Container container = controlled(plain());
    const Process init = start_ready(container, host_program({"pause"}));
    for (const Controller controller : some_controllers()) {
        fs::create_directories(fs::path{container.cgroup_path(controller)} / "a" / "b");
        fs::create_directories(fs::path{container.cgroup_path(controller)} / "c");
    }
    container.kill();
    container.wait();
    EXPECT_EQ(container.state(), State::Stopped);
    for (const Hierarchy& hierarchy : hierarchies_.all()) EXPECT_FALSE(fs::exists(place(hierarchy)));
}

TEST_F(Cgroups, ValuesAreRememberedWrittenInOrderAndRead) {
    const bool v1 = hierarchies_.find(Controller::Pids)->version == 1;
    Container container = isolated();
    container.set_controller_value(Controller::Pids, "pids.max", "7");
    container.set_controller_value(Controller::Pids, "pids.max", "9");
    EXPECT_EQ(container.spec().cgroup.values.size(), 1U);
    EXPECT_EQ(container.controller_value(Controller::Pids, "pids.max"), "9");
    const Process init = start_ready(container, program({"pause"}));
    EXPECT_EQ(container.controller_value(Controller::Pids, "pids.max"), "9");
    container.set_controller_value(Controller::Pids, "pids.max", "max");
    EXPECT_EQ(container.controller_value(Controller::Pids, "pids.max"), "max");
    const std::string path = container.cgroup_path(Controller::Pids);
    EXPECT_TRUE(fails([&] { container.set_controller_value(Controller::Pids, "pids.max", "many"); },
                      std::errc::invalid_argument,
                      {"container 'box': write \"many\" to '" + path + "/pids.max': Invalid argument"}));
    EXPECT_TRUE(fails([&] { container.set_controller_value(Controller::Pids, "pids.none", "1"); },
                      std::errc::no_such_file_or_directory, {path + "/pids.none", "has no such file"}));
    for (const char* const file : {"cgroup.procs", "../box/pids.max", "..", "", "tasks"}) {
        EXPECT_TRUE(fails([&] { container.set_controller_value(Controller::Pids, file, "1"); }, Errc::InvalidConfig,
                          {"container 'box'", "control file"}));
    }
    if (v1) {
        EXPECT_TRUE(fails([&] { (void)container.controller_value(Controller::Cpuset, "cpuset.cpus"); },
                          Errc::InvalidState, {"started without it"}));
    }
    container.kill();
    container.wait();
    EXPECT_EQ(container.controller_value(Controller::Pids, "pids.max"), "9");
}

TEST_F(Cgroups, AValueThatIsRefusedLeavesNothing) {
    for (const bool late : {false, true}) {
        Container container = isolated();
        container.set_cgroup({.values = {{Controller::Pids, "pids.max", "none"}}, .limits_after_set_up = late});
        EXPECT_TRUE(fails(
            [&] {
                container.start(program({"exit", "0"}));
            },
            std::errc::invalid_argument, {"container 'box': write \"none\" to '", "box/pids.max': Invalid argument"}));
        EXPECT_FALSE(fs::exists(place(*hierarchies_.find(Controller::Pids))));
    }
}

TEST_F(Cgroups, AnUnknownControllerNamesWhereItWasLookedFor) {
    for (const Controller controller : internal::AllControllers) {
        if (hierarchies_.find(controller) != nullptr) continue;
        Container container = isolated().add_controller(controller);
        EXPECT_TRUE(fails(
            [&] {
                container.start(program({"exit", "0"}));
            },
            Errc::Unsupported, {"container 'box': use the " + std::string{to_string(controller)} + " controller: "}));
    }
}

TEST_F(Cgroups, AGroupOfThatNameThatIsNotOursIsLeftAlone) {
    const Hierarchy& hierarchy = *hierarchies_.find(Controller::Pids);
    fs::create_directories(place(hierarchy));
    Container container = isolated().add_controller(Controller::Pids);
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::file_exists, {"container 'box': make the cgroup '" + place(hierarchy) + "'", "none of libct's"}));
    EXPECT_TRUE(fs::remove(place(hierarchy)));
    fs::remove(fs::path{place(hierarchy)}.parent_path());
}

TEST_F(Cgroups, AGroupThatIsThereIsUsedOnRequest) {
    const Hierarchy& hierarchy = *hierarchies_.find(Controller::Pids);
    fs::create_directories(place(hierarchy));
    Spec spec = isolated().add_controller(Controller::Pids).spec();
    spec.cgroup.use_existing = true;
    Container container = session().create("box");
    container.set_spec(spec);
    const Process init = start_ready(container, program({"pause"}));
    EXPECT_EQ(groups_of(init.pid()).at(hierarchy.name), cgroup_parent() + "/box");
    container.kill();
    container.wait();
    EXPECT_FALSE(fs::exists(place(hierarchy)));
    fs::remove(fs::path{place(hierarchy)}.parent_path());
}

TEST_F(Cgroups, AGroupWithProcessesIsNotUsedOnRequest) {
    const Hierarchy& hierarchy = *hierarchies_.find(Controller::Pids);
    fs::create_directories(place(hierarchy) + "/below");
    Container foreigner = plain("foreigner");
    const Process process = start_ready(foreigner, host_program({"pause"}));
    std::ofstream(place(hierarchy) + "/below/cgroup.procs") << process.pid() << std::flush;
    Spec spec = plain("box").add_controller(Controller::Pids).spec();
    spec.cgroup.use_existing = true;
    Container container = session().create("box");
    container.set_spec(spec);
    EXPECT_TRUE(fails(
        [&] {
            container.start(host_program({"exit", "0"}));
        },
        std::errc::device_or_resource_busy,
        {"container 'box': use the cgroup '" + place(hierarchy) + "'", "there are processes in it"}));
    EXPECT_EQ(foreigner.state(), State::Running);
    foreigner.kill();
    foreigner.wait();
    EXPECT_TRUE(fs::remove(place(hierarchy) + "/below"));
    EXPECT_TRUE(fs::remove(place(hierarchy)));
    fs::remove(fs::path{place(hierarchy)}.parent_path());
}

TEST_F(Cgroups, OneOfARunningContainerOfAnotherSessionIsLeftAlone) {
    Container container = isolated().add_controller(Controller::Pids);
    const Process init = start_ready(container, program({"pause"}));
    Session other{{.cgroup_parent = cgroup_parent()}};
    Container second = other.create("box").add_controller(Controller::Pids);
    EXPECT_TRUE(fails([&] { second.start(host_program({"exit", "0"})); }, Errc::NameInUse, {"box"}));
    EXPECT_EQ(groups_of(init.pid()).at(hierarchies_.find(Controller::Pids)->name), cgroup_parent() + "/box");
    container.kill();
    container.wait();
    EXPECT_TRUE(exited(second.start(host_program({"exit", "3"})).wait(), 3));
}

TEST_F(Cgroups, AForeignOneSurvivesARefusedStartThatIsRecorded) {
    const Hierarchy& hierarchy = *hierarchies_.find(Controller::Pids);
    fs::create_directories(place(hierarchy));
    Container foreigner = plain("foreigner");
    const Process process = start_ready(foreigner, host_program({"pause"}));
    std::ofstream(place(hierarchy) + "/cgroup.procs") << process.pid() << std::flush;
    {
        Session recorded({.state_directory = dir() / "state", .cgroup_parent = cgroup_parent()});
        Container container = recorded.create("box").add_controller(Controller::Pids);
        EXPECT_TRUE(fails([&] { container.start(host_program({"exit", "0"})); }, std::errc::file_exists, {"box"}));
    }
    Session next({.state_directory = dir() / "state", .cgroup_parent = cgroup_parent()});
    EXPECT_TRUE(fs::exists(place(hierarchy)));
    EXPECT_EQ(foreigner.state(), State::Running);
    foreigner.kill();
    foreigner.wait();
    EXPECT_TRUE(fs::remove(place(hierarchy)));
    fs::remove(fs::path{place(hierarchy)}.parent_path());
}

TEST_F(Cgroups, TwoSessionsOfOneProcessDoNotTakeEachOthers) {
    Container held = plain().add_controller(Controller::Pids).add_namespace(Namespace::Uts);
    held.hold(); // nobody is in its group
    Session other{{.cgroup_parent = cgroup_parent()}};
    Container second = other.create("box").add_controller(Controller::Pids);
    EXPECT_TRUE(fails([&] { second.start(host_program({"exit", "0"})); }, Errc::NameInUse, {"box"}));
    EXPECT_TRUE(exited(run_entered(held, host_program({"exit", "4"})).status, 4));
    held.stop(std::chrono::seconds{0});
}

TEST_F(Cgroups, EveryStartFindsTheParentAlsoIfAnotherSessionRemovesIt) {
    const SessionOptions options{.state_directory = dir() / "state", .cgroup_parent = cgroup_parent()};
    std::optional<Session> maker{options};
    Session user{options};
    Container first = maker->create("first").add_controller(Controller::Pids);
    Container second = user.create("second").add_controller(Controller::Pids);
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(exited(first.start(host_program({"exit", "3"})).wait(), 3));
        first.wait();
        EXPECT_TRUE(exited(second.start(host_program({"exit", "3"})).wait(), 3));
        second.wait();
    }
    maker.reset();
    EXPECT_FALSE(fs::exists(fs::path{place(*hierarchies_.find(Controller::Pids))}.parent_path()));
    EXPECT_TRUE(exited(second.start(host_program({"exit", "3"})).wait(), 3));
    second.wait();
}

TEST_F(Cgroups, AStaleOneOfAKilledHostIsReused) {
    const Hierarchy& hierarchy = *hierarchies_.find(Controller::Pids);
    const pid_t host = ::fork();
    ASSERT_GE(host, 0);
    if (host == 0) {
        try {
            Session own{{.on_close = OnClose::Kill, .cgroup_parent = cgroup_parent()}};
            std::string parent = cgroup_parent();
            Container container = own.create("box").add_controller(Controller::Pids);
            ProcessSpec pause = host_program({"pause"});
            pause.parent_death_signal = SIGKILL;
            container.start(pause);
            ::raise(SIGKILL);
        } catch (...) {
            ::_exit(1);
        }
    }
    int status = 0;
    ::waitpid(host, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    const std::string stale = hierarchy.mount_point + "/libct-test-" + std::to_string(host) + "/box";
    ASSERT_TRUE(fs::exists(stale)) << stale;
    const auto populated = [&] { return !content(stale + "/cgroup.procs").empty(); };
    while (populated()) ::sched_yield();
    {
        Session next{{.cgroup_parent = "/libct-test-" + std::to_string(host)}};
        Container again = next.create("box").add_controller(Controller::Pids);
        EXPECT_TRUE(exited(again.start(host_program({"exit", "3"})).wait(), 3));
        (void)again.wait();
    }
    EXPECT_FALSE(fs::exists(stale));
    fs::remove(fs::path{stale}.parent_path());
}

TEST_F(Cgroups, AnotherSessionThatOpensTheContainerFindsThem) {
    const SessionOptions options{
        .on_close = OnClose::Detach, .state_directory = dir() / "state", .cgroup_parent = cgroup_parent()};
    Session first{options};
    Container container = first.create("box").set_root(image().string()).add_namespace(Namespace::Mount);
    container = controlled(container);
    const Process init = start_ready(container, program({"pause"}));
    Session second{options};
    Container opened = second.open("box");
    EXPECT_EQ(opened.cgroup_path(Controller::Pids), place(*hierarchies_.find(Controller::Pids)));
    EXPECT_EQ(opened.controller_value(Controller::Pids, "pids.current"), "1");
    ProcessSpec pause = program({"pause"});
    pause.stdio.out = Stdio::Pipe;
    const Process entered = opened.enter(pause);
    EXPECT_EQ(read_line(entered.stream(1)), "ready");
    EXPECT_EQ(groups_of(entered.pid()), groups_of(init.pid()));
    EXPECT_EQ(opened.controller_value(Controller::Pids, "pids.current"), "2");
    opened.kill();
    opened.wait();
    for (const Hierarchy& hierarchy : hierarchies_.all()) EXPECT_FALSE(fs::exists(place(hierarchy)));
    EXPECT_TRUE(reaches_end(entered.stream(1)));
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
}

TEST_F(Cgroups, TheParentIsMadeAndGoesWithTheSession) {
    const Hierarchy& hierarchy = *hierarchies_.find(Controller::Pids);
    const std::string top = hierarchy.mount_point + cgroup_parent();
    {
        Session own{{.cgroup_parent = cgroup_parent() + "/inner/most"}};
        Container container = own.create("box").add_controller(Controller::Pids);
        const Process init = start_ready(container, host_program({"pause"}));
        EXPECT_EQ(container.cgroup_path(Controller::Pids), top + "/inner/most/box");
        container.kill();
        container.wait();
        EXPECT_TRUE(fs::exists(top + "/inner/most"));
    }
    EXPECT_FALSE(fs::exists(top));
    for (const char* const bad : {"", "relative", "/a/../b", "/./a"}) {
        EXPECT_TRUE(fails([&] { Session session({.cgroup_parent = bad}); }, Errc::InvalidConfig, {"cgroup parent"}));
    }
}

} // namespace
} // namespace ct::test
