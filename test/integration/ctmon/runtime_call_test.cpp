// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <csignal>

#include <fcntl.h>

#include "monitor_fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::Not;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAreArray;

/// What the runtime is called with, and what it inherits.
class RuntimeCall : public MonitorTest {
protected:
    void call_with(Words arguments, const Words& more = {}) {
        arguments.insert(arguments.end(), more.begin(), more.end());
        EXPECT_EQ(completes(arguments), 0);
    }
    /// The kind, permissions and target of a descriptor of the runtime.
    [[nodiscard]] std::string fd(int number) const {
        for (const std::string& line : recorded("fd")) {
            if (line.starts_with(std::to_string(number) + " ")) return line.substr(line.find(' ') + 1);
        }
        return "none";
    }
    [[nodiscard]] std::vector<int> fd_numbers() const {
        std::vector<int> numbers;
        for (const std::string& line : recorded("fd")) numbers.push_back(std::stoi(line));
        std::sort(numbers.begin(), numbers.end());
        return numbers;
    }
};

TEST_F(RuntimeCall, CreateIsCalledSo) {
    call_with(create());
    EXPECT_THAT(recorded("argv"),
                ElementsAreArray({runtime(), std::string("create"), std::string("--bundle"), bundle_.string(),
                                  std::string("--pid-file"), (root_ / "pidfile").string(), std::string(Cid)}));
}

TEST_F(RuntimeCall, CreateGetsAllOptionsInThisOrder) {
    call_with(create(),
              {"--runtime-opt", "--preserve-fds", "--no-new-keyring", "--runtime-arg", "--root=/r", "--restore-arg=x y",
               "--systemd-cgroup", "--runtime-arg", "-x", "--no-pivot", "--runtime-opt", "2", "--runtime-arg="});
    EXPECT_THAT(recorded("argv"),
                ElementsAreArray(Words{runtime(), "--systemd-cgroup", "--root=/r", "-x", "", "create", "--bundle",
                                       bundle_, "--pid-file", root_ / "pidfile", "--no-pivot", "--no-new-keyring",
                                       "--preserve-fds", "x y", "2", Cid}));
}

TEST_F(RuntimeCall, RestoreGetsItsCheckpoint) {
    call_with(create(), {"--restore", "/checkpoint", "--runtime-opt", "--tcp-established", "--runtime-arg", "--x", "-s",
                         "--no-pivot", "--no-new-keyring"});
    EXPECT_THAT(recorded("argv"), ElementsAreArray(Words{runtime(), "--systemd-cgroup", "--x", "restore", "--bundle",
                                                         bundle_, "--pid-file", root_ / "pidfile", "--no-pivot",
                                                         "--no-new-keyring", "--detach", "--image-path", "/checkpoint",
                                                         "--work-path", bundle_, "--tcp-established", Cid}));
}

TEST_F(RuntimeCall, ExecGetsItsProcess) {
    script("container", "");
    Words arguments = exec();
    arguments.insert(arguments.end(), {"-s", "--no-pivot", "--no-new-keyring", "--runtime-arg", "--root=/r",
                                       "--runtime-opt", "--cgroup=x"});
    EXPECT_THAT(report_of(arguments), StartsWith("{\"data\": "));
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_THAT(recorded("argv"),
                ElementsAreArray(Words{runtime(), "--root=/r", "exec", "--pid-file", root_ / "pidfile", "--process",
                                       root_ / "process.json", "--detach", "--cgroup=x", Cid}));
}

TEST_F(RuntimeCall, ATerminalIsNoWordOfExec) {
    script("container", "");
    Words arguments = exec();
    arguments.insert(arguments.end(), {"-t", "--runtime-opt", "--x"});
    EXPECT_THAT(report_of(arguments), StartsWith("{\"data\": "));
    EXPECT_EQ(monitor_ends(), 0);
    const Words argv = recorded("argv");
    ASSERT_EQ(argv.size(), 11U);
    EXPECT_THAT(Words(argv.end() - 5, argv.end()), ElementsAre("--detach", "--x", "--console-socket",
                                                               StartsWith((root_ / "tmp/conmon-term.").string()), Cid));
}

TEST_F(RuntimeCall, InheritsTheWholeEnvironment) {
    Channel sync = Channel::to_us();
    Launch call{.arguments = create(), .environment = {"A=1", "EMPTY=", "NOTIFY_SOCKET=/n", "LC_ALL=C"}};
    const Monitor monitor = launch(call.with("_OCI_SYNCPIPE", sync));
    (void)sync.line();
    start();
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_THAT(recorded("env"),
                UnorderedElementsAreArray({"PATH=/usr/sbin:/usr/bin:/sbin:/bin", ("CT_FAKE=" + root_.string()).c_str(),
                                           ("TMPDIR=" + (root_ / "tmp").string()).c_str(), "A=1",
                                           "EMPTY=", "NOTIFY_SOCKET=/n", "LC_ALL=C", "_OCI_SYNCPIPE=3"}));
}

TEST_F(RuntimeCall, InheritsForeignDescriptorsAtTheirNumbersAndNoneOfTheMonitor) {
    const UniqueFd file(::open(root_.c_str(), O_PATH | O_CLOEXEC));
    Channel sync = Channel::to_us();
    Channel start_pipe = Channel::to_it();
    Launch call{.arguments = create(), .fds = {{3, file.get()}, {4, file.get()}, {9, file.get()}}};
    const Monitor monitor = launch(call.with("_OCI_SYNCPIPE", sync).with("_OCI_STARTPIPE", start_pipe));
    start_pipe.release();
    (void)sync.line();
    start();
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_THAT(fd_numbers(), ElementsAre(0, 1, 2, 3, 4, 9));
    for (const int number : {3, 4, 9}) EXPECT_THAT(fd(number), ::testing::EndsWith(" " + root_.string()));
}

TEST_F(RuntimeCall, HasPipesThatAnyoneMayReopen) {
    call_with(create());
    EXPECT_THAT(fd(0), ::testing::EndsWith(" /dev/null"));
    EXPECT_THAT(fd(1), StartsWith("10777 pipe:"));
    EXPECT_THAT(fd(2), StartsWith("10777 pipe:"));
    EXPECT_NE(fd(1), fd(2));
}

TEST_F(RuntimeCall, HasAPipeForInputIfAsked) {
    call_with(create(), {"-i"});
    EXPECT_THAT(fd(0), StartsWith("10777 pipe:"));
}

TEST_F(RuntimeCall, AnyUserCanReopenTheOutputOfTheContainer) {
    container("reopen 1");
    ::chmod(root_.c_str(), 0755);
    call_with(create());
    EXPECT_EQ(logged(), "reopened\n");
}

TEST_F(RuntimeCall, HasOnlyAPipeForErrorsWithATerminal) {
    call_with(create(), {"-t"});
    EXPECT_THAT(fd(0), ::testing::EndsWith(" /dev/null"));
    EXPECT_THAT(fd(1), ::testing::EndsWith(" /dev/null"));
    EXPECT_THAT(fd(2), StartsWith("10777 pipe:"));
}

TEST_F(RuntimeCall, HasTheSignalsOfTheCaller) {
    sigset_t blocked;
    sigset_t before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR2);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    ::signal(SIGPIPE, SIG_DFL);
    (void)report_of(create());
    sigprocmask(SIG_SETMASK, &before, nullptr);
    start();
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(recorded_one("SigBlk"), "0000000000000800");
    EXPECT_EQ(recorded_one("SigIgn"), "0000000000000000");
    EXPECT_EQ(recorded_one("SigCgt"), "0000000000000000");
}

TEST_F(RuntimeCall, DiesWithTheMonitor) {
    make_fifo("go");
    script("runtime", "record call\nwait go\n");
    const Monitor monitor = launch({.arguments = create()});
    EXPECT_EQ(recorded_one("pdeathsig"), std::to_string(SIGKILL));
    const pid_t runtime_pid = std::stoi(recorded_one("pid"));
    ::kill(monitor_pid(), SIGKILL);
    EXPECT_EQ(monitor_ends(), 128 + SIGKILL);
    EXPECT_EQ(Monitor::ended(runtime_pid), 128 + SIGKILL);
    fs::remove(bundle_ / "attach");
}

TEST_F(RuntimeCall, KeepsTheDirectory) {
    const Monitor monitor = launch({.arguments = create(), .directory = exits_});
    EXPECT_EQ(recorded_one("cwd"), exits_);
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

class Passthrough : public RuntimeCall {};

TEST_F(Passthrough, GivesTheRuntimeTheStreamsOfTheMonitor) {
    container("write 1 to out\\n\nwrite 2 to err\\n");
    Channel in = Channel::to_it(PipeKind::Pipe);
    Launch call{.arguments = create("passthrough"), .in = in.theirs.get()};
    Monitor monitor = launch(call);
    (void)awaited(root_ / "pidfile");
    EXPECT_THAT(fd(0), StartsWith("10600 pipe:"));
    for (const char* number : {"0", "1", "2"}) {
        const fs::path link = "/proc/" + std::to_string(monitor_pid()) + "/fd/" + number;
        EXPECT_TRUE(await([&] { return fs::read_symlink(link) == "/dev/null"; }));
    }
    for (const char* name : {"attach", "ctl", "winsz"}) EXPECT_FALSE(fs::exists(bundle_ / name)) << name;
    start();
    EXPECT_EQ(monitor.out(), "to out\n");
    EXPECT_EQ(monitor.err(), "to err\n");
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(content(exits_ / Cid), "0");
}

TEST_F(Passthrough, LeavesTheWordsOfAFailureToTheRuntime) {
    script("runtime", "write 2 told elsewhere\\n\nexit 1");
    Channel sync = Channel::to_us();
    Launch call{.arguments = create("passthrough")};
    Monitor monitor = launch(call.with("_OCI_SYNCPIPE", sync));
    EXPECT_THAT(sync.line(), AllOf(StartsWith("{\"data\": -1"), Not(::testing::HasSubstr("told elsewhere"))));
    EXPECT_EQ(monitor.err(), "told elsewhere\n");
    EXPECT_EQ(monitor_ends(), 1);
}

} // namespace
} // namespace ct::test
