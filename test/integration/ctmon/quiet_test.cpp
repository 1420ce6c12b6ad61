// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// What a monitor costs while its container does nothing.
#include "attached_fixture.hpp"

#include <chrono>
#include <thread>

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class Quiet : public AttachedTest {
protected:
    /// Whether a second comes in which the monitor never wakes up. What it has begun may go on for a while before.
    [[nodiscard]] bool sleeps() const {
        const pid_t monitor = monitor_pid();
        return await([&] {
            const std::string before = status_of(monitor, "voluntary_ctxt_switches");
            std::this_thread::sleep_for(std::chrono::seconds(1)); // the measurement, not a wait
            return status_of(monitor, "voluntary_ctxt_switches") == before;
        });
    }
    void expect_quiet() const {
        EXPECT_TRUE(sleeps());
        EXPECT_EQ(status_of(monitor_pid(), "Threads"), "1");
    }
    void finish() {
        start();
        EXPECT_EQ(monitor_ends(), 0);
    }
};

TEST_F(Quiet, WithPipesAndALog) {
    begin(create() + Words{"-i", "--log-size-max", "1000000"});
    expect_quiet();
    finish();
}

TEST_F(Quiet, WithATerminalAndAClient) {
    container("write 1 hello\nwait more\n");
    make_fifo("more");
    begin(create() + Words{"-t"});
    AttachClient client = attach();
    start();
    EXPECT_EQ(client.packet(), "\2hello");
    expect_quiet();
    open_fifo("more");
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Quiet, WithATerminalThatNobodyHasOpen) {
    container("close 0\nclose 1\nclose 2\nfile closed yes\nwait more\n");
    make_fifo("more");
    begin(create() + Words{"-t"});
    start();
    (void)awaited(root_ / "closed");
    expect_quiet();
    open_fifo("more");
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Quiet, WithPipesThatTheContainerHasClosed) {
    container("close 0\nclose 1\nclose 2\nfile closed yes\nwait more\n");
    make_fifo("more");
    begin(create() + Words{"-i"});
    start();
    (void)awaited(root_ / "closed");
    expect_quiet();
    open_fifo("more");
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Quiet, WithAClientThatHasEndedItsInputAndOneThatDoesNotRead) {
    container("fill 1 3000000\nfile written yes\nwait more\n");
    make_fifo("more");
    begin(create() + Words{"-i", "--leave-stdin-open"});
    const AttachClient ended = attach();
    ended.end_input();
    const AttachClient never = attach();
    start();
    (void)awaited(root_ / "written");
    expect_quiet();
    open_fifo("more");
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Quiet, WithInputThatTheContainerDoesNotRead) {
    container("wait more\n");
    make_fifo("more");
    begin(create() + Words{"-i"});
    start();
    const AttachClient client = attach();
    for (int i = 0; i < 12; ++i) client.send(std::string(10000, 'x'));
    expect_quiet();
    open_fifo("more");
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Quiet, HasFewDescriptorsAndNoneThatIsForeign) {
    begin(create() + Words{"-i"});
    const std::set<std::string> all = fds(monitor_pid(), "");
    EXPECT_LE(all.size(), 21U) << ::testing::PrintToString(all); // as many as conmon has
    for (const std::string& what : all) {
        EXPECT_THAT(what, ::testing::AnyOf("/dev/null", log_.string(), (bundle_ / "ctl").string(),
                                           (bundle_ / "winsz").string(), ::testing::StartsWith("pipe:"),
                                           ::testing::StartsWith("socket:"), ::testing::StartsWith("anon_inode:"),
                                           ::testing::StartsWith("/sys/fs/cgroup/"), bundle_.string(), root_.string()));
    }
    const fs::path own = "/proc/" + std::to_string(monitor_pid()) + "/fd";
    for (const char* number : {"0", "1", "2"}) EXPECT_EQ(fs::read_symlink(own / number), "/dev/null");
    finish();
}

} // namespace
} // namespace ct::test
