// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// ctrun -t, and ctrun without it on a terminal.
#include <sched.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "ctrun_fixture.hpp"

namespace ct::test {
namespace {

/// ctrun on a terminal of its own, as if a user sat at it.
class CtrunTerminalTest : public CtrunTest {
protected:
    void SetUp() override {
        CtrunTest::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        outer_ = Fd{::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
        ASSERT_EQ(::unlockpt(outer_.get()), 0);
        resize(40, 100);
        // Held open by the test, or else reading fails as soon as ctrun ends.
        inner_ = Fd{::ioctl(outer_.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)};
        ASSERT_GE(inner_.get(), 0);
    }
    void TearDown() override {
        inner_.close();
        outer_.close();
        CtrunTest::TearDown();
    }

    [[nodiscard]] int keyboard_and_screen() const { return outer_.get(); }

    Ctrun start_on_terminal(const Words& words) {
        return spawn(words, inner_.get(), inner_.get(), [] {
            ::setsid();
            ::ioctl(STDIN_FILENO, TIOCSCTTY, 0);
        });
    }

    void resize(unsigned short rows, unsigned short columns) const {
        const winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
        ASSERT_EQ(::ioctl(outer_.get(), TIOCSWINSZ, &size), 0);
    }

    [[nodiscard]] bool raw() const {
        termios settings{};
        EXPECT_EQ(::tcgetattr(inner_.get(), &settings), 0);
        return (settings.c_lflag & (ICANON | ECHO | ISIG)) == 0;
    }

private:
    Fd outer_;
    Fd inner_;
};

TEST_F(CtrunTerminalTest, CommandHasATerminalThatFollowsTheWindowSize) {
    Ctrun box =
        start_on_terminal(shell({"-t"}, "trap 'stty size; exit 8' WINCH; stty size; while :; do sleep 0.01; done"));
    std::string text;
    ASSERT_TRUE(read_until(keyboard_and_screen(), text, "40 100\r\n"));
    resize(50, 120);
    ASSERT_TRUE(read_until(keyboard_and_screen(), text, "50 120\r\n"));
    EXPECT_EQ(box.wait(), 8) << content(box.err);
}

TEST_F(CtrunTerminalTest, KeysReachTheCommandAndTheTerminalIsRestored) {
    Ctrun box = start_on_terminal(shell({"-t"}, "trap 'echo interrupted; exit 8' INT; echo ready; read line; "
                                                "echo got $line; while :; do sleep 0.01; done"));
    std::string text;
    ASSERT_TRUE(read_until(keyboard_and_screen(), text, "ready\r\n"));
    while (!raw()) ::sched_yield(); // the command may be faster than ctrun; both come
    write_all(keyboard_and_screen(), "hello\r");
    ASSERT_TRUE(read_until(keyboard_and_screen(), text, "got hello\r\n")) << text;
    write_all(keyboard_and_screen(), "\x03");
    ASSERT_TRUE(read_until(keyboard_and_screen(), text, "interrupted\r\n")) << text;
    EXPECT_EQ(box.wait(), 8) << content(box.err);
    EXPECT_FALSE(raw());
}

TEST_F(CtrunTerminalTest, RestoresTheTerminalAfterASignal) {
    Ctrun box = start_on_terminal({"run", "-t", "--", "sleep", "1000"});
    while (!raw()) ::sched_yield();
    box.signal(SIGTERM);
    EXPECT_EQ(box.wait(), 128 + SIGTERM);
    EXPECT_FALSE(raw());
}

TEST_F(CtrunTerminalTest, LeavesTheTerminalAloneIfTheStartFails) {
    const Ctrun box = start_on_terminal(boxed({"-t"}, {"nosuch"}));
    EXPECT_EQ(box.wait(), 127);
    EXPECT_FALSE(raw());
}

TEST_F(CtrunTerminalTest, CtrlCReachesACommandOnTheSameTerminalOnce) {
    Ctrun box = start_on_terminal(
        {"run", "--", "sh", "-c", "trap 'echo caught' INT; echo ready; cat; echo next; cat; echo end; exit 8"});
    std::string text;
    ASSERT_TRUE(read_until(keyboard_and_screen(), text, "ready\r\n"));
    write_all(keyboard_and_screen(), "a\r");
    ASSERT_TRUE(read_until(keyboard_and_screen(), text, "a\r\na\r\n")); // echoed, and from cat
    write_all(keyboard_and_screen(), "\x03");                           // ends the first cat
    ASSERT_TRUE(read_until(keyboard_and_screen(), text, "next\r\n"));
    write_all(keyboard_and_screen(), "x\r\x04");
    ASSERT_TRUE(read_until(keyboard_and_screen(), text, "end\r\n"));
    EXPECT_EQ(text.find("caught"), text.rfind("caught")) << text;
    EXPECT_TRUE(contains(text, "caught"));
    EXPECT_EQ(box.wait(), 8);
}

TEST_F(CtrunTerminalTest, CtrlCReachesALoggedCommandOnTheSameTerminalOnce) {
    const std::string log = dir() / "log";
    Ctrun box = start_on_terminal({"run", "--log", "plain:" + log, "--", "sh", "-c",
                                   "trap 'echo caught' INT; echo ready; cat; echo next; cat; echo end; exit 8"});
    const auto logs = [&](const char* text) { return await([&] { return contains(content(log), text); }); };
    ASSERT_TRUE(logs("ready\n"));
    write_all(keyboard_and_screen(), "a\r");
    ASSERT_TRUE(logs("a\n")); // from cat
    write_all(keyboard_and_screen(), "\x03");
    ASSERT_TRUE(logs("next\n"));
    write_all(keyboard_and_screen(), "x\r\x04");
    EXPECT_EQ(box.wait(), 8) << content(box.err);
    EXPECT_EQ(content(log), "ready\na\ncaught\nnext\nx\nend\n");
}

TEST_F(CtrunTest, LosesNoOutputOfATerminal) {
    const Said said = ctrun(shell({"-t"}, "stty -opost; seq 1 100000; exit 5"));
    EXPECT_EQ(said.status, 5) << said.err;
    std::string expected;
    for (int i = 1; i <= 100000; ++i) expected += std::to_string(i) + "\n";
    EXPECT_TRUE(said.out == expected) << said.out.size() << " bytes instead of " << expected.size();
}

TEST_F(CtrunTest, LosesNoInputOfATerminalAndTypesItsEnd) {
    Ctrun box = start(shell({"-t"}, "stty -echo; echo ready; exec wc -c"));
    std::string text;
    ASSERT_TRUE(read_until(box.out.get(), text, "ready\r\n"));
    const std::string line = std::string(998, 'x') + "\n";
    for (int i = 0; i < 1000; ++i) write_all(box.in.get(), line);
    write_all(box.in.get(), "without a newline");
    const Said said = finish(box);
    EXPECT_EQ(said.out, "999017\r\n") << said;
    EXPECT_EQ(said.status, 0);
}

TEST_F(CtrunTest, HangsUpATerminalThatNobodyReads) {
    Ctrun box = start({"run", "-t", "--", "yes"});
    std::string text;
    ASSERT_TRUE(read_until(box.out.get(), text, "y\r\ny\r\n"));
    box.out.close();
    EXPECT_EQ(box.wait(), 128 + SIGHUP) << content(box.err);
}

TEST_F(CtrunTest, DoesNotWaitForWritersThatTheCommandLeavesBehind) {
    const Said said = ctrun({"run", "-t", "--", "sh", "-c", "trap '' HUP; yes & exit 3"});
    EXPECT_EQ(said.status, 3) << said.err;
    while (::waitpid(-1, nullptr, 0) > 0) continue; // the hang-up of its terminal ends yes, now our child
}

TEST_F(CtrunTest, ExecHasATerminalToo) {
    Ctrun box = start(shell({"--name", "box"}, "echo ready; cat"));
    std::string text;
    ASSERT_TRUE(read_until(box.out.get(), text, "ready\n"));
    EXPECT_EQ(ctrun({"exec", "-t", "box", "--", "stty", "size"}).out, "24 80\r\n");
    EXPECT_EQ(finish(box).status, 0);
}

} // namespace
} // namespace ct::test
