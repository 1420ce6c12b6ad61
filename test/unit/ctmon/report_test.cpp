// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "report.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace ctmon {
namespace {

using ct::internal::UniqueFd;

struct Ends {
    UniqueFd read;
    UniqueFd write;
};

Ends make_pipe(int flags = 0) {
    std::array<int, 2> fds{};
    if (::pipe2(fds.data(), O_CLOEXEC | flags) < 0) throw std::runtime_error("pipe2");
    return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Ends make_sockets(int type) {
    std::array<int, 2> fds{};
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds.data()) < 0) throw std::runtime_error("socketpair");
    return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::array<Ends, 4> all_kinds() {
    return {make_pipe(), make_pipe(O_NONBLOCK), make_sockets(SOCK_SEQPACKET), make_sockets(SOCK_STREAM)};
}

std::string read_once(int fd) {
    std::array<char, 8192> buffer{};
    const ssize_t size = ::read(fd, buffer.data(), buffer.size());
    return {buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

std::string message_of(const std::string& report) {
    return nlohmann::json::parse(report).at("message").get<std::string>();
}

/// Leaves no room in it.
void fill(int fd) {
    const std::string zeros(4096, '0');
    const int flags = ::fcntl(fd, F_GETFL);
    ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    while (::write(fd, zeros.data(), zeros.size()) > 0) {
    }
    ::fcntl(fd, F_SETFL, flags);
}

class ReportPipeTest : public ::testing::Test {
protected:
    ReportPipeTest() : before_(::signal(SIGPIPE, SIG_IGN)) {}
    ~ReportPipeTest() override { ::signal(SIGPIPE, before_); }

private:
    sighandler_t before_;
};

TEST(FormatReport, IsWhatClientsKnow) {
    EXPECT_EQ(format_report("pid", 42, ""), "{\"pid\": 42}\n");
    EXPECT_EQ(format_report("data", -1, "no"), "{\"data\": -1, \"message\": \"no\"}\n");
    EXPECT_EQ(format_report("exit_code", -1, "command timed out"),
              "{\"exit_code\": -1, \"message\": \"command timed out\"}\n");
}

TEST(FormatReport, EscapesWhatJsonWantsEscaped) {
    EXPECT_EQ(format_report("data", 0, "a\"b\\c\nd\te\rf\x1f\x7f\xC3\xA9"),
              "{\"data\": 0, \"message\": \"a\\\"b\\\\c\\nd\\te\\rf\\u001f\\u007f\xC3\xA9\"}\n");
    std::string all;
    for (int c = 0; c < 128; ++c) all += static_cast<char>(c);
    EXPECT_EQ(message_of(format_report("data", 0, all)), all);
}

TEST(FormatReport, ReplacesWhatIsNotUtf8) {
    EXPECT_EQ(message_of(format_report("data", 0, "a\xFF\xC3")), "a\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(FormatReport, IsCutBetweenCharactersAndEscapes) {
    for (const std::string unit : {"a", "\"", "\x01", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x90\xA7", "\xFF"}) {
        std::string message;
        while (message.size() < 9000) message += unit;
        for (std::size_t shift = 0; shift < 8; ++shift) {
            const std::string report = format_report("exit_code", -1, std::string(shift, '.') + message);
            EXPECT_LE(report.size(), 4096U);
            EXPECT_GT(report.size(), 4096U - 6);
            const std::string cut = message_of(report);
            if (unit != "\xFF") {
                EXPECT_TRUE((std::string(shift, '.') + message).starts_with(cut));
            }
        }
    }
}

TEST(FormatReport, IsNotCutAsLongAsItFits) {
    const std::size_t frame = format_report("pid", -1, "x").size() - 1;
    const std::string longest(4096 - frame, 'x');
    EXPECT_EQ(format_report("pid", -1, longest).size(), 4096U);
    EXPECT_EQ(message_of(format_report("pid", -1, longest)), longest);
    EXPECT_EQ(message_of(format_report("pid", -1, longest + "x")), longest);
}

TEST_F(ReportPipeTest, WritesOneReportAtOnce) {
    std::array<Ends, 4> all = all_kinds();
    for (Ends& ends : all) {
        ReportPipe pipe(std::move(ends.write));
        pipe.send("pid", -1, std::string(9000, '\n'));
        EXPECT_EQ(read_once(ends.read.get()), format_report("pid", -1, std::string(9000, '\n')));
        pipe.send("pid", 7);
        EXPECT_EQ(read_once(ends.read.get()), "{\"pid\": 7}\n");
    }
}

TEST_F(ReportPipeTest, WaitsForAClientThatIsSlow) {
    std::array<Ends, 4> all = all_kinds();
    for (Ends& ends : all) {
        fill(ends.write.get());
        std::string seen;
        std::thread client([&] {
            while (!seen.ends_with("}\n")) seen += read_once(ends.read.get());
        });
        ReportPipe pipe(std::move(ends.write), std::chrono::minutes(1));
        pipe.send("data", 5, "text");
        client.join();
        EXPECT_TRUE(seen.ends_with("0{\"data\": 5, \"message\": \"text\"}\n"));
    }
}

TEST_F(ReportPipeTest, GivesUpAClientThatTakesNothing) {
    std::array<Ends, 4> all = all_kinds();
    for (Ends& ends : all) {
        fill(ends.write.get());
        ReportPipe pipe(std::move(ends.write), std::chrono::milliseconds(1));
        pipe.send("data", 5);
        EXPECT_LT(pipe.fd(), 0);
    }
}

TEST_F(ReportPipeTest, CarriesOnWithoutAClient) {
    std::array<Ends, 4> all = all_kinds();
    for (Ends& ends : all) {
        ReportPipe pipe(std::move(ends.write));
        ends.read.reset();
        pipe.send("data", 5);
        EXPECT_LT(pipe.fd(), 0);
        pipe.send("data", 6);
    }
    ReportPipe none;
    none.send("data", 1);
    EXPECT_LT(none.fd(), 0);
}

} // namespace
} // namespace ctmon
