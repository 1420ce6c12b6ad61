// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

/// "N device:inode" of a descriptor of this process, as test_init's fds prints it.
std::string identity(int fd) {
    struct stat status {};
    EXPECT_EQ(::fstat(fd, &status), 0);
    return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

class StandardStreamsTest : public ContainerTest {};

TEST_F(StandardStreamsTest, PipesCarryBothWays) {
    Container container = isolated();
    ProcessSpec spec = program({"copy"});
    spec.stdio = {Stdio::Pipe, Stdio::Pipe, Stdio::Pipe};
    const Process process = container.start(spec);
    ASSERT_EQ(::write(process.stream(0), "hello\n", 6), 6);
    EXPECT_EQ(read_line(process.stream(1)), "hello");
    process.close_stream(0);
    EXPECT_EQ(process.stream(0), -1);
    const Finished finished = finish(process);
    EXPECT_TRUE(succeeded(finished));
    container.wait();
}

TEST_F(StandardStreamsTest, OutputAndErrorAreApart) {
    Container container = isolated();
    const Finished finished = run(container, program({"echo", "to out", "to err"}));
    EXPECT_EQ(finished.out, "to out\n");
    EXPECT_EQ(finished.err, "to err\n");
}

TEST_F(StandardStreamsTest, ErrorGoesWhereOutputGoes) {
    Container container = isolated();
    ProcessSpec spec = program({"echo", "to out", "to err"});
    spec.stdio = {Stdio::Null, Stdio::Pipe, Stdio::Output};
    const Process process = container.start(spec);
    EXPECT_EQ(process.stream(2), -1);
    const Finished finished = finish(process);
    container.wait();
    EXPECT_TRUE(contains(finished.out, "to out\n"));
    EXPECT_TRUE(contains(finished.out, "to err\n"));
}

TEST_F(StandardStreamsTest, ErrorIsTheSameFileAsOutput) {
    Container container = isolated();
    ProcessSpec spec = program({"fds"});
    spec.stdio = {Stdio::Null, Stdio::Pipe, Stdio::Output};
    const std::vector<std::string> fds = lines(finish(container.start(spec)).out);
    container.wait();
    ASSERT_EQ(fds.size(), 3U);
    EXPECT_EQ(fds[1].substr(2), fds[2].substr(2));
}

TEST_F(StandardStreamsTest, NullIsDevNull) {
    Container container = isolated();
    ProcessSpec spec = program({"fds"});
    spec.stdio = {Stdio::Null, Stdio::Pipe, Stdio::Null};
    const std::vector<std::string> fds = lines(finish(container.start(spec)).out);
    container.wait();
    struct stat null {};
    ASSERT_EQ(::stat("/dev/null", &null), 0);
    const std::string expected = std::to_string(null.st_dev) + ":" + std::to_string(null.st_ino);
    ASSERT_EQ(fds.size(), 3U);
    EXPECT_TRUE(contains(fds[0], "0 " + expected));
    EXPECT_TRUE(contains(fds[2], "2 " + expected));
}

TEST_F(StandardStreamsTest, AreTheHostsOwnByDefault) {
    Container container = isolated();
    ProcessSpec spec = program({"fds"});
    spec.stdio.out = Stdio::Pipe;
    const std::vector<std::string> fds = lines(finish(container.start(spec)).out);
    container.wait();
    ASSERT_EQ(fds.size(), 3U);
    EXPECT_TRUE(contains(fds[0], "0 " + identity(0)));
    EXPECT_TRUE(contains(fds[2], "2 " + identity(2)));
}

TEST_F(StandardStreamsTest, HostsEndsAreCloseOnExecAndBlocking) {
    Container container = isolated();
    ProcessSpec spec = program({"copy"});
    spec.stdio = {Stdio::Pipe, Stdio::Pipe, Stdio::Pipe};
    const Process process = container.start(spec);
    for (const int number : {0, 1, 2}) {
        const int fd = process.stream(number);
        ASSERT_GE(fd, 3);
        EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
        EXPECT_EQ(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    }
    EXPECT_EQ(process.stream(3), -1);
    EXPECT_EQ(process.stream(-1), -1);
    process.close_stream(0);
    EXPECT_TRUE(succeeded(finish(process)));
    container.wait();
}

TEST_F(StandardStreamsTest, ReleasedEndBelongsToTheCaller) {
    Container container = isolated();
    int fd = -1;
    {
        ProcessSpec spec = program({"echo", "text", ""});
        spec.stdio = {Stdio::Null, Stdio::Pipe, Stdio::Null};
        const Process process = container.start(spec);
        fd = process.release_stream(1);
        EXPECT_EQ(process.stream(1), -1);
        EXPECT_EQ(process.release_stream(1), -1);
        process.close_stream(1);
        container.wait();
    }
    EXPECT_EQ(read_line(fd), "text");
    EXPECT_EQ(::close(fd), 0);
}

TEST_F(StandardStreamsTest, ReaderSeesTheEndWhenTheProcessEnds) {
    Container container = isolated();
    const Process process = start_ready(container, program({"pause"}));
    container.kill();
    EXPECT_TRUE(reaches_end(process.stream(1)));
    container.wait();
}

TEST_F(StandardStreamsTest, PipeHasNoOtherHolder) {
    // Two containers at once: neither holds the other's pipe open.
    Container one = isolated("one");
    Container two = isolated("two");
    ProcessSpec spec = program({"copy"});
    spec.stdio = {Stdio::Pipe, Stdio::Pipe, Stdio::Inherit};
    const Process first = one.start(spec);
    const Process second = two.start(spec);
    first.close_stream(0);
    EXPECT_TRUE(reaches_end(first.stream(1)));
    one.wait();
    second.close_stream(0);
    EXPECT_TRUE(reaches_end(second.stream(1)));
    two.wait();
}

class Terminal : public ContainerTest {
protected:
    static Process start_on_terminal(Container& container, ProcessSpec spec, TerminalSize size = {}) {
        spec.terminal = size;
        return container.start(std::move(spec));
    }

    static void expect_controlling(const Process& process, const std::string& size) {
        EXPECT_EQ(read_line(process.terminal()), "terminals 1 1 1");
        EXPECT_EQ(read_line(process.terminal()), "controlling 1");
        EXPECT_EQ(read_line(process.terminal()), "foreground 1");
        EXPECT_EQ(read_line(process.terminal()), "leader 1");
        EXPECT_EQ(read_line(process.terminal()), size);
        EXPECT_TRUE(exited(process.wait(), 0));
    }
};

TEST_F(Terminal, IsTheControllingOneAndHasItsSize) {
    Container container = isolated().add_default_mounts();
    expect_controlling(start_on_terminal(container, program({"tty"}), {.rows = 33, .columns = 99}), "33x99");
    container.wait();
}

TEST_F(Terminal, NeedsNothingInTheImage) {
    Container container = isolated();
    expect_controlling(start_on_terminal(container, program({"tty"})), "24x80");
    container.wait();
}

TEST_F(Terminal, WorksWithoutNamespaces) {
    Container container = plain();
    expect_controlling(start_on_terminal(container, host_program({"tty"})), "24x80");
    container.wait();
}

TEST_F(Terminal, WorksInAUserNamespace) {
    Container container = isolated().add_namespace(Namespace::User).map_root_to_caller().add_default_mounts();
    expect_controlling(start_on_terminal(container, program({"tty"})), "24x80");
    container.wait();
}

TEST_F(Terminal, WorksForAnotherUser) {
    Container container = isolated().add_default_mounts();
    ProcessSpec spec = program({"cat", "/dev/tty"});
    spec.user = User{1000, 1000};
    const Process process = start_on_terminal(container, spec);
    ASSERT_EQ(::write(process.terminal(), "hello\n\004", 7), 7);
    EXPECT_EQ(read_line(process.terminal()), "hello"); // the echo
    EXPECT_EQ(read_line(process.terminal()), "hello");
    EXPECT_TRUE(exited(process.wait(), 0));
    container.wait();
}

TEST_F(Terminal, WorksForAnEnteredProcess) {
    Container container = isolated().add_default_mounts();
    const Process init = start_ready(container, program({"pause"}));
    ProcessSpec spec = program({"tty"});
    spec.terminal = TerminalSize{.rows = 5, .columns = 6};
    expect_controlling(container.enter(spec), "5x6");
    container.kill();
    container.wait();
}

TEST_F(Terminal, WorksForACallable) {
    Container container = isolated();
    ProcessSpec spec;
    spec.terminal = TerminalSize{};
    const Process process = container.start(spec, [] { return ::isatty(0) && ::tcgetsid(0) == ::getpid() ? 0 : 1; });
    EXPECT_TRUE(exited(process.wait(), 0));
    container.wait();
}

TEST_F(Terminal, IsResized) {
    Container container = isolated();
    const Process process = start_on_terminal(container, program({"winch"}));
    EXPECT_EQ(read_line(process.terminal()), "24x80");
    process.resize_terminal({.rows = 50, .columns = 132});
    EXPECT_EQ(read_line(process.terminal()), "50x132");
    EXPECT_TRUE(exited(process.wait(), 0));
    container.wait();
}

TEST_F(Terminal, ResizeWithoutOneIsAnError) {
    Container container = isolated();
    const Process process = start_ready(container, program({"pause"}));
    EXPECT_EQ(process.terminal(), -1);
    EXPECT_TRUE(fails([&] { process.resize_terminal({}); }, std::errc::inappropriate_io_control_operation, {}));
    container.kill();
    container.wait();
}

TEST_F(Terminal, DoesNotBecomeTheHosts) {
    const pid_t session_before = ::getsid(0);
    const int tty_before = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
    Container container = isolated();
    const Process process = start_on_terminal(container, program({"winch"}));
    EXPECT_EQ(read_line(process.terminal()), "24x80");
    EXPECT_NE(::fcntl(process.terminal(), F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_EQ(::fcntl(process.terminal(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(::getsid(0), session_before);
    const int tty_after = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
    EXPECT_EQ(tty_before >= 0, tty_after >= 0);
    ::close(tty_before);
    ::close(tty_after);
    container.kill();
    container.wait();
}

TEST_F(Terminal, DeliversTheInterruptKey) {
    Container container = plain();
    const Process process = start_on_terminal(container, host_program({"pause"}));
    EXPECT_EQ(read_line(process.terminal()), "ready");
    ASSERT_EQ(::write(process.terminal(), "\003", 1), 1);
    const std::optional<ExitStatus> status = container.wait_for(Patience);
    ASSERT_TRUE(status.has_value());
    EXPECT_TRUE(signaled(*status, SIGINT));
}

TEST_F(Terminal, HangsUpWhenTheHostClosesItsEnd) {
    Container container = plain();
    {
        const Process process = start_on_terminal(container, host_program({"pause"}));
        EXPECT_EQ(read_line(process.terminal()), "ready");
    }
    // The container keeps its first process's handle, and with it the terminal; a kill ends both.
    EXPECT_GE(container.init().terminal(), 0);
    container.kill();
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
}

} // namespace
} // namespace ct::test
