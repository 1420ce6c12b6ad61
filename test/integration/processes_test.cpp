// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Which processes of the host belong to a container.
#include <algorithm>
#include <sstream>

#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

using Pids = std::vector<pid_t>;

/// Children of \p pid, by the kernel's own list.
Pids children_of(pid_t pid) {
    const std::string task = "/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children";
    std::istringstream stream{content(task)};
    Pids found;
    for (pid_t child = 0; stream >> child;) found.push_back(child);
    return found;
}

class Processes : public ContainerTest {
protected:
    static Pids sorted(Pids pids) {
        std::sort(pids.begin(), pids.end());
        return pids;
    }

    Process enter_ready(Container& container, ProcessSpec spec) {
        spec.stdio.out = Stdio::Pipe;
        Process process = container.enter(spec);
        EXPECT_EQ(read_line(process.stream(1)), "ready");
        return process;
    }
};

TEST_F(Processes, AreThoseOfThePidNamespace) {
    Container container = isolated();
    const Process init = start_ready(container, program({"fork-pause"}));
    const Process entered = enter_ready(container, program({"orphan"}));
    entered.wait();
    const Pids below = children_of(init.pid()); // its own child, and the orphan
    ASSERT_EQ(below.size(), 2U);
    EXPECT_EQ(container.processes(), sorted({init.pid(), below[0], below[1]}));
    container.kill();
    container.wait();
    EXPECT_TRUE(fails([&] { (void)container.processes(); }, Errc::InvalidState, {"it is stopped"}));
}

TEST_F(Processes, InNestedPidNamespacesCount) {
    Container container = isolated();
    ProcessSpec spec;
    spec.stdio.out = Stdio::Pipe;
    const Process init = container.start(spec, [] {
        if (::unshare(CLONE_NEWPID) != 0) return 1;
        if (::fork() == 0) {
            ::puts("nested");
            ::fflush(stdout);
            for (;;) ::pause();
        }
        for (;;) ::pause();
    });
    EXPECT_EQ(read_line(init.stream(1)), "nested");
    const Pids nested = children_of(init.pid());
    ASSERT_EQ(nested.size(), 1U);
    EXPECT_EQ(container.processes(), sorted({init.pid(), nested[0]}));
    container.kill();
    container.wait();
}

TEST_F(Processes, AreDescendantsWithoutAPidNamespace) {
    Container container = plain();
    const Process init = start_ready(container, host_program({"fork-pause"}));
    const Process entered = enter_ready(container, host_program({"fork-pause"}));
    const Pids expected =
        sorted({init.pid(), children_of(init.pid()).at(0), entered.pid(), children_of(entered.pid()).at(0)});
    EXPECT_EQ(container.processes(), expected);
    for (const pid_t pid : expected) ::kill(pid, SIGKILL);
    EXPECT_TRUE(reaches_end(init.stream(1)));
    EXPECT_TRUE(reaches_end(entered.stream(1)));
    entered.wait();
    container.wait();
}

TEST_F(Processes, WithHostileNamesAreUnderstood) {
    Container container = plain();
    ProcessSpec spec;
    spec.stdio.out = Stdio::Pipe;
    const Process init = container.start(spec, []() -> int {
        ::prctl(PR_SET_NAME, ") Z 1 (x)\n");
        if (::fork() == 0) {
            ::prctl(PR_SET_NAME, "a) R 1 1 1");
            ::puts("named");
            ::fflush(stdout);
            for (;;) ::pause();
        }
        for (;;) ::pause();
    });
    EXPECT_EQ(read_line(init.stream(1)), "named");
    const Pids below = children_of(init.pid());
    ASSERT_EQ(below.size(), 1U);
    EXPECT_EQ(container.processes(), sorted({init.pid(), below[0]}));
    ::kill(below[0], SIGKILL);
    container.kill();
    container.wait();
}

TEST_F(Processes, ZombiesDoNotCount) {
    Container container = plain();
    const Process init = start_ready(container, host_program({"fork-pause"}));
    const pid_t child = children_of(init.pid()).at(0);
    ::kill(child, SIGKILL);
    const std::string stat = "/proc/" + std::to_string(child) + "/stat";
    ASSERT_TRUE(await([&] { return contains(content(stat), ") Z "); }));
    EXPECT_EQ(container.processes(), Pids{init.pid()});
    container.kill();
    container.wait();
}

TEST_F(Processes, OfAdoptedAndHeldContainers) {
    Container first = isolated("first");
    const Process init = start_ready(first, program({"fork-pause"}));
    Session other;
    Container adopted = other.adopt("adopted", init.pid());
    EXPECT_EQ(adopted.processes(), first.processes());
    EXPECT_EQ(adopted.processes().size(), 2U);
    first.kill();
    first.wait();

    Container held = plain("held").add_namespace(Namespace::Uts);
    held.hold();
    const Process entered = enter_ready(held, host_program({"pause"}));
    EXPECT_EQ(held.processes(), Pids{entered.pid()});
    held.stop(std::chrono::seconds(0));
}

TEST_F(Processes, UnprivilegedUserSeesItsOwn) {
    CT_REQUIRE(Privilege::SetUser);
    CT_REQUIRE(Privilege::UserNamespaces);
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session own;
        Container container = own.create("own").add_namespaces({Namespace::User, Namespace::Pid}).map_root_to_caller();
        const Process init = start_ready(container, host_program({"fork-pause"}));
        EXPECT_EQ(container.processes(), sorted({init.pid(), children_of(init.pid()).at(0)}));
        container.kill();
        container.wait();
    }));
}

TEST_F(Processes, TryWaitOnlyLooks) {
    Container container = plain();
    ProcessSpec spec = host_program({"wait-stdin"});
    spec.stdio.in = Stdio::Pipe;
    const Process init = container.start(spec);
    EXPECT_FALSE(container.try_wait());
    init.close_stream(0);
    EXPECT_TRUE(exited(init.wait(), 0));
    ASSERT_TRUE(container.try_wait());
    EXPECT_TRUE(exited(*container.try_wait(), 0));
    EXPECT_EQ(container.state(), State::Stopped);
}

} // namespace
} // namespace ct::test
