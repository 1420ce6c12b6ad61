// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// What is promised for logs in trouble, for as long as that lasts: readers that stop, journals that come and go, a disk
// that is full, a host that does something else. With CT_TEST_FULL=1 in the environment the trouble lasts a minute.
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>

#include "support/cgroups.hpp"
#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// A datagram socket by its path.
int bound_socket(const fs::path& path) {
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return fd;
}

/// What is in the queue of such a socket.
std::vector<std::string> received(int fd) {
    std::vector<std::string> messages;
    std::array<char, 4096> text{};
    for (;;) {
        const ssize_t size = ::recv(fd, text.data(), text.size(), MSG_DONTWAIT);
        if (size < 0) return messages;
        messages.emplace_back(text.data(), static_cast<std::size_t>(size));
    }
}

/// What follows the last `=` or blank: what `seq` has written.
std::string payload(std::string_view message) {
    if (message.ends_with('\n')) message.remove_suffix(1);
    return std::string(message.substr(message.find_last_of("= ") + 1));
}

std::vector<std::string> numbers(unsigned from, unsigned to) {
    std::vector<std::string> all;
    for (unsigned number = from; number <= to; ++number) all.push_back(std::to_string(number));
    return all;
}

/// A process that reads a datagram socket and passes on what it gets, until nobody is left to get it.
class Reader {
public:
    explicit Reader(const fs::path& path) : socket_(bound_socket(path)) {
        std::array<int, 2> ends{};
        EXPECT_EQ(::pipe(ends.data()), 0);
        pid_ = ::fork();
        if (pid_ == 0) run(ends[1]);
        ::close(ends[1]);
        ::close(socket_);
        output_ = ends[0];
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        ::close(output_);
    }

    void stop() const {
        ::kill(pid_, SIGSTOP);
        ::waitpid(pid_, nullptr, WUNTRACED);
    }
    void go_on() const { ::kill(pid_, SIGCONT); }
    /// The messages up to one that ends with that.
    [[nodiscard]] std::vector<std::string> read_to(std::string_view last) const {
        std::vector<std::string> messages;
        do messages.push_back(read_line(output_));
        while (!messages.back().empty() && !messages.back().ends_with(last));
        return messages;
    }

private:
    [[noreturn]] void run(int output) const {
        std::array<char, 4096> text{};
        for (;;) {
            const ssize_t size = ::recv(socket_, text.data(), text.size() - 1, 0);
            if (size < 0) ::_exit(1);
            text.at(static_cast<std::size_t>(size)) = '\n';
            if (::write(output, text.data(), static_cast<std::size_t>(size) + 1) != size + 1) ::_exit(0);
        }
    }

    int socket_;
    pid_t pid_ = -1;
    int output_ = -1;
};

/// Dispatches in a thread of its own until the container has ended.
class Dispatcher {
public:
    Dispatcher(Session& session, Container& box)
        : box_(box), thread_([&session, &box] {
              while (box.running()) (void)session.dispatch_for(Patience);
          }) {}
    Dispatcher(const Dispatcher&) = delete;
    Dispatcher& operator=(const Dispatcher&) = delete;
    ~Dispatcher() {
        box_.kill();
        thread_.join();
    }

private:
    Container& box_;
    std::thread thread_;
};

class LogFaultsTest : public ContainerTest {
protected:
    static std::chrono::seconds trouble() { return std::getenv("CT_TEST_FULL") != nullptr ? 60s : 1s; }

    /// Dispatches for that long. \returns how often there was something to do
    std::size_t dispatch_all(std::chrono::nanoseconds time) {
        const auto end = std::chrono::steady_clock::now() + time;
        std::size_t turns = 0;
        for (auto now = end - time; now < end; now = std::chrono::steady_clock::now()) {
            if (session().dispatch_for(end - now) > 0) ++turns;
        }
        return turns;
    }
    void dispatch_until_ended(const Container& box) {
        while (box.running()) (void)session().dispatch_for(Patience);
    }
};

TEST_F(LogFaultsTest, ReaderThatStopsHoldsUpNobody) {
    const fs::path socket = dir() / "log";
    const Reader reader(socket);
    reader.stop();
    Container box = plain().set_log({.targets = {Syslog{.socket = socket, .delivery = {.backlog = 1 * KiB}}}});
    box.start(shell("seq 100000; exec sleep 1000"));
    Container other = plain("other").set_log({.targets = {LogFile{.path = dir() / "other"}}});
    other.start(shell("seq 100000"));
    while (box.log_stats().records < 100000) (void)session().dispatch_for(Patience);
    dispatch_until_ended(other);
    EXPECT_EQ(other.log_stats().dropped_records, 0U);
    // It is tried again, less and less often, but once a second.
    const auto seconds = static_cast<std::size_t>(trouble().count());
    EXPECT_LE(dispatch_all(trouble()), 20 + 2 * seconds);
    const std::uint64_t dropped = box.log_stats().dropped_records;
    EXPECT_GT(dropped, 0U);
    reader.go_on();
    // What is missing is told in its place, which is the end here.
    std::vector<std::string> messages;
    {
        const Dispatcher dispatcher(session(), box);
        messages = reader.read_to("Resource temporarily unavailable");
    }
    EXPECT_TRUE(contains(messages.back(), "dropped " + std::to_string(dropped) + " lines"));
    messages.pop_back();
    EXPECT_EQ(messages.size() + dropped, 100000U);
    for (std::size_t i = 0; i < messages.size(); ++i) EXPECT_EQ(payload(messages[i]), std::to_string(i + 1));
}

TEST_F(LogFaultsTest, ReaderThatStopsHasABlockingSinkWait) {
    const fs::path socket = dir() / "log";
    const Reader reader(socket);
    reader.stop();
    Container box = plain().set_log({.targets = {Syslog{.socket = socket, .delivery = {.policy = LogPolicy::Block}}}});
    box.start(shell("seq -f %0200.0f 5000; exec sleep 1000"));
    const auto seconds = static_cast<std::size_t>(trouble().count());
    EXPECT_LE(dispatch_all(trouble()), 20 + 2 * seconds);
    EXPECT_LT(box.log_stats().bytes, 5000U * 201U);
    reader.go_on();
    std::vector<std::string> messages;
    {
        const Dispatcher dispatcher(session(), box);
        messages = reader.read_to("5000");
    }
    const auto number = [](const std::string& message) { return std::to_string(std::stoul(payload(message))); };
    std::ranges::transform(messages, messages.begin(), number);
    ASSERT_EQ(messages.size(), 5000U);
    for (std::size_t i = 0; i < messages.size(); ++i) ASSERT_EQ(messages[i], std::to_string(i + 1));
    EXPECT_EQ(box.log_stats().dropped_records, 0U);
}

TEST_F(LogFaultsTest, JournalThatComesAndGoesGetsEachLineOnce) {
    const fs::path socket = dir() / "journal";
    std::optional<int> journal = bound_socket(socket);
    Container box =
        plain().set_log({.targets = {Journald{.socket = socket, .delivery = {.policy = LogPolicy::Block}}}});
    box.start(shell("seq 1000; exec sleep 1000"));
    std::vector<std::string> messages;
    for (std::size_t outages = 0; messages.size() < 1000;) {
        (void)session().dispatch_for(10ms);
        ASSERT_TRUE(box.running());
        if (!journal) {
            journal = bound_socket(socket);
            continue;
        }
        std::ranges::transform(received(*journal), std::back_inserter(messages), payload);
        if (messages.size() < 100 * outages) continue;
        ++outages;
        ::close(*journal); // all that it has got was read
        journal.reset();
        fs::remove(socket);
    }
    EXPECT_EQ(messages, numbers(1, 1000));
    EXPECT_EQ(box.log_stats().dropped_records, 0U);
    box.stop(Patience);
    if (journal) ::close(*journal);
}

TEST_F(LogFaultsTest, FullDiskThatBlocksLosesNothingAndHoldsUpNobodyElse) {
    const fs::path disk = make_dir("disk");
    mount_tmpfs(disk, "size=256k");
    Container box = plain().set_log(
        {.targets = {
             LogFile{.path = disk / "log", .format = LogFormat::Plain, .delivery = {.policy = LogPolicy::Block}}}});
    box.start(shell("seq 200000")); // 1.3 MB
    Container other = plain("other").set_log({.targets = {LogFile{.path = dir() / "other"}}});
    other.start(shell("seq 100000"));
    dispatch_until_ended(other);
    const auto seconds = static_cast<std::size_t>(trouble().count());
    EXPECT_LE(dispatch_all(trouble()), 40 + 2 * seconds);
    EXPECT_TRUE(box.running());
    ASSERT_EQ(::mount(nullptr, disk.c_str(), nullptr, MS_REMOUNT, "size=4m"), 0);
    dispatch_until_ended(box);
    std::string all;
    for (const std::string& number : numbers(1, 200000)) all += number + '\n';
    EXPECT_TRUE(content(disk / "log") == all);
    EXPECT_EQ(box.log_stats().dropped_records, 0U);
}

/// Counts in shared memory what it has written, until it is killed.
int write_for_ever(SharedCounter& blocks) {
    const std::string block = std::string(1023, 'x') + '\n';
    while (::write(1, block.data(), block.size()) == static_cast<ssize_t>(block.size())) blocks.add();
    return 1;
}

TEST_F(LogFaultsTest, HostThatDoesNotDispatchLosesNothing) {
    SharedCounter blocks;
    Container killed =
        plain("killed").set_log({.targets = {LogFile{.path = dir() / "killed", .format = LogFormat::Plain}}});
    const Process writer = killed.start({}, [&] { return write_for_ever(blocks); });
    Container ends = plain("ends").set_log({.targets = {LogFile{.path = dir() / "ends", .format = LogFormat::Plain}}});
    const Process short_one = ends.start(shell("seq 10000"));
    // The pipe is full: it waits. The other one has ended meanwhile, as far as the kernel is concerned.
    EXPECT_TRUE(await([&] { return blocks.value() == 256; }));
    EXPECT_TRUE(exited(short_one.wait(), 0));
    std::this_thread::sleep_for(trouble());
    EXPECT_EQ(blocks.value(), 256U);
    EXPECT_EQ(fs::file_size(dir() / "killed"), 0U);
    EXPECT_EQ(fs::file_size(dir() / "ends"), 0U);
    killed.signal(SIGKILL);
    writer.wait(); // or it may write once more as soon as there is room
    dispatch_until_ended(killed);
    dispatch_until_ended(ends);
    EXPECT_EQ(fs::file_size(dir() / "killed"), 256U * 1024U);
    EXPECT_EQ(lines(content(dir() / "ends")), numbers(1, 10000));
}

} // namespace
} // namespace ct::test
