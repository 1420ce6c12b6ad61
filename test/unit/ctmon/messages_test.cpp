// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "messages.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstring>
#include <filesystem>
#include <functional>
#include <regex>

#include <gtest/gtest.h>

#include "base/sys.hpp"

namespace {

using ct::internal::UniqueFd;
using ctmon::Level;
using ctmon::Messages;
using ctmon::Options;

/// Lets standard error be \p fd while it lives.
class StandardError {
public:
    explicit StandardError(int fd) : old_(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) { ::dup2(fd, STDERR_FILENO); }
    StandardError(const StandardError&) = delete;
    StandardError& operator=(const StandardError&) = delete;
    ~StandardError() { ::dup2(old_.get(), STDERR_FILENO); }

private:
    UniqueFd old_;
};

/// What \p action writes to standard error: one entry for each write(2), as a socket of datagrams keeps them apart.
std::vector<std::string> told(const std::function<void()>& action) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) return {"no socket"};
    const UniqueFd reader(ends[0]);
    {
        const UniqueFd writer(ends[1]);
        const StandardError standard_error(writer.get());
        action();
    }
    std::vector<std::string> all;
    std::array<char, 65536> buffer{};
    for (ssize_t size = 0; (size = ::recv(reader.get(), buffer.data(), buffer.size(), 0)) >= 0;) {
        all.emplace_back(buffer.data(), static_cast<std::size_t>(size));
    }
    return all;
}

void say_all(const Messages& messages) {
    messages.error("E");
    messages.warn("W");
    messages.info("I");
    messages.debug("D");
    messages.trace("T");
}

Messages with_level(Level level) {
    Options options;
    options.log_level = level;
    return Messages(options);
}

TEST(CtmonMessages, HaveAPrefixAndOneWriteEach) {
    EXPECT_EQ(told([] { say_all(with_level(Level::Trace)); }),
              (std::vector<std::string>{"[conmon:e]: E\n", "[conmon:w]: W\n", "[conmon:i]: I\n", "[conmon:d]: D\n",
                                        "[conmon:d]: T\n"}));
}

TEST(CtmonMessages, AreAsManyAsTheLevelSays) {
    const auto count = [](Level level) { return told([&] { say_all(with_level(level)); }).size(); };
    EXPECT_EQ(count(Level::Error), 1U);
    EXPECT_EQ(count(Level::Warning), 2U);
    EXPECT_EQ(count(Level::Info), 3U);
    EXPECT_EQ(count(Level::Debug), 4U);
    EXPECT_EQ(told([] { say_all(Messages()); }).size(), 2U);
}

TEST(CtmonMessages, AreCutToWhatAPipeTakesAtOnce) {
    const auto lines = told([] { Messages().error(std::string(10000, 'x')); });
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].size(), static_cast<std::size_t>(PIPE_BUF));
    EXPECT_TRUE(lines[0].ends_with("x\n"));
}

TEST(CtmonMessages, NeverWaitForTheReader) {
    const ct::internal::sys::Pipe pipe = ct::internal::sys::pipe(ct::Stage::Stdio);
    ASSERT_GT(::fcntl(pipe.write.get(), F_SETPIPE_SZ, 4096), 0);
    const StandardError standard_error(pipe.write.get());
    for (int i = 0; i < 100; ++i) Messages().error(std::string(100, 'x')); // hangs if it waits
}

TEST(CtmonMessages, SurviveAReaderThatIsGone) {
    ct::internal::sys::Pipe pipe = ct::internal::sys::pipe(ct::Stage::Stdio);
    pipe.read.reset();
    const StandardError standard_error(pipe.write.get());
    Messages().error("a signal would end the test");
}

class SystemLog : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = std::filesystem::temp_directory_path() / "ctmon-messages-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        dir_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(dir_); }

    [[nodiscard]] std::string socket_path() const { return dir_ / "log"; }
    void serve() {
        reader_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, socket_path().c_str(), socket_path().size());
        ASSERT_EQ(::bind(reader_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }
    /// The next message; empty if there is none. Datagrams between processes of one machine are there at once.
    [[nodiscard]] std::string received() const {
        std::array<char, 65536> buffer{};
        const ssize_t size = ::recv(reader_.get(), buffer.data(), buffer.size(), 0);
        return size < 0 ? "" : std::string(buffer.data(), static_cast<std::size_t>(size));
    }
    /// The next message without its time.
    [[nodiscard]] std::string without_time() const {
        const std::regex time("> ?[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} ");
        return std::regex_replace(received(), time, ">", std::regex_constants::format_first_only);
    }
    [[nodiscard]] Messages messages(const std::string& cid, const std::string& tag = {}) const {
        Options options;
        options.cid = cid;
        options.log_tag = tag;
        options.syslog = true;
        options.log_level = Level::Trace;
        return Messages(options, socket_path());
    }

private:
    std::filesystem::path dir_;
    UniqueFd reader_;
};

TEST_F(SystemLog, GetsEachMessageWithItsPriority) {
    serve();
    EXPECT_EQ(told([&] { say_all(messages("id")); }).size(), 5U) << "standard error, too";
    EXPECT_EQ(without_time(), "<11>conmon: conmon id <error>: E");
    EXPECT_EQ(without_time(), "<14>conmon: conmon id <nwarn>: W");
    EXPECT_EQ(without_time(), "<14>conmon: conmon id <ninfo>: I");
    EXPECT_EQ(without_time(), "<14>conmon: conmon id <ndebug>: D");
    EXPECT_EQ(without_time(), "<14>conmon: conmon id <ntrace>: T");
    EXPECT_EQ(received(), "");
}

TEST_F(SystemLog, ShowsTwentyCharactersOfTheContainer) {
    serve();
    (void)told([&] {
        messages("0123456789abcdefghijklm").error("x");
        messages("0123456789", "tag").error("x");
        messages("0123456789", "a tag that is long").error("x");
    });
    EXPECT_EQ(without_time(), "<11>conmon: conmon 0123456789abcdefghij <error>: x");
    EXPECT_EQ(without_time(), "<11>conmon: conmon 0123456789: tag <error>: x");
    EXPECT_EQ(without_time(), "<11>conmon: conmon 0123456789: a tag th <error>: x");
}

TEST_F(SystemLog, MayBeMissing) {
    EXPECT_EQ(told([&] { messages("id").error("x"); }).size(), 1U);
}

TEST_F(SystemLog, IsNotWaitedFor) {
    serve();
    const Messages said = messages("id");
    (void)told([&] { // more than a socket takes; hangs if it waits
        for (int i = 0; i < 10000; ++i) said.error("x");
    });
    EXPECT_NE(received(), "");
}

TEST_F(SystemLog, IsFoundAgain) {
    const Messages said = messages("id");
    (void)told([&] { said.error("nobody hears"); });
    serve();
    (void)told([&] { said.error("heard"); });
    EXPECT_EQ(without_time(), "<11>conmon: conmon id <error>: heard");
}

TEST_F(SystemLog, GetsNothingUnlessAskedFor) {
    serve();
    (void)told([&] { Messages(Options{}, socket_path()).error("x"); });
    EXPECT_EQ(received(), "");
}

} // namespace
