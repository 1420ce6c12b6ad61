// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Log sinks in trouble, with real containers.
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

using LogSinksTest = ContainerTest;

/// A socket that gets what is meant for the journal or the system log.
class Receiver {
public:
    explicit Receiver(const fs::path& path) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }
    Receiver(const Receiver&) = delete;
    Receiver& operator=(const Receiver&) = delete;
    ~Receiver() { ::close(fd_); }

    /// The next message, also one in a file; empty if there is none.
    [[nodiscard]] std::string next() const {
        std::string text(1 << 20, '\0');
        iovec part{text.data(), text.size()};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const ssize_t size = ::recvmsg(fd_, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (size < 0) return "";
        const cmsghdr* const rights = CMSG_FIRSTHDR(&message);
        if (rights == nullptr) return text.substr(0, static_cast<std::size_t>(size));
        int file = -1;
        std::memcpy(&file, CMSG_DATA(rights), sizeof file);
        text.resize(2 << 20);
        const ssize_t length = ::pread(file, text.data(), text.size(), 0);
        ::close(file);
        return text.substr(0, static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
    }

private:
    int fd_;
};

TEST_F(LogSinksTest, JournalGetsTheFields) {
    const fs::path socket = dir() / "journal";
    const Receiver journal(socket);
    Container box =
        plain().set_log({.targets = {Journald{
                             .tag = "web", .id = "0123456789abcdef", .labels = {{"COLOR", "red"}}, .socket = socket}}});
    box.start(shell("echo hello; sleep 0.1; printf end >&2"));
    box.wait();
    EXPECT_EQ(journal.next(), "CONTAINER_NAME=box\nCONTAINER_ID=0123456789ab\nCONTAINER_ID_FULL=0123456789abcdef\n"
                              "SYSLOG_IDENTIFIER=web\nCONTAINER_TAG=web\nCOLOR=red\nPRIORITY=6\nMESSAGE=hello\n");
    EXPECT_EQ(journal.next(), "CONTAINER_NAME=box\nCONTAINER_ID=0123456789ab\nCONTAINER_ID_FULL=0123456789abcdef\n"
                              "SYSLOG_IDENTIFIER=web\nCONTAINER_TAG=web\nCOLOR=red\nPRIORITY=3\n"
                              "CONTAINER_PARTIAL_MESSAGE=true\nMESSAGE=end\n");
    EXPECT_EQ(journal.next(), "");
}

TEST_F(LogSinksTest, JournalGetsLongLinesInAFile) {
    const fs::path socket = dir() / "journal";
    const Receiver journal(socket);
    Container box = plain().set_log({.targets = {Journald{.socket = socket}}, .line_size = 1 * MiB});
    box.start(shell("head -c 1000000 /dev/zero | tr '\\0' x; echo; echo short"));
    box.wait();
    EXPECT_TRUE(journal.next().ends_with("MESSAGE=" + std::string(1000000, 'x') + "\n"));
    EXPECT_TRUE(journal.next().ends_with("MESSAGE=short\n"));
}

TEST_F(LogSinksTest, SyslogGetsItsForm) {
    const fs::path socket = dir() / "log";
    const Receiver syslog(socket);
    Container box = plain().set_log({.targets = {Syslog{.facility = 16, .socket = socket}}});
    box.start(shell("echo hello; sleep 0.1; echo bad >&2"));
    box.wait();
    const std::string first = syslog.next();
    EXPECT_TRUE(first.starts_with("<134>") && first.ends_with(" box: hello")) << first;
    EXPECT_EQ(first.size(), 5 + 15 + std::strlen(" box: hello"));
    EXPECT_TRUE(syslog.next().starts_with("<131>"));
}

TEST_F(LogSinksTest, StartNeedsTheJournal) {
    Container box = plain().set_log({.targets = {LogFile{.path = dir() / "log"}, Journald{.socket = dir() / "none"}}});
    EXPECT_TRUE(fails([&] { box.start(shell("true")); }, std::errc::no_such_file_or_directory,
                      {"container 'box'", "/none'", "nobody serves it"}));
    EXPECT_FALSE(fs::exists(dir() / "log"));
}

TEST_F(LogSinksTest, FailedStartLeavesNoLog) {
    Container box = plain().set_log({.targets = {LogFile{.path = dir() / "log"}}});
    EXPECT_TRUE(fails([&] { box.start({.argv = {"/nonexistent"}}); }, std::errc::no_such_file_or_directory, {"box"}));
    EXPECT_FALSE(fs::exists(dir() / "log"));
}

TEST_F(LogSinksTest, JournalThatComesBackGetsWhatWasKept) {
    const fs::path socket = dir() / "journal";
    std::optional<Receiver> journal(std::in_place, socket);
    const auto ring = std::make_shared<LogRing>(1 * KiB);
    Container box = plain().set_log({.targets = {Journald{.socket = socket}}}).add_sink(ring);
    const Process init = box.start(
        {.argv = {"/bin/sh", "-c", "echo one; read a; echo two; read a; echo three"}, .stdio = {.in = Stdio::Pipe}});
    const auto await = [&](std::string_view text) {
        while (ring->text() != text) session().dispatch_for(Patience);
    };
    await("one\n");
    EXPECT_TRUE(journal->next().ends_with("=one\n"));
    journal.reset();
    fs::remove(socket);
    ASSERT_EQ(::write(init.stream(0), "\n", 1), 1);
    await("one\ntwo\n"); // the container does not wait for it
    journal.emplace(socket);
    ASSERT_EQ(::write(init.stream(0), "\n", 1), 1);
    box.wait();
    EXPECT_TRUE(journal->next().ends_with("=two\n"));
    EXPECT_TRUE(journal->next().ends_with("=three\n"));
    EXPECT_EQ(box.log_stats().dropped_records, 0U);
}

TEST_F(LogSinksTest, JournalThatDoesNotReadHoldsNobodyUp) {
    const fs::path socket = dir() / "journal";
    const Receiver journal(socket);
    Container box = plain().set_log({.targets = {Journald{.socket = socket, .delivery = {.backlog = 1 * KiB}}}});
    box.start(shell("seq 100000"));
    EXPECT_TRUE(exited(box.wait(), 0));
    const LogStats stats = box.log_stats();
    std::uint64_t received = 0;
    while (!journal.next().empty()) ++received;
    EXPECT_EQ(stats.records, 100000U);
    EXPECT_GT(stats.dropped_records, 0U);
    EXPECT_EQ(received + stats.dropped_records, stats.records);
}

TEST_F(LogSinksTest, FullDiskDropsWholeLinesAndSaysSo) {
    const fs::path disk = make_dir("disk");
    mount_tmpfs(disk, "size=256k");
    const auto ring = std::make_shared<LogRing>(16 * MiB);
    Container box = plain().set_log({.targets = {LogFile{.path = disk / "log", .delivery = {.backlog = 4 * KiB}}}});
    box.add_sink(ring);
    const Process init = box.start(
        {.argv = {"/bin/sh", "-c", "seq 100000; echo full; read a; echo last"}, .stdio = {.in = Stdio::Pipe}});
    while (!ring->text().ends_with("full\n")) session().dispatch_for(Patience);
    // Room again.
    fs::rename(disk / "log", disk / "old");
    ASSERT_EQ(::truncate((disk / "old").c_str(), 4096), 0);
    ASSERT_EQ(::write(init.stream(0), "\n", 1), 1);
    EXPECT_TRUE(exited(box.wait(), 0));
    const std::string log = content(disk / "old");
    EXPECT_TRUE(log.ends_with(" F last\n")) << log.substr(log.size() - 300);
    EXPECT_NE(log.find("stderr F libct: dropped "), std::string::npos);
    EXPECT_NE(log.find(" bytes: No space left on device\n"), std::string::npos);
    EXPECT_GT(box.log_stats().dropped_records, 1000U);
}

TEST_F(LogSinksTest, DiskThatStaysFullEndsWithAWholeLine) {
    const fs::path disk = make_dir("disk");
    mount_tmpfs(disk, "size=64k");
    Container box = plain().set_log({.targets = {LogFile{.path = disk / "log"}}});
    box.start(shell("seq 20000"));
    EXPECT_TRUE(exited(box.wait(), 0));
    const std::string log = content(disk / "log");
    const auto lines = static_cast<std::uint64_t>(std::ranges::count(log, '\n'));
    EXPECT_TRUE(log.ends_with(" F " + std::to_string(lines) + "\n"));
    EXPECT_EQ(box.log_stats().dropped_records, 20000 - lines);
}

TEST_F(LogSinksTest, BlockingSinkHasTheContainerWaitForRoom) {
    const fs::path disk = make_dir("disk");
    mount_tmpfs(disk, "size=64k");
    const fs::path ballast = disk / "ballast";
    std::ofstream(ballast) << std::string(60000, 'x');
    Container box = plain().set_log({.targets = {LogFile{
                                         .path = disk / "log",
                                         .format = LogFormat::Plain,
                                         .rotate_size = 16 * KiB,
                                         .rotate_count = 0,
                                         .delivery = {.policy = LogPolicy::Block},
                                     }}});
    box.start(shell("yes | head -c 4000000"));
    EXPECT_FALSE(box.wait_for(100ms));
    EXPECT_LT(box.log_stats().bytes, 4000000U);
    fs::remove(ballast);
    EXPECT_TRUE(exited(box.wait(), 0));
    EXPECT_EQ(box.log_stats().bytes, 4000000U);
    EXPECT_EQ(box.log_stats().dropped_bytes, 0U);
}

TEST_F(LogSinksTest, BlockingSinkCannotKeepTheContainerFromEnding) {
    const fs::path disk = make_dir("disk");
    mount_tmpfs(disk, "size=64k");
    Container box =
        plain().set_log({.targets = {LogFile{.path = disk / "log", .delivery = {.policy = LogPolicy::Block}}}});
    box.start(shell("exec yes"));
    // More lines than the disk has room for.
    EXPECT_TRUE(await([&] { return !box.wait_for(1ms) && box.log_stats().bytes > 4096; }));
    EXPECT_TRUE(signaled(box.stop(Patience), SIGTERM));
    EXPECT_GT(box.log_stats().dropped_bytes, 0U);
}

TEST_F(LogSinksTest, LogIsReopenedOnRequest) {
    const fs::path path = dir() / "log";
    const auto ring = std::make_shared<LogRing>(1 * KiB);
    Container box = plain().set_log({.targets = {LogFile{.path = path, .format = LogFormat::Plain}}}).add_sink(ring);
    const Process init =
        box.start({.argv = {"/bin/sh", "-c", "echo one; read a; echo two"}, .stdio = {.in = Stdio::Pipe}});
    while (ring->text() != "one\n") session().dispatch_for(Patience);
    fs::rename(path, dir() / "old");
    box.reopen_log();
    ASSERT_EQ(::write(init.stream(0), "\n", 1), 1);
    box.wait();
    EXPECT_EQ(content(dir() / "old"), "one\n");
    EXPECT_EQ(content(path), "two\n");
}

TEST_F(LogSinksTest, VanishedDirectoryDoesNotStopTheContainer) {
    const fs::path place = make_dir("place");
    Container box =
        plain().set_log({.targets = {LogFile{.path = place / "log", .rotate_size = 1 * KiB, .rotate_count = 3}}});
    box.start({.argv = {"/bin/sh", "-c", "read a; seq 10000"}, .stdio = {.in = Stdio::Pipe}});
    fs::remove_all(place);
    box.init().close_stream(0);
    EXPECT_TRUE(exited(box.wait(), 0));
    EXPECT_EQ(box.log_stats().records, 10000U);
}

} // namespace
} // namespace ct::test
