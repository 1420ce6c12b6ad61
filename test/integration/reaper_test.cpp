// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <csignal>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

class Reaper : public ContainerTest {
protected:
    static ProcessSpec reaped(std::vector<std::string> args) {
        ProcessSpec spec = program(std::move(args));
        spec.init = Init::Reaper;
        return spec;
    }
};

TEST_F(Reaper, ProgramIsItsChild) {
    Container container = isolated().add_default_mounts();
    const Process process = start_ready(container, reaped({"pause"}));
    EXPECT_TRUE(contains(run_entered(container, program({"cat", "/proc/1/comm"})).out, "reaper"));
    EXPECT_TRUE(contains(run_entered(container, program({"cat", "/proc/2/cmdline"})).out, "pause"));
    EXPECT_TRUE(contains(run_entered(container, program({"cat", "/proc/2/status"})).out, "PPid:\t1\n"));
    process.kill();
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
}

TEST_F(Reaper, EndsWithTheProgramsStatus) {
    Container container = isolated();
    EXPECT_TRUE(exited(run(container, reaped({"exit", "0"})).status, 0));
    EXPECT_TRUE(exited(run(container, reaped({"exit", "127"})).status, 127));
    EXPECT_TRUE(exited(run(container, reaped({"exit", "255"})).status, 255));
    EXPECT_TRUE(signaled(run(container, reaped({"raise", std::to_string(SIGTERM)})).status, SIGTERM));
    EXPECT_TRUE(signaled(run(container, reaped({"raise", std::to_string(SIGKILL)})).status, SIGKILL));
    ProcessSpec dumping = reaped({"raise", std::to_string(SIGQUIT)});
    dumping.limits = {{RLIMIT_CORE, 0, 0}};
    EXPECT_EQ(run(container, dumping).status, (ExitStatus{ExitStatus::Kind::Signaled, SIGQUIT, false}));
}

TEST_F(Reaper, HandsOnSignals) {
    Container container = isolated();
    // Without a handler the program would be immune as a first process; as a child of one it is not.
    (void)start_ready(container, reaped({"pause"}));
    container.signal(SIGTERM);
    EXPECT_TRUE(signaled(container.wait(), SIGTERM));
    (void)start_ready(container, reaped({"trap", std::to_string(SIGUSR1), "42"}));
    container.signal(SIGUSR1);
    EXPECT_TRUE(exited(container.wait(), 42));
    (void)start_ready(container, reaped({"pause"}));
    EXPECT_TRUE(signaled(container.stop(Patience), SIGTERM));
}

TEST_F(Reaper, HandsOnSignalsToAnotherUser) {
    Container container = isolated();
    ProcessSpec spec = reaped({"pause"});
    spec.user = User{1000, 1000};
    spec.capabilities.emplace();
    (void)start_ready(container, spec);
    container.signal(SIGTERM);
    EXPECT_TRUE(signaled(container.wait(), SIGTERM));
}

TEST_F(Reaper, ReapsOrphans) {
    Container container = isolated().add_default_mounts();
    // Says its orphan's pid, which has ended by then.
    const Finished finished = run(container, reaped({"orphan-gone"}));
    EXPECT_TRUE(succeeded(finished));
    EXPECT_EQ(finished.out, "reaped\n");
}

TEST_F(Reaper, EndOfTheProgramEndsAllOthers) {
    Container container = isolated();
    ProcessSpec spec = reaped({"orphan"});
    spec.stdio.out = Stdio::Pipe;
    const Process process = container.start(spec);
    EXPECT_TRUE(exited(container.wait(), 0));
    EXPECT_TRUE(reaches_end(process.stream(1)));
}

TEST_F(Reaper, KeepsNothingOpen) {
    Container container = isolated().add_default_mounts();
    ProcessSpec spec = reaped({"wait-stdin"});
    spec.stdio.in = Stdio::Pipe;
    const Process process = start_ready(container, spec);
    const std::string fds = run_entered(container, program({"ls", "/proc/1/fd"})).out;
    EXPECT_EQ(fds, "0\n1\n2\n3\n");
    EXPECT_TRUE(contains(run_entered(container, program({"readlink", "/proc/1/fd/0"})).out, "/dev/null"));
    process.close_stream(0);
    EXPECT_TRUE(exited(container.wait(), 0));
}

TEST_F(Reaper, HasNoPrivilegeButToSignal) {
    Container container = isolated().add_default_mounts();
    (void)start_ready(container, reaped({"pause"}));
    const std::string status = run_entered(container, program({"cat", "/proc/1/status"})).out;
    for (const char* set : {"CapPrm", "CapEff", "CapBnd"})
        EXPECT_TRUE(contains(status, std::string{set} + ":\t0000000000000020")) << status;
    EXPECT_TRUE(contains(status, "NoNewPrivs:\t1"));
    // Its program can be read, but not changed.
    EXPECT_TRUE(contains(run_entered(container, program({"write", "/proc/1/exe", "text"})).err, "ETXTBSY"));
    container.kill();
    container.wait();
}

TEST_F(Reaper, WorksInAUserNamespaceAndWithATerminal) {
    Container container = isolated().add_namespace(Namespace::User).map_root_to_caller().add_default_mounts();
    EXPECT_TRUE(exited(run(container, reaped({"exit", "3"})).status, 3));
    ProcessSpec spec = reaped({"tty"});
    spec.terminal = TerminalSize{30, 100};
    const Process process = container.start(spec);
    EXPECT_TRUE(contains(read_line(process.terminal()), "terminals 1 1 1"));
    EXPECT_TRUE(contains(read_line(process.terminal()), "controlling 1"));
    EXPECT_TRUE(contains(read_line(process.terminal()), "foreground 1"));
    EXPECT_TRUE(contains(read_line(process.terminal()), "leader 1"));
    EXPECT_TRUE(contains(read_line(process.terminal()), "30x100"));
    EXPECT_TRUE(exited(container.wait(), 0));
}

TEST_F(Reaper, FailuresNameTheStepAndLeaveNothing) {
    Container container = isolated();
    EXPECT_TRUE(fails([&] { container.start({.argv = {"/bin/nothing"}, .init = Init::Reaper}); },
                      std::errc::no_such_file_or_directory, {"container 'box': exec '/bin/nothing'"}));
    ProcessSpec spec = reaped({"exit", "0"});
    spec.working_directory = "/nowhere";
    EXPECT_TRUE(fails([&] { container.start(spec); }, std::errc::no_such_file_or_directory,
                      {"change to the working directory '/nowhere'"}));
    container.add_mount({.source = (dir() / "nothing").string(), .target = "/data", .options = {}});
    EXPECT_TRUE(fails(
        [&] {
            container.start(reaped({"exit", "0"}));
        },
        std::errc::no_such_file_or_directory, {"bind on '/data'"}));
}

TEST_F(Reaper, NeedsAPidNamespaceAndAProgram) {
    Container container = plain();
    EXPECT_TRUE(fails(
        [&] {
            container.start(reaped({"exit", "0"}));
        },
        Errc::InvalidConfig, {"a reaper needs a new pid namespace"}));
    Container box = isolated("other");
    ProcessSpec spec;
    spec.init = Init::Reaper;
    EXPECT_TRUE(
        fails([&] { box.start(spec, [] { return 0; }); }, Errc::InvalidConfig, {"a callable cannot have a reaper"}));
    (void)start_ready(box, reaped({"pause"}));
    EXPECT_TRUE(fails(
        [&] {
            box.enter(reaped({"exit", "0"}));
        },
        Errc::InvalidConfig, {"only the first process can have a reaper"}));
    box.kill();
    box.wait();
}

TEST_F(Reaper, StartsInACopyOfTheHostAsWell) {
    Container container = isolated().add_namespace(Namespace::Time);
    EXPECT_TRUE(exited(run(container, reaped({"exit", "9"})).status, 9));
}

} // namespace
} // namespace ct::test
