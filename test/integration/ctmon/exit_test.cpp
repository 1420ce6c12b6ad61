// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// The end of a container: codes, files, order, output that is left, timeout, signals.
#include "attached_fixture.hpp"

#include <array>
#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ct::test {
namespace {

namespace fs = std::filesystem;

using Exit = AttachedTest;

struct Code {
    const char* script;
    int code;
};

class ExitCode : public AttachedTest, public ::testing::WithParamInterface<Code> {};

TEST_P(ExitCode, IsInTheFilesAndIsThatOfTheMonitor) {
    container(GetParam().script);
    created();
    start();
    EXPECT_EQ(monitor_ends(), GetParam().code);
    EXPECT_EQ(content(exits_ / Cid), std::to_string(GetParam().code)) << "without a newline";
    EXPECT_EQ(content(persist_ / "exit"), std::to_string(GetParam().code));
}

INSTANTIATE_TEST_SUITE_P(All, ExitCode,
                         ::testing::Values(Code{"exit 0", 0}, Code{"exit 1", 1}, Code{"exit 255", 255},
                                           Code{"signal 9", 137}, Code{"signal 15", 143}, Code{"signal 6", 134}));

TEST_F(Exit, FilesReplaceOldOnesAtOnceThePersistentFirst) {
    for (const fs::path& path : {persist_ / "exit", exits_ / Cid}) {
        fs::copy_file(root_ / "container", path);
        fs::permissions(path, fs::perms::owner_read);
    }
    container("exit 7");
    created();
    const Happenings files({persist_, exits_});
    start();
    EXPECT_EQ(monitor_ends(), 7);
    Words names = files.so_far();
    ASSERT_EQ(names.size(), 4U) << ::testing::PrintToString(names);
    EXPECT_THAT(names[0], ::testing::MatchesRegex("\\+exit\\.[A-Za-z0-9]{6}"));
    EXPECT_EQ(names[1], "+exit");
    EXPECT_THAT(names[2], ::testing::MatchesRegex("\\+" + std::string(Cid) + "\\.[A-Za-z0-9]{6}"));
    EXPECT_EQ(names[3], "+" + std::string(Cid));
    for (const fs::path& path : {persist_ / "exit", exits_ / Cid}) {
        struct stat status {};
        ASSERT_EQ(::stat(path.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 07777, 0644U);
        EXPECT_EQ(content(path), "7");
    }
}

TEST_F(Exit, OneDirectoryThatFailsKeepsTheRestFromNothing) {
    container("exit 3");
    begin(exec());
    fs::remove(persist_);
    start();
    EXPECT_EQ(awaited(exits_ / Cid), "3");
    (void)monitor_ends();
    EXPECT_FALSE(fs::exists(bundle_ / "attach"));
    fs::create_directory(persist_);
}

TEST_F(Exit, TheOtherDirectoryThatFailsKeepsTheRestFromNothing) {
    container("exit 3");
    created();
    fs::remove(exits_);
    start();
    EXPECT_EQ(awaited(persist_ / "exit"), "3");
    (void)monitor_ends();
    EXPECT_FALSE(fs::exists(bundle_ / "attach"));
    fs::create_directory(exits_);
}

TEST_F(Exit, AnExecIsToldAfterItsFilesWereWritten) {
    container("exit 4");
    Channel sync = Channel::to_us();
    Monitor monitor = launch(call(exec()).with("_OCI_SYNCPIPE", sync));
    EXPECT_TRUE(contains(sync.line(), "{\"data\": "));
    start();
    EXPECT_EQ(sync.line(), "{\"data\": 4}\n");
    EXPECT_EQ(content(exits_ / Cid), "4") << "named by the container, not the session";
    EXPECT_EQ(content(persist_ / "exit"), "4");
    EXPECT_EQ(monitor_ends(), 4);
}

TEST_F(Exit, LastOutputIsInTheLogBeforeTheFilesAppear) {
    container("lines 1 3000 19\nwrite 1 rest\nfill 2 50000");
    begin(create() + Words{"--exit-command", "/bin/sleep", "--exit-command-arg", "0"});
    start();
    (void)awaited(persist_ / "exit");
    EXPECT_EQ(logged(), numbered_lines(3000, 19) + "rest");
    EXPECT_EQ(logged("stderr"), std::string(50000, 'x'));
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Exit, IsNotHeldUpByAProcessThatKeepsTheOutput) {
    container("spawn child\nwrite 1 last\nexit 5");
    script("child", "record spawned\nhang\n");
    begin(create());
    start();
    EXPECT_EQ(awaited(exits_ / Cid), "5");
    EXPECT_EQ(logged(), "last");
    const pid_t child = std::stoi(recorded_one("pid", "spawned"));
    EXPECT_TRUE(alive(child));
    ::kill(child, SIGKILL);
    EXPECT_EQ(monitor_ends(), 5);
}

TEST_F(Exit, ForeignDescriptorsAreHeldUntilThen) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const UniqueFd ours(ends[0]);
    UniqueFd theirs(ends[1]);
    container("");
    make_fifo("go");
    const Words command{"--exit-command",     "/bin/sh",
                        "--exit-command-arg", "-c",
                        "--exit-command-arg", "read x < " + (root_ / "go").string()};
    begin(create("none") + command, {{3, theirs.get()}});
    theirs.reset();
    pollfd entry{ours.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&entry, 1, 0), 0) << "closed too early";
    start();
    (void)awaited(exits_ / Cid);
    EXPECT_EQ(::poll(&entry, 1, 0), 1) << "still open when the exit is told: a port may be kept";
    open_fifo("go");
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Exit, TimeoutKillsTheGroupAndIsTold) {
    container("spawn child\nhang\n");
    script("child", "record spawned\nhang\n");
    created({"--timeout", "1"});
    start();
    const pid_t child = std::stoi(recorded_one("pid", "spawned"));
    EXPECT_EQ(monitor_ends(), 255);
    EXPECT_EQ(content(exits_ / Cid), "-1");
    EXPECT_EQ(content(persist_ / "exit"), "-1");
    EXPECT_TRUE(await([&] { return !alive(child); }));
}

TEST_F(Exit, TimeoutOfAnExecIsTold) {
    container("hang\n");
    Channel sync = Channel::to_us();
    Monitor monitor = launch(call(exec() + Words{"-T", "1"}).with("_OCI_SYNCPIPE", sync));
    EXPECT_TRUE(contains(sync.line(), "{\"data\": "));
    EXPECT_EQ(sync.line(), "{\"data\": -1, \"message\": \"command timed out\"}\n");
    EXPECT_EQ(monitor_ends(), 255);
}

TEST_F(Exit, TimeoutOfAnExecOfTheOldInterfaceIsTold) {
    container("hang\n");
    const Words words{"-c",
                      Cid,
                      "-r",
                      runtime(),
                      "-p",
                      root_ / "pidfile",
                      "-e",
                      "-T",
                      "1",
                      "--sync",
                      "--exec-process-spec",
                      root_ / "process.json",
                      "-l",
                      log_,
                      "--socket-dir-path",
                      sockets_};
    Channel sync = Channel::to_us(PipeKind::Pipe);
    Monitor monitor = launch(call(words).with("_OCI_SYNCPIPE", sync));
    EXPECT_EQ(monitor.foreground(), 255);
    EXPECT_EQ(sync.line(), "{\"exit_code\": -1, \"message\": \"command timed out\"}\n");
    EXPECT_EQ(sync.line(), "");
}

TEST_F(Exit, BeforeTheTimeoutIsAnOrdinaryOne) {
    container("exit 6");
    created({"--timeout", "3600"});
    start();
    EXPECT_EQ(monitor_ends(), 6);
    EXPECT_EQ(content(exits_ / Cid), "6");
}

class ExitSignal : public AttachedTest, public ::testing::WithParamInterface<int> {};

TEST_P(ExitSignal, ToTheMonitorGoesToTheFirstProcessOnly) {
    const std::string number = std::to_string(GetParam());
    script("container", "block " + number + "\nspawn child\nfile ready yes\nawait " + number + "\nexit 9\n");
    script("child", "record spawned\nhang\n");
    created();
    (void)awaited(root_ / "ready");
    const pid_t child = std::stoi(recorded_one("pid", "spawned"));
    ::kill(monitor_pid(), GetParam());
    EXPECT_EQ(awaited(exits_ / Cid), "9");
    EXPECT_THAT(status_of(child, "ShdPnd"), ::testing::MatchesRegex("0+"));
    ::kill(child, SIGKILL);
    EXPECT_EQ(monitor_ends(), 9);
}

INSTANTIATE_TEST_SUITE_P(All, ExitSignal, ::testing::Values(SIGTERM, SIGINT, SIGQUIT));

TEST_F(Exit, SignalsThatMeanNothingDoNothing) {
    container("exit 2");
    created();
    ::kill(monitor_pid(), SIGUSR1);
    ::kill(monitor_pid(), SIGPIPE);
    ::kill(monitor_pid(), SIGCHLD);
    start();
    EXPECT_EQ(monitor_ends(), 2);
}

TEST_F(Exit, ATerminatingSignalBeforeTheRuntimeRunsEndsTheMonitor) {
    Channel gate = Channel::to_it();
    Monitor monitor = launch(call(create()).with("_OCI_STARTPIPE", gate));
    EXPECT_TRUE(await([&] { return fs::exists(log_); })); // it waits for the start pipe, or will
    EXPECT_TRUE(
        await([&] { return content("/proc/" + std::to_string(monitor.pid()) + "/syscall").starts_with("0 "); }));
    ::kill(monitor.pid(), SIGTERM);
    EXPECT_THAT(monitor.foreground(), ::testing::AnyOf(1, 143));
    EXPECT_FALSE(fs::exists(root_ / "call"));
}

TEST_F(Exit, AMonitorThatIsKilledLeavesTheContainerAlone) {
    container("file alive yes\n");
    created();
    const pid_t box = container_pid();
    ::kill(monitor_pid(), SIGKILL);
    EXPECT_EQ(monitor_ends(), 137);
    EXPECT_TRUE(alive(box));
    start();
    EXPECT_EQ(awaited(root_ / "alive"), "yes");
    EXPECT_EQ(Monitor::ended(box), 0);
    EXPECT_FALSE(fs::exists(exits_ / Cid));
    fs::remove(bundle_ / "attach");
}

} // namespace
} // namespace ct::test
