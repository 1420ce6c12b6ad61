// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <csignal>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/cgroups.hpp"
#include "support/fixture.hpp"

namespace ct::test {
namespace {

bool has_output(const Process& process) {
    pollfd fd{process.stream(1), POLLIN, 0};
    return ::poll(&fd, 1, 0) > 0;
}

class BornFrozen : public ContainerTest {
protected:
    [[nodiscard]] static Container frozen(Container container) {
        Cgroup cgroup = container.spec().cgroup;
        cgroup.born_frozen = true;
        return container.set_cgroup(cgroup);
    }
    /// Starts it, looks whether it is paused and silent, and lets it go on.
    static void check(Container& container, ProcessSpec process, const std::function<int()>& main = nullptr) {
        process.stdio.out = Stdio::Pipe;
        const Process init = main ? container.start(process, main) : container.start(process);
        EXPECT_EQ(container.state(), State::Paused);
        EXPECT_FALSE(has_output(init));
        EXPECT_FALSE(container.try_wait());
        container.thaw();
        EXPECT_EQ(read_line(init.stream(1)), "said");
        EXPECT_TRUE(exited(container.wait(), 0));
    }
    [[nodiscard]] static ProcessSpec speaks() { return program({"echo", "said", ""}); }
};

int say() {
    (void)!::write(1, "said\n", 5);
    return 0;
}

TEST_F(BornFrozen, AProgramHasNotRunYet) {
    Container container = frozen(isolated());
    for (int i = 0; i < 20; ++i) check(container, speaks());
}

/// On a host without version 2 the kernel does the same in quite another way.
TEST_F(BornFrozen, AlsoByVersion1) {
    if (!has_version_1(Controller::Freezer)) GTEST_SKIP() << "needs the freezer controller of cgroup version 1";
    EXPECT_TRUE(passes_in_child([&] {
        hide_version_2();
        Session own({.cgroup_parent = cgroup_parent()});
        const auto box = [&] { return frozen(own.create("box").add_namespace(Namespace::Pid)); };
        ProcessSpec process = host_program({"echo", "said", ""});
        {
            Container container = box();
            for (const Init init : {Init::None, Init::Reaper}) {
                process.init = init;
                check(container, process);
            }
            check(container, {}, say);
            container.start(process);
            container.kill();
            EXPECT_TRUE(signaled(container.wait(), SIGKILL));
            process.argv = {"/bin/missing"};
            EXPECT_TRUE(fails([&] { container.start(process); }, std::errc::no_such_file_or_directory, {"exec"}));
        }
        Container container = box();
        container.start(host_program({"pause"}));
    }));
}

TEST_F(BornFrozen, ACallableHasNotRunYet) {
    Container container = frozen(isolated());
    check(container, {}, say);
    ProcessSpec filtered;
    filtered.no_new_privileges = true;
    filtered.seccomp = Seccomp::standard();
    check(container, filtered, say);
}

TEST_F(BornFrozen, UnderAReaper) {
    Container container = frozen(isolated());
    ProcessSpec process = speaks();
    process.init = Init::Reaper;
    check(container, process);
}

TEST_F(BornFrozen, AsAnotherUserUnderAFilter) {
    Container container = frozen(isolated());
    ProcessSpec process = speaks();
    process.user = User{1000, 1000};
    process.no_new_privileges = true;
    process.capabilities.emplace();
    process.seccomp = Seccomp::standard();
    check(container, process);
}

TEST_F(BornFrozen, InUserAndTimeNamespaces) {
    Container user = frozen(isolated("user")).add_namespace(Namespace::User).map_root_to_caller();
    check(user, speaks());
    Container time = frozen(isolated("time")).add_namespace(Namespace::Time);
    check(time, speaks());
}

TEST_F(BornFrozen, WithLimitedMemoryAndJoinedNamespaces) {
    Container first = isolated("first");
    start_ready(first, program({"pause"}));
    Container second =
        frozen(isolated("second")).join_namespace(Namespace::Uts, first).join_namespace(Namespace::Ipc, first);
    second.add_controller(Controller::Memory);
    check(second, speaks());
    first.kill();
    first.wait();
}

TEST_F(BornFrozen, ErrorsOfExecAreReportedAsAlways) {
    Container container = frozen(isolated());
    for (const Init init : {Init::None, Init::Reaper}) {
        ProcessSpec process = program({});
        process.init = init;
        process.argv = {"/bin/missing"};
        EXPECT_TRUE(fails([&] { container.start(process); }, std::errc::no_such_file_or_directory,
                          {"container 'box': exec '/bin/missing'"}));
        EXPECT_EQ(container.state(), State::Stopped);
    }
    EXPECT_TRUE(fails(
        [&] {
            ProcessSpec process = speaks();
            process.working_directory = "/missing";
            container.start(process);
        },
        std::errc::no_such_file_or_directory, {"/missing"}));
}

TEST_F(BornFrozen, CanBeKilledAndStoppedAtOnce) {
    Container container = frozen(isolated());
    container.start(speaks());
    container.kill();
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
    container.start(speaks());
    EXPECT_TRUE(signaled(container.stop(Patience, SIGKILL), SIGKILL));
    Container outside = frozen(plain("outside"));
    outside.start(host_program({"pause"}));
    EXPECT_EQ(outside.state(), State::Paused);
    close_session();
    EXPECT_EQ(outside.state(), State::Stopped);
}

TEST_F(BornFrozen, TheHostHasNoChildButTheContainer) {
    Container container = frozen(plain());
    const Process init = container.start(host_program({"pause"}));
    siginfo_t info{};
    EXPECT_EQ(::waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL), 0);
    EXPECT_EQ(info.si_pid, 0) << "the end of the tracer, or a stop";
    EXPECT_NE(content("/proc/" + std::to_string(init.pid()) + "/status").find("TracerPid:\t0"), std::string::npos);
    container.kill();
    container.wait();
}

TEST_F(BornFrozen, NeedsAProgramOrCallable) {
    Container container = frozen(plain()).add_namespace(Namespace::Uts);
    EXPECT_TRUE(fails([&] { container.hold(); }, Errc::InvalidConfig, {"born frozen"}));
    ProcessSpec filtered;
    filtered.seccomp = Seccomp::standard();
    filtered.user = User{1000, 1000};
    EXPECT_TRUE(fails([&] { container.start(filtered, say); }, Errc::InvalidConfig, {"born frozen"}));
}

} // namespace
} // namespace ct::test
