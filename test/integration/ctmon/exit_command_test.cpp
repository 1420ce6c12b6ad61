// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// What the monitor calls at the end.
#include "attached_fixture.hpp"

#include <algorithm>
#include <csignal>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class ExitCommand : public AttachedTest {
protected:
    /// A command of the shell in the test's directory.
    [[nodiscard]] Words command(const std::string& text) const {
        return {"--exit-command",     "/bin/sh",
                "--exit-command-arg", "-c",
                "--exit-command-arg", "cd " + root_.string() + "; " + text};
    }
};

TEST_F(ExitCommand, RunsAfterTheExitFileWithItsArguments) {
    container("exit 3");
    created(command("cat exits/" + std::string(Cid) + " > code; tr '\\0' ' ' < /proc/$$/cmdline > line") +
            Words{"--exit-command-arg", "zero", "--exit-command-arg", "two words", "--exit-command-arg", ""});
    start();
    EXPECT_EQ(monitor_ends(), 3) << "the code of the container, not of the command";
    EXPECT_EQ(content(root_ / "code"), "3");
    EXPECT_TRUE(content(root_ / "line").starts_with("/bin/sh -c "));
    EXPECT_TRUE(content(root_ / "line").ends_with(" zero two words  "));
}

TEST_F(ExitCommand, ItsCodeDoesNotMatter) {
    created(command("exit 17"));
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(ExitCommand, IsWaitedFor) {
    make_fifo("go");
    created(command("touch begun; read x < go; echo yes > done"));
    start();
    (void)awaited(root_ / "begun");
    EXPECT_TRUE(alive(monitor_pid()));
    EXPECT_EQ(content(exits_ / Cid), "0");
    EXPECT_FALSE(fs::exists(bundle_ / "attach"));
    open_fifo("go");
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(content(root_ / "done"), "yes\n");
}

TEST_F(ExitCommand, HasNoDescriptorButNullAndTheEnvironmentAsItWas) {
    std::ifstream inherited("/etc/passwd");
    Channel sync = Channel::to_us();
    const Words words = create() + Words{"-i"} + command("ls -l /proc/$$/fd > fds; env > env");
    Launch with_environment = call(words);
    with_environment.environment = {"CT_EXTRA=a b", "LISTEN_FDS=0"};
    Monitor monitor = launch(with_environment.with("_OCI_SYNCPIPE", sync));
    (void)sync.line();
    start();
    EXPECT_EQ(monitor_ends(), 0);
    std::size_t count = 0;
    for (const std::string& line : lines(content(root_ / "fds"))) {
        const std::size_t arrow = line.find(" -> ");
        if (arrow == std::string::npos) continue;
        ++count;
        // The shell's own redirection is in its child only; some shells keep the saved standard output at 10.
        EXPECT_TRUE(line.ends_with("/dev/null") || line.ends_with("/fds")) << line;
    }
    EXPECT_GE(count, 3U);
    const std::string environment = content(root_ / "env");
    EXPECT_TRUE(contains(environment, "CT_EXTRA=a b\n"));
    EXPECT_TRUE(contains(environment, "LISTEN_FDS=0\n"));
    EXPECT_TRUE(contains(environment, "_OCI_SYNCPIPE="));
}

TEST_F(ExitCommand, HasTheSignalsAndTheOomScoreOfTheCaller) {
    std::ofstream("/proc/self/oom_score_adj") << 123;
    created(command("grep Sig /proc/self/status > signals; cat /proc/$$/oom_score_adj > score"));
    // Without CAP_SYS_RESOURCE nobody can have less than once given.
    const bool may = static_cast<bool>(std::ofstream("/proc/self/oom_score_adj") << "-1000" << std::flush);
    std::ofstream("/proc/self/oom_score_adj") << 0;
    EXPECT_EQ(content("/proc/" + std::to_string(monitor_pid()) + "/oom_score_adj"), may ? "-1000\n" : "123\n");
    start();
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(content(root_ / "score"), "123\n");
    for (const std::string& line : lines(content(root_ / "signals"))) {
        if (line.starts_with("SigIgn") || line.starts_with("SigBlk")) {
            EXPECT_EQ(line.substr(line.find('\t') + 1), "0000000000000000") << line;
        }
    }
}

TEST_F(ExitCommand, WaitsForTheDelay) {
    created(command("touch called") + Words{"--exit-delay", "1"});
    start();
    EXPECT_EQ(monitor_ends(), 0);
    struct stat exited {};
    struct stat called {};
    ASSERT_EQ(::stat((exits_ / Cid).c_str(), &exited), 0);
    ASSERT_EQ(::stat((root_ / "called").c_str(), &called), 0);
    const double seconds = double(called.st_mtim.tv_sec - exited.st_mtim.tv_sec) +
                           double(called.st_mtim.tv_nsec - exited.st_mtim.tv_nsec) / 1e9;
    EXPECT_GE(seconds, 0.95);
}

TEST_F(ExitCommand, ThatIsNoneIsNoTrouble) {
    created({"--exit-command", "/nowhere/at/all"});
    start();
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(content(exits_ / Cid), "0");
}

TEST_F(ExitCommand, IsNotLookedForInPath) {
    created({"--exit-command", "touch", "--exit-command-arg", root_ / "called"});
    start();
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_FALSE(fs::exists(root_ / "called"));
}

TEST_F(ExitCommand, RunsAlsoAfterARuntimeThatFailed) {
    script("runtime", "write 2 no luck\nexit 1\n");
    const std::string report = report_of(create() + command("echo yes > called"));
    EXPECT_EQ(report, "{\"data\": -1, \"message\": \"no luck\"}\n");
    EXPECT_EQ(monitor_ends(), 1);
    EXPECT_EQ(content(root_ / "called"), "yes\n");
    EXPECT_FALSE(fs::exists(exits_ / Cid));
}

TEST_F(ExitCommand, RunsAfterATimeout) {
    container("hang\n");
    created(command("cat exits/" + std::string(Cid) + " > code") + Words{"-T", "1"});
    EXPECT_EQ(monitor_ends(), 255);
    EXPECT_EQ(content(root_ / "code"), "-1");
}

TEST_F(ExitCommand, IsTheChildOfAMonitorThatReapsNoOthersForIt) {
    // Its own orphans do not become the monitor's: it would wait for them.
    created(command("sleep 1000 & echo $! > new; mv new orphan"));
    start();
    const pid_t orphan = std::stoi(awaited(root_ / "orphan"));
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_TRUE(alive(orphan));
    ::kill(orphan, SIGKILL);
}

} // namespace
} // namespace ct::test
