// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <array>
#include <map>
#include <sstream>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

using Table = std::map<int, std::string>;

std::string identity(int fd) {
    struct stat status {};
    EXPECT_EQ(::fstat(fd, &status), 0) << fd;
    return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

Table parse(const std::string& text) {
    Table table;
    for (const std::string& line : lines(text)) {
        std::istringstream stream{line};
        int fd = -1;
        stream >> fd;
        stream >> table[fd];
        EXPECT_FALSE(contains(line, "cloexec")) << line;
    }
    return table;
}

class DescriptorMap : public ContainerTest {
protected:
    void TearDown() override {
        for (const int fd : opened_) ::close(fd);
        ContainerTest::TearDown();
    }

    /// A new file of its own, at \p number if that is not negative.
    int open_file(int number = -1) {
        const int fd = ::memfd_create("test", MFD_CLOEXEC);
        if (number < 0 || fd == number) {
            opened_.push_back(fd);
            return fd;
        }
        EXPECT_EQ(::dup3(fd, number, O_CLOEXEC), number);
        ::close(fd);
        opened_.push_back(number);
        return number;
    }

    /// The table that a process sees, which writes it to a mapped file: all other descriptors are then free for the
    /// map.
    Table table_with(std::vector<FdMapping> fds) {
        Container container = isolated();
        ProcessSpec spec = program({"fds"});
        spec.stdio = {Stdio::Null, Stdio::Pipe, Stdio::Null};
        spec.fds = std::move(fds);
        const Finished finished = finish(container.start(spec));
        EXPECT_TRUE(succeeded(finished));
        container.wait();
        return parse(finished.out);
    }

    /// Beside the standard streams exactly these.
    void expect_map(const std::vector<FdMapping>& fds) {
        Table expected;
        for (const FdMapping& mapping : fds) expected[mapping.target] = identity(mapping.source);
        Table table = table_with(fds);
        for (const int fd : {0, 1, 2}) EXPECT_EQ(table.erase(fd), 1U) << fd;
        EXPECT_EQ(table, expected);
    }

    std::vector<int> opened_;
};

TEST_F(DescriptorMap, EmptyPassesOnlyStandardStreams) {
    for (int i = 0; i < 20; ++i) open_file();
    const int inheritable = open_file();
    ::fcntl(inheritable, F_SETFD, 0);
    expect_map({});
}

TEST_F(DescriptorMap, PassesTheSameNumber) {
    const int fd = open_file();
    expect_map({{fd, fd}});
}

TEST_F(DescriptorMap, PassesOtherNumbers) {
    const int a = open_file();
    const int b = open_file();
    expect_map({{3, b}, {10, a}, {77, b}});
}

TEST_F(DescriptorMap, SwapsTwo) {
    const int a = open_file();
    const int b = open_file();
    expect_map({{a, b}, {b, a}});
}

TEST_F(DescriptorMap, RotatesManyInAnyOrder) {
    std::vector<int> files;
    for (int i = 0; i < 12; ++i) files.push_back(open_file());
    std::vector<FdMapping> fds;
    for (std::size_t i = 0; i < files.size(); ++i) fds.push_back({files[i], files[(i + 5) % files.size()]});
    expect_map(fds);
    std::reverse(fds.begin(), fds.end());
    expect_map(fds);
}

TEST_F(DescriptorMap, MakesEveryPermutationOfFour) {
    std::vector<int> files{open_file(3 + 200), open_file(3 + 201), open_file(3 + 202), open_file(3 + 203)};
    std::array<std::size_t, 4> order{0, 1, 2, 3};
    do {
        std::vector<FdMapping> fds;
        for (std::size_t i = 0; i < order.size(); ++i) fds.push_back({files[i], files[order[i]]});
        expect_map(fds);
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(DescriptorMap, UsesOneTwice) {
    const int a = open_file();
    expect_map({{a, a}, {50, a}, {51, a}, {52, a}});
}

TEST_F(DescriptorMap, ChainsOntoNumbersInUse) {
    const int a = open_file();
    const int b = open_file();
    const int c = open_file();
    expect_map({{b, a}, {c, b}, {90, c}});
    expect_map({{90, c}, {c, b}, {b, a}});
}

TEST_F(DescriptorMap, TakesHighNumbers) {
    struct rlimit limit {};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    const int high = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 65536)) - 1;
    const int a = open_file(high);
    expect_map({{high, a}, {high - 1, a}, {3, a}});
}

TEST_F(DescriptorMap, ReplacesStandardStreams) {
    const int in = open_file();
    const int err = open_file();
    const std::string text = "from the file";
    ASSERT_EQ(::pwrite(in, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    Container container = isolated();
    ProcessSpec spec = program({"copy"});
    spec.stdio.out = Stdio::Pipe;
    spec.fds = {{0, in}, {2, err}};
    EXPECT_EQ(finish(container.start(spec)).out, text);
    container.wait();
}

TEST_F(DescriptorMap, SwapsTheHostsStandardStreams) {
    // Standard output of the host is its input in the container and the other way round.
    const int in = open_file();
    const int out = open_file();
    ASSERT_EQ(::pwrite(out, "text", 4, 0), 4);
    EXPECT_TRUE(passes_in_child([&] {
        ::dup2(in, 0);
        ::dup2(out, 1);
        Session session;
        Container container = session.create("box");
        ProcessSpec spec = host_program({"copy"});
        spec.fds = {{0, 1}, {1, 0}};
        EXPECT_TRUE(succeeded(finish(container.start(spec))));
        container.wait();
    }));
    std::array<char, 16> buffer{};
    EXPECT_EQ(::pread(in, buffer.data(), buffer.size(), 0), 4);
    EXPECT_STREQ(buffer.data(), "text");
}

TEST_F(DescriptorMap, RotatesAllThreeStandardStreams) {
    const std::array<int, 3> files{open_file(), open_file(), open_file()};
    EXPECT_TRUE(passes_in_child([&] {
        for (int fd = 0; fd < 3; ++fd) ::dup2(files[static_cast<std::size_t>(fd)], fd);
        Session session;
        Container container = session.create("box");
        ProcessSpec spec = host_program({"fds"});
        spec.fds = {{0, 1}, {1, 2}, {2, 0}};
        EXPECT_TRUE(succeeded(finish(container.start(spec))));
        container.wait();
    }));
    std::array<char, 4096> buffer{};
    ASSERT_GT(::pread(files[2], buffer.data(), buffer.size() - 1, 0), 0);
    const Table table = parse(buffer.data());
    EXPECT_EQ(table, (Table{{0, identity(files[1])}, {1, identity(files[2])}, {2, identity(files[0])}}));
}

TEST_F(DescriptorMap, WorksForACallable) {
    const int a = open_file();
    const int b = open_file();
    open_file();
    const std::string first = identity(a);
    const std::string second = identity(b);
    Container container = isolated();
    ProcessSpec spec;
    spec.fds = {{a, b}, {b, a}, {100, a}};
    const Finished finished = run(container, spec, [&] {
        for (int fd = 3; fd < 1000; ++fd) {
            struct stat status {};
            const bool open = ::fstat(fd, &status) == 0;
            if (open != (fd == a || fd == b || fd == 100)) return fd & 0xff;
        }
        return identity(a) == second && identity(b) == first && identity(100) == first ? 0 : 1;
    });
    EXPECT_TRUE(exited(finished.status, 0));
}

TEST_F(DescriptorMap, WorksForAnEnteredProcess) {
    const int a = open_file();
    const int b = open_file();
    Container container = isolated();
    const Process init = start_ready(container, program({"pause"}));
    ProcessSpec spec = program({"fds"});
    spec.fds = {{a, b}, {b, a}};
    Table table = parse(run_entered(container, spec).out);
    EXPECT_EQ(table.size(), 5U);
    EXPECT_EQ(table[a], identity(b));
    EXPECT_EQ(table[b], identity(a));
    container.kill();
    container.wait();
}

TEST_F(DescriptorMap, LeavesTheHostsDescriptorsAlone) {
    const int a = open_file();
    const int b = open_file();
    const std::string before = identity(a) + identity(b);
    table_with({{a, b}, {b, a}});
    EXPECT_EQ(identity(a) + identity(b), before);
    EXPECT_NE(::fcntl(a, F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_NE(::fcntl(b, F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(DescriptorMap, WorksWithThousandsOfOpenDescriptors) {
    struct rlimit limit {};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    const auto count = std::min<rlim_t>(limit.rlim_cur - 50, 5000);
    const int a = open_file();
    for (rlim_t i = 0; i < count; ++i) opened_.push_back(::fcntl(a, F_DUPFD_CLOEXEC, 3));
    const int last = open_file();
    expect_map({{3, last}, {last, a}});
}

TEST_F(DescriptorMap, RefusesAClosedSource) {
    Container container = isolated(); // the session has its descriptors by now
    const int closed = ::dup(0);
    ::close(closed);
    ProcessSpec spec = program({"exit", "0"});
    spec.fds = {{10, closed}};
    EXPECT_TRUE(fails([&] { container.start(spec); }, std::errc::bad_file_descriptor,
                      {"container 'box': ", std::to_string(closed), "Bad file descriptor"}));
}

TEST_F(DescriptorMap, RefusesATargetAboveTheLimit) {
    struct rlimit limit {};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    Container container = isolated();
    ProcessSpec spec = program({"exit", "0"});
    spec.fds = {{static_cast<int>(limit.rlim_cur), open_file()}};
    EXPECT_TRUE(fails([&] { container.start(spec); }, std::errc::bad_file_descriptor, {"container 'box': "}));
}

} // namespace
} // namespace ct::test
