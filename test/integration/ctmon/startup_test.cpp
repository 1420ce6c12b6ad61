// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <array>
#include <csignal>
#include <fstream>

#include <poll.h>
#include <sys/stat.h>

#include "monitor_fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

mode_t mode_of(const fs::path& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 07777;
}

/// A value of /proc/PID/status.
std::string status_of(pid_t pid, const std::string& key) {
    for (const std::string& line : lines(content("/proc/" + std::to_string(pid) + "/status"))) {
        if (line.starts_with(key + ":\t")) return line.substr(key.size() + 2);
    }
    return {};
}

bool catches(pid_t pid, int signal) {
    const std::string caught = status_of(pid, "SigCgt");
    return !caught.empty() && (std::stoull(caught, nullptr, 16) & (1ULL << (signal - 1))) != 0;
}

class Startup : public MonitorTest {
protected:
    /// A runtime that waits at the fifo "go" before it does anything.
    void hold_runtime() const {
        make_fifo("go");
        script("runtime", "record call\nwait go\nconsole\ncontainer\npidfile\n");
    }
};

TEST_F(Startup, RunsAContainerFromCreateToExit) {
    container("write 1 hello\\n\nexit 3");
    EXPECT_EQ(completes(create()), 3);
    EXPECT_EQ(content(exits_ / Cid), "3");
    EXPECT_EQ(content(persist_ / "exit"), "3");
    EXPECT_EQ(logged(), "hello\n");
}

TEST_F(Startup, TheForegroundDoesNotWaitForTheRuntime) {
    hold_runtime();
    Monitor monitor = launch({.arguments = create()});
    EXPECT_EQ(monitor.foreground(), 0);
    EXPECT_FALSE(fs::exists(root_ / "pidfile"));
    open_fifo("go");
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Startup, ThePidFileIsThereWhenTheForegroundHasEnded) {
    hold_runtime();
    Monitor monitor = launch({.arguments = create()});
    ASSERT_EQ(monitor.foreground(), 0);
    EXPECT_THAT(content(root_ / "monitor.pid"), MatchesRegex("[0-9]+"));
    EXPECT_EQ(mode_of(root_ / "monitor.pid"), 0644U);
    EXPECT_NE(monitor_pid(), monitor.pid());
    EXPECT_EQ(::kill(monitor_pid(), 0), 0);
    open_fifo("go");
    start();
    EXPECT_EQ(monitor_ends(), 0);
    for (const auto& entry : fs::directory_iterator(root_)) {
        const std::string name = entry.path().filename();
        EXPECT_FALSE(name.starts_with("monitor.pid") && name != "monitor.pid") << "temporary file " << name;
    }
}

TEST_F(Startup, APidFileThatCannotBeWrittenIsAFailure) {
    Words arguments = without(create(), "-P");
    arguments.insert(arguments.end(), {"-P", root_ / "no" / "such"});
    Monitor monitor = launch({.arguments = arguments});
    EXPECT_EQ(monitor.foreground(), 1);
    kill_children();
}

TEST_F(Startup, TheCallersUmaskDoesNotMatter) {
    const mode_t before = ::umask(0077);
    const std::string report = report_of(create());
    ::umask(before);
    start();
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(mode_of(root_ / "monitor.pid"), 0644U);
    EXPECT_EQ(mode_of(exits_ / Cid), 0644U);
    EXPECT_EQ(mode_of(log_), 0640U);
    EXPECT_EQ(recorded_one("Umask"), "0022");
}

TEST_F(Startup, WithSyncItStaysInTheForeground) {
    container("exit 7");
    Channel sync = Channel::to_us();
    Launch call{.arguments = create()};
    Monitor monitor = launch(call.add({"--sync"}).with("_OCI_SYNCPIPE", sync));
    const std::string report = sync.line();
    EXPECT_EQ(report, "{\"data\": " + std::to_string(container_pid()) + "}\n");
    EXPECT_EQ(recorded_one("ppid"), std::to_string(monitor.pid()));
    EXPECT_FALSE(fs::exists(root_ / "monitor.pid"));
    // Its streams end all the same.
    EXPECT_EQ(monitor.out(), "");
    EXPECT_EQ(monitor.err(), "");
    start();
    EXPECT_EQ(monitor.foreground(), 7);
}

TEST_F(Startup, ClosesItsStreamsWhileTheRuntimeRuns) {
    hold_runtime();
    Monitor monitor = launch({.arguments = create()});
    EXPECT_EQ(monitor.out(), "");
    EXPECT_EQ(monitor.err(), "");
    for (const char* fd : {"0", "1", "2"}) {
        EXPECT_EQ(fs::read_symlink("/proc/" + std::to_string(monitor_pid()) + "/fd/" + fd), "/dev/null");
    }
    open_fifo("go");
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Startup, LeadsASessionOfItsOwnAndIsTheRuntimesParent) {
    (void)report_of(create());
    const std::string pid = std::to_string(monitor_pid());
    EXPECT_EQ(recorded_one("ppid"), pid);
    EXPECT_EQ(recorded_one("sid"), pid);
    EXPECT_EQ(recorded_one("pgid"), pid);
    // The subreaper: the runtime has ended.
    EXPECT_EQ(status_of(container_pid(), "PPid"), pid);
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Startup, IsTheLastToBeKilledForMemoryButTheRuntimeIsNot) {
    const std::string before = content("/proc/self/oom_score_adj");
    std::ofstream("/proc/self/oom_score_adj") << "250";
    (void)report_of(create());
    // Without CAP_SYS_RESOURCE nobody can have less than once given.
    const bool may = static_cast<bool>(std::ofstream("/proc/self/oom_score_adj") << "-1000" << std::flush);
    std::ofstream("/proc/self/oom_score_adj") << before;
    EXPECT_EQ(content("/proc/" + std::to_string(monitor_pid()) + "/oom_score_adj"), may ? "-1000\n" : "250\n");
    EXPECT_EQ(recorded_one("oom_score_adj"), "250");
    EXPECT_EQ(content("/proc/" + std::to_string(container_pid()) + "/oom_score_adj"), "250\n");
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Startup, TheBundleIsReadyBeforeTheRuntimeRuns) {
    hold_runtime();
    const Monitor monitor = launch({.arguments = create()});
    (void)awaited(root_ / "call");
    EXPECT_TRUE(fs::is_socket(bundle_ / "attach"));
    EXPECT_EQ(mode_of(bundle_ / "attach"), 0700U);
    for (const char* name : {"ctl", "winsz"}) {
        EXPECT_TRUE(fs::is_fifo(bundle_ / name)) << name;
        EXPECT_EQ(mode_of(bundle_ / name), 0640U) << name;
    }
    open_fifo("go");
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Startup, SigtermBeforeTheRuntimeIsCalledEndsIt) {
    Channel start_pipe = Channel::to_it();
    Launch call{.arguments = create()};
    Monitor monitor = launch(call.with("_OCI_STARTPIPE", start_pipe));
    ASSERT_TRUE(await([&] { return catches(monitor.pid(), SIGTERM); }));
    ::kill(monitor.pid(), SIGTERM);
    EXPECT_EQ(monitor.foreground(), 1);
    EXPECT_FALSE(fs::exists(root_ / "monitor.pid"));
    EXPECT_FALSE(fs::exists(root_ / "call"));
}

class StartPipe : public MonitorTest, public ::testing::WithParamInterface<PipeKind> {
protected:
    /// Waits until the foreground process sleeps, and nothing has happened yet.
    void expect_waiting(const Monitor& monitor) const {
        ASSERT_TRUE(await([&] { return status_of(monitor.pid(), "State").starts_with("S"); }));
        EXPECT_FALSE(fs::exists(root_ / "monitor.pid"));
        EXPECT_FALSE(fs::exists(root_ / "call"));
    }
};

TEST_P(StartPipe, HoldsTheForegroundUntilAByteComes) {
    Channel start_pipe = Channel::to_it(GetParam());
    Launch call{.arguments = create()};
    Monitor monitor = launch(call.with("_OCI_STARTPIPE", start_pipe));
    expect_waiting(monitor);
    start_pipe.release();
    EXPECT_EQ(monitor.foreground(), 0);
    // Nothing of it stays open, in the monitor or in the container.
    (void)awaited(root_ / "pidfile");
    pollfd entry{start_pipe.ours.get(), 0, 0};
    EXPECT_EQ(::poll(&entry, 1, static_cast<int>(std::chrono::milliseconds(Patience).count())), 1);
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_P(StartPipe, HoldsTheForegroundUntilItsEnd) {
    Channel start_pipe = Channel::to_it(GetParam());
    Launch call{.arguments = create()};
    Monitor monitor = launch(call.with("_OCI_STARTPIPE", start_pipe));
    expect_waiting(monitor);
    start_pipe.close();
    EXPECT_EQ(monitor.foreground(), 0);
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, StartPipe,
                         ::testing::Values(PipeKind::SeqPacket, PipeKind::Stream, PipeKind::Pipe, PipeKind::Fifo));

} // namespace
} // namespace ct::test
