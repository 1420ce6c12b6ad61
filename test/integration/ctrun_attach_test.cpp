// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// `ctrun attach`.
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>

#include <list>

#include "attach_fixture.hpp"
#include "ctrun_follow_fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class CtrunAttachTest : public CtrunFollowTest {
protected:
    struct Terminal {
        Fd master;
        Fd slave;
    };
    static Terminal terminal(unsigned short rows, unsigned short columns) {
        Terminal made{Fd(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)), Fd()};
        std::array<char, 64> name{};
        EXPECT_EQ(::grantpt(made.master.get()), 0);
        EXPECT_EQ(::unlockpt(made.master.get()), 0);
        EXPECT_EQ(::ptsname_r(made.master.get(), name.data(), name.size()), 0);
        made.slave = Fd(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
        resize(made, rows, columns);
        return made;
    }
    static void resize(const Terminal& terminal, unsigned short rows, unsigned short columns) {
        const winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
        EXPECT_EQ(::ioctl(terminal.slave.get(), TIOCSWINSZ, &size), 0);
    }
    static bool is_raw(const Terminal& terminal) {
        termios settings{};
        EXPECT_EQ(::tcgetattr(terminal.slave.get(), &settings), 0);
        return (settings.c_lflag & ICANON) == 0;
    }
};

TEST_F(CtrunAttachTest, CarriesInputAndBothStreams) {
    ASSERT_EQ(run_detached("while read x; do echo out $x; echo err $x >&2; done; exit 7", {"-i"}).status, 0);
    Ctrun first = start({"attach", "box"});
    Ctrun second = start({"attach", "--no-stdin", "box"});
    write_all(second.in.get(), "lost\n");
    write_all(first.in.get(), "one\n");
    std::string out;
    EXPECT_TRUE(read_until(first.out.get(), out, "out one\n"));
    EXPECT_EQ(out, "out one\n");
    first.in.close(); // the container's input stays open
    Ctrun third = start({"attach", "box"});
    write_all(third.in.get(), "two\n");
    EXPECT_TRUE(read_until(first.out.get(), out, "out two\n"));
    EXPECT_EQ(ctrun({"kill", "box"}).status, 0);
    const Said said = finish(first);
    EXPECT_TRUE(contains(said.err, "err one\nerr two\n")) << said;
    (void)finish(second);
    (void)finish(third);
    reap();
}

TEST_F(CtrunAttachTest, ATerminalIsRawResizedAndRestored) {
    const Said run =
        run_detached("trap 'stty size' WINCH; echo ready; while :; do read x && echo got $x; done", {"-t"});
    ASSERT_EQ(run.status, 0) << run;
    const Terminal mine = terminal(33, 77);
    Ctrun attach = spawn({"attach", "box"}, mine.slave.get(), mine.slave.get());
    ASSERT_TRUE(await([&] { return is_raw(mine); }));
    std::string seen;
    EXPECT_TRUE(read_until(mine.master.get(), seen, "33 77"));
    write_all(mine.master.get(), "hello\r");
    EXPECT_TRUE(read_until(mine.master.get(), seen, "got hello"));
    resize(mine, 20, 40);
    attach.signal(SIGWINCH);
    EXPECT_TRUE(read_until(mine.master.get(), seen, "20 40"));
    write_all(mine.master.get(), "\x10\x11"); // ctrl-p,ctrl-q
    EXPECT_EQ(attach.wait(), 0);
    EXPECT_FALSE(is_raw(mine));
    EXPECT_EQ(json_value(ctrun({"list", "--json"}).out, "state"), "\"running\"");

    // Other keys; and the half of them is typed on.
    attach = spawn({"attach", "--detach-keys", "ctrl-],x", "box"}, mine.slave.get(), mine.slave.get());
    ASSERT_TRUE(await([&] { return is_raw(mine); }));
    write_all(mine.master.get(), "y\x1dz\rx\x1dx");
    EXPECT_EQ(attach.wait(), 0);
    EXPECT_FALSE(is_raw(mine));

    // A signal ends it, and not the container.
    attach = spawn({"attach", "box"}, mine.slave.get(), mine.slave.get());
    ASSERT_TRUE(await([&] { return is_raw(mine); }));
    attach.signal(SIGTERM);
    EXPECT_EQ(attach.wait(), 128 + SIGTERM);
    EXPECT_FALSE(is_raw(mine));

    // The end of the monitor.
    attach = spawn({"attach", "box"}, mine.slave.get(), mine.slave.get());
    ASSERT_TRUE(await([&] { return is_raw(mine); }));
    ASSERT_EQ(::kill(owner(), SIGKILL), 0);
    EXPECT_EQ(attach.wait(), 125);
    EXPECT_FALSE(is_raw(mine));
    EXPECT_TRUE(contains(content(attach.err), "the container goes on")) << content(attach.err);
    ctrun({"kill", "box"}); // its terminal has hung up, which the first process of a pid namespace survives
    reap();
}

TEST_F(CtrunAttachTest, WithoutATerminalItLeavesTheSizeAlone) {
    ASSERT_EQ(run_detached("while read x; do echo got $x; done", {"-t"}).status, 0);
    const auto size = [pid = json_value(ctrun({"list", "--json"}).out, "pid")] {
        const Fd its(::open(("/proc/" + pid + "/fd/0").c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
        winsize found{};
        EXPECT_EQ(::ioctl(its.get(), TIOCGWINSZ, &found), 0);
        return std::pair<int, int>(found.ws_row, found.ws_col);
    };
    const std::pair<int, int> wanted(33, 77);
    const Terminal mine = terminal(33, 77);
    Ctrun attach = spawn({"attach", "box"}, mine.slave.get(), mine.slave.get());
    EXPECT_TRUE(await([&] { return is_raw(mine) && size() == wanted; }));
    attach.signal(SIGTERM);
    EXPECT_EQ(attach.wait(), 128 + SIGTERM);

    const Terminal other = terminal(11, 22);
    Ctrun watcher = spawn({"attach", "--no-stdin", "box"}, other.slave.get(), other.slave.get());
    Ctrun piped = start({"attach", "box"});
    // Who shows what the container writes has done all that it does in the beginning.
    const auto shows = [](int fd) {
        pollfd ready{fd, POLLIN, 0};
        return ::poll(&ready, 1, 20) == 1;
    };
    EXPECT_TRUE(await([&] {
        write_all(piped.in.get(), "go\n");
        return shows(piped.out.get()) && shows(other.master.get());
    }));
    EXPECT_EQ(size(), wanted);
    watcher.signal(SIGWINCH);
    watcher.signal(SIGTERM);
    EXPECT_EQ(watcher.wait(), 128 + SIGTERM);
    EXPECT_EQ(size(), wanted);
    ctrun({"kill", "box"});
    (void)finish(piped);
    reap();
}

TEST_F(CtrunAttachTest, SignalsEndItWhileNobodyReadsItsOutput) {
    ASSERT_EQ(run_detached("read x; yes", {"-i"}).status, 0);
    const auto is_full = [](const Fd& pipe) {
        const Fd end(::open(("/proc/self/fd/" + std::to_string(pipe.get())).c_str(), O_WRONLY | O_CLOEXEC));
        pollfd room{end.get(), POLLOUT, 0};
        return ::poll(&room, 1, 0) == 0;
    };
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
        Ctrun attach = start({"attach", "box"});
        if (number == SIGTERM) write_all(attach.in.get(), "go\n");
        ASSERT_TRUE(await([&] { return is_full(attach.out); }));
        attach.signal(number);
        EXPECT_EQ(attach.wait(), 128 + number);
    }
    ctrun({"kill", "box"});
    reap();
}

TEST_F(CtrunAttachTest, SaysWhyItIsNotPossible) {
    const auto complaint = [&] {
        const Said said = ctrun({"attach", "box"});
        EXPECT_EQ(said.status, 125) << said;
        return said.err;
    };
    EXPECT_TRUE(contains(complaint(), "there is no container 'box'"));
    ctrun(shell({"-d", "--name", "box"}, "sleep 1000"));
    EXPECT_TRUE(contains(complaint(), "it was not started with --interactive or --log"));
    ctrun({"kill", "box"});
    reap();
    run_detached("echo on; sleep 1000");
    await_content("on");
    ASSERT_EQ(::kill(owner(), SIGKILL), 0);
    while (owner() > 0) continue;
    EXPECT_TRUE(contains(complaint(), "the process that held its streams is gone"));
    ctrun({"kill", "box"});
    reap();
    run_detached("sleep 1000", {"-i"});
    std::list<Client> all;
    for (int i = 0; i < 64; ++i) all.emplace_back((runtime() / "libct/box/attach").string());
    EXPECT_TRUE(contains(complaint(), "the container goes on: too many are attached"));
    ctrun({"kill", "box"});
    reap();
    for (const Words& wrong : {Words{"attach", "box", "--detach-keys", "ctrl-1"}, Words{"run", "-i", "--", "true"},
                               Words{"run", "-d", "-i", "--log", "/x", "--", "true"}})
        EXPECT_EQ(ctrun(wrong).status, 125);
}

TEST_F(CtrunAttachTest, LeavesNoSocket) {
    ctrun({"create", "box", "--root", root().string(), "--new", "mount,pid", "--default-mounts", "--", "/bin/sh", "-c",
           "read x; echo $x"});
    const fs::path socket = runtime() / "libct/box/attach";
    for (int i = 0; i < 2; ++i) {
        ASSERT_EQ(ctrun({"start", "-i", "box"}).status, 0);
        EXPECT_TRUE(fs::is_socket(socket));
        EXPECT_EQ(fs::status(socket).permissions(), fs::perms{0600});
        Ctrun attach = start({"attach", "box"});
        write_all(attach.in.get(), "bye\n");
        const Said said = finish(attach);
        EXPECT_TRUE(said.out == "bye\n" || said.out.empty()) << said;
        reap();
        EXPECT_FALSE(fs::exists(socket));
    }
    // One that was killed leaves its socket, which the next replaces.
    ASSERT_EQ(ctrun({"start", "-i", "box"}).status, 0);
    ASSERT_EQ(::kill(owner(), SIGKILL), 0);
    ctrun({"stop", "--grace", "0", "box"});
    reap();
    ASSERT_EQ(ctrun({"start", "-i", "box"}).status, 0);
    EXPECT_TRUE(fs::is_socket(socket));
    ctrun({"kill", "box"});
    reap();
}

} // namespace
} // namespace ct::test
