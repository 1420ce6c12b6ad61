// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "log/datagram_sink.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <ct/error.hpp>

#include "base/concat.hpp"

namespace ct::internal {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

using Texts = std::vector<std::string>;

/// The journal, or whoever else reads datagrams.
class Reader {
public:
    explicit Reader(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }

    /// What has come; of the journal's, what follows the fields that are always the same.
    [[nodiscard]] Texts got() const {
        Texts all;
        std::string text(1 << 16, '\0');
        for (ssize_t size = 0; (size = ::recv(fd_.get(), text.data(), text.size(), MSG_DONTWAIT)) >= 0;) {
            const std::string whole = text.substr(0, static_cast<std::size_t>(size));
            const std::size_t at = whole.find("PRIORITY=");
            all.push_back(at == std::string::npos ? whole : whole.substr(at));
        }
        return all;
    }
    [[nodiscard]] std::string first() const {
        std::string text(1 << 16, '\0');
        const ssize_t size = ::recv(fd_.get(), text.data(), text.size(), MSG_DONTWAIT);
        return text.substr(0, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    }

private:
    UniqueFd fd_;
};

class DatagramSinkTest : public ::testing::Test {
protected:
    DatagramSinkTest() {
        std::string name = fs::temp_directory_path() / "libct-log-XXXXXX";
        dir_ = ::mkdtemp(name.data());
    }
    ~DatagramSinkTest() override { fs::remove_all(dir_); }

    [[nodiscard]] std::string path() const { return dir_ / "socket"; }
    [[nodiscard]] Journald journal() const { return {.id = "0123456789abcdef", .socket = path()}; }

    static LogRecord out(std::string_view bytes) { return {.container = "box", .bytes = bytes}; }
    static LogRecord begin(std::string_view bytes) { return {.container = "box", .bytes = bytes, .partial = true}; }
    static LogRecord err(LogRecord record) {
        record.stream = Stream::Error;
        return record;
    }
    static void write(LogSink& sink, const std::vector<LogRecord>& records) { sink.write(records); }

private:
    fs::path dir_;
};

TEST_F(DatagramSinkTest, JournalEntryHasANameOnlyIfThereIsOne) {
    const Reader reader(path());
    JournalSink sink("", journal());
    write(sink, {out("hello")});
    EXPECT_EQ(reader.first(), "CONTAINER_ID=0123456789ab\nCONTAINER_ID_FULL=0123456789abcdef\n"
                              "SYSLOG_IDENTIFIER=0123456789ab\nPRIORITY=6\nMESSAGE=hello\n");
    JournalSink named("box", journal());
    write(named, {out("hello")});
    EXPECT_EQ(reader.first(), "CONTAINER_NAME=box\nCONTAINER_ID=0123456789ab\nCONTAINER_ID_FULL=0123456789abcdef\n"
                              "SYSLOG_IDENTIFIER=box\nPRIORITY=6\nMESSAGE=hello\n");
}

TEST_F(DatagramSinkTest, MessageMayKeepItsNewline) {
    const Reader reader(path());
    Journald settings = journal();
    settings.keep_newline = true;
    JournalSink sink("box", settings);
    const std::string longer(258, 'x');
    write(sink, {out("hello"), err(out("")), out(longer), begin("end")});
    EXPECT_EQ(reader.got(), (Texts{"PRIORITY=6\nMESSAGE\n\x06\0\0\0\0\0\0\0hello\n\n"s,
                                   "PRIORITY=3\nMESSAGE\n\x01\0\0\0\0\0\0\0\n\n"s,
                                   concat("PRIORITY=6\nMESSAGE\n\x03\x01\0\0\0\0\0\0"s, longer, "\n\n"),
                                   "PRIORITY=6\nCONTAINER_PARTIAL_MESSAGE=true\nMESSAGE=end\n"}));
}

TEST_F(DatagramSinkTest, PartsNeedNoMark) {
    const Reader reader(path());
    Journald settings = journal();
    settings.mark_partial = false;
    JournalSink sink("box", settings);
    write(sink, {begin("a"), out("b")});
    EXPECT_EQ(reader.got(), (Texts{"PRIORITY=6\nMESSAGE=a\n", "PRIORITY=6\nMESSAGE=b\n"}));
}

TEST_F(DatagramSinkTest, PriorityIsTakenFromThePrefixIfTold) {
    const Reader reader(path());
    const std::vector<LogRecord> records{out("<4>warning"), out("<9>x"),       out("<>x"),  out("<3"),
                                         err(out("<7>")),   err(out("plain")), out(" <2>x")};
    Journald settings = journal();
    settings.priority_prefix = true;
    JournalSink sink("box", settings);
    write(sink, records);
    EXPECT_EQ(reader.got(), (Texts{"PRIORITY=4\nMESSAGE=warning\n", "PRIORITY=6\nMESSAGE=<9>x\n",
                                   "PRIORITY=6\nMESSAGE=<>x\n", "PRIORITY=6\nMESSAGE=<3\n", "PRIORITY=7\nMESSAGE=\n",
                                   "PRIORITY=3\nMESSAGE=plain\n", "PRIORITY=6\nMESSAGE= <2>x\n"}));
    JournalSink other("box", journal());
    write(other, {records.front()});
    EXPECT_EQ(reader.got(), (Texts{"PRIORITY=6\nMESSAGE=<4>warning\n"}));
}

TEST_F(DatagramSinkTest, PriorityIsThatOfTheWholeLine) {
    const Reader reader(path());
    Journald settings = journal();
    settings.priority_prefix = true;
    settings.mark_partial = false;
    JournalSink sink("box", settings);
    write(sink, {begin("<4>one "), err(out("else")), begin("<5>two ")});
    write(sink, {out("<2>three"), out("next")});
    EXPECT_EQ(reader.got(),
              (Texts{"PRIORITY=4\nMESSAGE=one \n", "PRIORITY=3\nMESSAGE=else\n", "PRIORITY=4\nMESSAGE=<5>two \n",
                     "PRIORITY=4\nMESSAGE=<2>three\n", "PRIORITY=6\nMESSAGE=next\n"}));
}

TEST_F(DatagramSinkTest, OptionalJournalMayComeLater) {
    EXPECT_THROW(JournalSink("box", journal()), Error);
    Journald settings = journal();
    settings.optional = true;
    settings.delivery.backlog = Bytes{5};
    JournalSink sink("box", settings);
    sink.reopen();
    write(sink, {out("first"), out("lost")});
    EXPECT_EQ(sink.dropped_records(), 1U);
    const Reader reader(path());
    sink.retry(sink.next_try().value());
    write(sink, {out("last")});
    const Texts got = reader.got();
    ASSERT_EQ(got.size(), 3U);
    EXPECT_EQ(got[0], "PRIORITY=6\nMESSAGE=first\n");
    EXPECT_NE(got[1].find("dropped 1 lines"), std::string::npos) << got[1];
    EXPECT_EQ(got[2], "PRIORITY=6\nMESSAGE=last\n");
}

TEST_F(DatagramSinkTest, SyslogHasTheTimeOfEachRecord) {
    const Reader reader(path());
    SyslogSink sink("box", {.socket = path()});
    LogRecord later = out("b");
    later.time += std::chrono::seconds(1);
    write(sink, {out("a"), later});
    const Texts got = reader.got();
    ASSERT_EQ(got.size(), 2U);
    EXPECT_TRUE(got[0].starts_with("<14>Jan  1 ") || got[0].starts_with("<14>Dec 31 ")) << got[0];
    EXPECT_TRUE(got[0].ends_with(":00 box: a")) << got[0];
    EXPECT_TRUE(got[1].ends_with(":01 box: b")) << got[1];
}

} // namespace
} // namespace ct::internal
