// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/streams.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <functional>
#include <stdexcept>

#include <gtest/gtest.h>

#include <ct/error.hpp>

#include "base/sys.hpp"

namespace ct::internal {
namespace {

bool same_file(int a, int b) {
    struct stat first {};
    struct stat second {};
    return ::fstat(a, &first) == 0 && ::fstat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

/// The source of \p target, which has to be mapped once.
int source_of(const Streams& streams, int target) {
    int source = -1;
    for (const FdSource& entry : streams.layout().map) {
        if (entry.target != target) continue;
        EXPECT_EQ(source, -1) << target << " is mapped twice";
        source = entry.source;
    }
    return source;
}

bool is_at_end(int fd) {
    pollfd reader{fd, POLLIN, 0};
    return ::poll(&reader, 1, 0) == 1 && reader.revents == POLLHUP;
}

struct StreamsTest : ::testing::Test {
    LowFds low_fds;
    ProcessSpec process;
};

TEST_F(StreamsTest, AreTheHostsByDefault) {
    const Streams streams(process, low_fds);
    ASSERT_EQ(streams.layout().map.size(), 3U);
    for (int number = 0; number < 3; ++number) EXPECT_EQ(source_of(streams, number), number);
    EXPECT_EQ(streams.layout().terminal, -1);
    EXPECT_EQ(streams.layout().terminal_path, "");
}

TEST_F(StreamsTest, ClosedOnesOfTheHostAreNull) {
    const UniqueFd saved = sys::duplicate(0, Stage::Stdio, "duplicate");
    ::close(0);
    process.stdio.out = Stdio::Pipe;
    {
        const Streams streams(process, low_fds);
        EXPECT_EQ(source_of(streams, 0), low_fds.null());
        EXPECT_GT(source_of(streams, 1), 2);
    }
    EXPECT_LT(::fcntl(0, F_GETFD), 0);
    ::dup2(saved.get(), 0);
}

TEST_F(StreamsTest, NullIsDevNull) {
    process.stdio = {Stdio::Null, Stdio::Null, Stdio::Null};
    const Streams streams(process, low_fds);
    for (int number = 0; number < 3; ++number) EXPECT_EQ(source_of(streams, number), low_fds.null());
}

TEST_F(StreamsTest, PipesLeadToTheHost) {
    process.stdio = {Stdio::Pipe, Stdio::Pipe, Stdio::Pipe};
    HostEnds ends;
    {
        Streams streams(process, low_fds);
        ends = streams.take_host_ends();
        const auto carries = [](int write_end, int read_end) {
            char byte = 0;
            return ::write(write_end, "x", 1) == 1 && ::read(read_end, &byte, 1) == 1 && byte == 'x';
        };
        EXPECT_TRUE(carries(ends.pipes[0].get(), source_of(streams, 0)));
        EXPECT_TRUE(carries(source_of(streams, 1), ends.pipes[1].get()));
        EXPECT_TRUE(carries(source_of(streams, 2), ends.pipes[2].get()));
        for (const UniqueFd& end : ends.pipes) EXPECT_TRUE((::fcntl(end.get(), F_GETFD) & FD_CLOEXEC) != 0);
    }
    EXPECT_TRUE(is_at_end(ends.pipes[1].get())) << "the child's end stays open in the host";
    EXPECT_TRUE(is_at_end(ends.pipes[2].get()));
}

TEST_F(StreamsTest, OutputIsWhereStandardOutputGoes) {
    process.stdio = {Stdio::Null, Stdio::Pipe, Stdio::Output};
    {
        Streams streams(process, low_fds);
        EXPECT_EQ(source_of(streams, 2), source_of(streams, 1));
        EXPECT_FALSE(streams.take_host_ends().pipes[2]);
    }
    process.stdio.out = Stdio::Inherit;
    EXPECT_EQ(source_of(Streams(process, low_fds), 2), 1);
}

TEST_F(StreamsTest, MappedDescriptorsComeAlong) {
    const sys::Pipe pipe = sys::pipe(Stage::Stdio);
    process.fds = {{.target = 5, .source = pipe.read.get()},
                   {.target = 6, .source = pipe.read.get()},
                   {.target = 1, .source = pipe.write.get()}};
    const Streams streams(process, low_fds);
    EXPECT_EQ(streams.layout().map.size(), 5U);
    EXPECT_EQ(source_of(streams, 0), 0);
    EXPECT_TRUE(same_file(source_of(streams, 1), pipe.write.get()));
    EXPECT_TRUE(same_file(source_of(streams, 5), pipe.read.get()));
    EXPECT_TRUE(same_file(source_of(streams, 6), pipe.read.get()));
}

TEST_F(StreamsTest, HighDescriptorsAreLowForTheChild) {
    const UniqueFd high(::fcntl(0, F_DUPFD_CLOEXEC, 400));
    process.fds = {{.target = 3, .source = high.get()}};
    const Streams streams(process, low_fds);
    EXPECT_LT(source_of(streams, 3), 256);
    EXPECT_TRUE(same_file(source_of(streams, 3), 0));
}

/// The sentence about a descriptor that is not open.
std::string complaint(const Spec& spec, const ProcessSpec& process, Stage stage) {
    try {
        check_borrowed_fds(spec, process);
    } catch (const Error& error) {
        EXPECT_EQ(error.stage(), stage);
        EXPECT_EQ(error.code(), std::errc::bad_file_descriptor);
        return error.what();
    }
    return {};
}

TEST_F(StreamsTest, BorrowedDescriptorsHaveToBeOpen) {
    process.fds = {{.target = 4, .source = 0}};
    EXPECT_EQ(complaint({}, process, Stage::Stdio), "");
    process.fds.push_back({.target = 5, .source = 999});
    EXPECT_EQ(complaint({}, process, Stage::Stdio), "map descriptor 5 to 'fd 999': Bad file descriptor");
    Spec spec;
    spec.namespaces[Namespace::Net] = NamespaceFd{0};
    EXPECT_EQ(complaint(spec, {}, Stage::Namespaces), "");
    spec.namespaces[Namespace::Uts] = NamespaceFd{999};
    EXPECT_EQ(complaint(spec, {}, Stage::Namespaces), "join uts namespace 'fd 999': Bad file descriptor");
}

TEST_F(StreamsTest, KnowWhatSurvivesExec) {
    const UniqueFd closing(::fcntl(0, F_DUPFD_CLOEXEC, 3));
    const UniqueFd surviving(::fcntl(0, F_DUPFD, 3));
    const UniqueFd high(::fcntl(0, F_DUPFD, 400)); // its low duplicate does not
    process.stdio = {Stdio::Null, Stdio::Null, Stdio::Null};
    process.fds = {{.target = 4, .source = closing.get()},
                   {.target = 5, .source = surviving.get()},
                   {.target = 6, .source = high.get()}};
    const Streams streams(process, low_fds);
    for (const FdSource& entry : streams.layout().map) {
        const bool survives = (::fcntl(entry.source, F_GETFD) & FD_CLOEXEC) == 0;
        EXPECT_EQ(entry.survives_exec, survives) << entry.target;
        EXPECT_EQ(entry.survives_exec, entry.target == 5) << entry.target;
    }
}

TEST_F(StreamsTest, TerminalIsAllThreeStreams) {
    process.terminal = TerminalSize{.rows = 33, .columns = 111};
    Streams streams(process, low_fds);
    const HostEnds ends = streams.take_host_ends();
    const FdLayout& layout = streams.layout();
    ASSERT_GE(layout.terminal, 0);
    for (int number = 0; number < 3; ++number) EXPECT_EQ(source_of(streams, number), layout.terminal);
    EXPECT_TRUE(::isatty(layout.terminal));
    EXPECT_TRUE((::fcntl(ends.terminal.get(), F_GETFD) & FD_CLOEXEC) != 0);
    winsize size{};
    ASSERT_EQ(::ioctl(layout.terminal, TIOCGWINSZ, &size), 0);
    EXPECT_EQ(size.ws_row, 33);
    EXPECT_EQ(size.ws_col, 111);
    int number = -1;
    ASSERT_EQ(::ioctl(ends.terminal.get(), TIOCGPTN, &number), 0);
    EXPECT_EQ(layout.terminal_path, "/dev/pts/" + std::to_string(number));
}

} // namespace
} // namespace ct::internal
