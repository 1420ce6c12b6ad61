// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ct/error.hpp>
#include <ct/log_reader.hpp>

#include "log/file_sink.hpp"

namespace ct {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

class LogReaderTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string text = (fs::temp_directory_path() / "ct-log-reader-XXXXXX").string();
        ASSERT_NE(::mkdtemp(text.data()), nullptr);
        dir_ = text;
    }
    void TearDown() override { fs::remove_all(dir_); }

    [[nodiscard]] fs::path path() const { return dir_ / "log"; }
    void write(std::string_view text, const char* suffix = "") const {
        std::ofstream(path().string() + suffix, std::ios::app) << text;
    }
    [[nodiscard]] LogFile log(LogFormat format = LogFormat::K8s) const {
        return {.path = path().string(), .format = format};
    }
    [[nodiscard]] LogReader open(LogFormat format = LogFormat::K8s, LogReaderOptions options = {}) const {
        return {log(format), "box", options};
    }

    /// What a reader has up to now: "o:" or "e:", then the bytes, and "+" if the line goes on.
    static std::vector<std::string> take(LogReader& reader) {
        std::vector<std::string> found;
        const auto add = [&](const LogRecord& record) {
            found.push_back((record.stream == Stream::Error ? "e:" : "o:") + std::string(record.bytes) +
                            (record.partial ? "+" : ""));
        };
        while (reader.read(add) == LogReader::Next::More) continue;
        return found;
    }
    [[nodiscard]] std::vector<std::string> all(LogFormat format = LogFormat::K8s, LogReaderOptions options = {}) const {
        LogReader reader = open(format, options);
        return take(reader);
    }
    static bool is_ready(const LogReader& reader) {
        pollfd ready{reader.fd(), POLLIN, 0};
        return ::poll(&ready, 1, 0) == 1;
    }
    template <typename Body>
    static std::string error_of(const Body& body) {
        try {
            body();
        } catch (const Error& error) {
            return error.what();
        }
        return "no error";
    }

    fs::path dir_;
};

/// A line of the log, with a time that tells its number.
std::string line(int number, std::string_view rest) {
    return "2024-02-29T10:00:" + std::to_string(10 + number) + ".000000001Z " + std::string(rest) + "\n";
}

TEST_F(LogReaderTest, ReadsWhatSinksWrite) {
    for (const LogFormat format : {LogFormat::K8s, LogFormat::Json, LogFormat::Plain}) {
        fs::remove(path());
        internal::FileSink sink("box", log(format), std::make_shared<internal::ScratchPool>());
        const LogTime time{std::chrono::nanoseconds(1709200798000000042)};
        const std::string odd("a \"b\"\\ \0\x01 \xc3\xa4", 13);
        const std::vector<LogRecord> records{{.stream = Stream::Output, .time = time, .bytes = odd},
                                             {.stream = Stream::Error, .time = time, .bytes = ""},
                                             {.stream = Stream::Output, .time = time, .bytes = "half", .partial = true},
                                             {.stream = Stream::Output, .time = time, .bytes = "whole"}};
        sink.write(records);
        const std::string error = format == LogFormat::Plain ? "o:" : "e:";
        if (format == LogFormat::Plain) {
            EXPECT_THAT(all(format), ElementsAre("o:" + odd, "o:", "o:halfwhole"));
            continue;
        }
        EXPECT_THAT(all(format), ElementsAre("o:" + odd, "e:", "o:half+", "o:whole"));
        LogReader reader = open(format);
        (void)reader.read([&](const LogRecord& record) { EXPECT_EQ(record.time, time); });
    }
}

TEST_F(LogReaderTest, TakesForeignLinesAsTheyAre) {
    using namespace std::string_literals;
    write(
        "no time\n\n2024-02-29T10:00:00Z stdin F x\n2024-02-29T10:00:00Z stdout X x\n2024-13-29T10:00:00Z stdout F x\n"s +
        "\0\0\n"s + line(1, "stderr P:tag with spaces ") + "2024-02-29T10:00:00+01:00 stdout F");
    EXPECT_THAT(all(),
                ElementsAre("o:no time", "o:", "o:2024-02-29T10:00:00Z stdin F x", "o:2024-02-29T10:00:00Z stdout X x",
                            "o:2024-13-29T10:00:00Z stdout F x", "o:\0\0"s, "e:with spaces +", "o:+"));
    fs::remove(path());
    write(R"({"log":"a\n","stream":"stdout","time":"2024-02-29T10:00:00Z","attrs":{"log":"no"}})"
          "\n"
          R"({"log":"b","time":"2024-02-29T10:00:00Z","stream":"stderr"})"
          "\n"
          R"({"log":1,"stream":"stdout","time":"2024-02-29T10:00:00Z"})"
          "\n[]\n\"x\"\n");
    const auto json = all(LogFormat::Json);
    ASSERT_EQ(json.size(), 5U);
    EXPECT_EQ(json[0], "o:a");
    EXPECT_EQ(json[1], "e:b+");
    EXPECT_THAT(json[2], HasSubstr("{\"log\":1"));
    write(std::string(1 << 20, '[') + "\n", ""); // neither a deep nor a long one hurts
    EXPECT_EQ(all(LogFormat::Json).size(), 6U);
}

TEST_F(LogReaderTest, ReadsRotatedFilesInTheirOrder) {
    write(line(1, "stdout F one"), ".3");
    write(line(2, "stdout F two"), ".2");
    write(line(3, "stdout P thr"), ".1");
    write(line(4, "stdout F ee"));
    write(line(9, "stdout F other"), ".new");
    EXPECT_THAT(all(), ElementsAre("o:one", "o:two", "o:thr+", "o:ee"));
    EXPECT_THAT(all(LogFormat::K8s, {.since = parse_rfc3339("2024-02-29T10:00:13Z")}), ElementsAre("o:thr+", "o:ee"));
    for (std::uint64_t count = 0; count < 5; ++count) {
        const auto last = all(LogFormat::K8s, {.tail = count});
        EXPECT_EQ(last.size(), count == 0 ? 0 : std::min<std::uint64_t>(count, 3) + 1) << count;
    }
}

TEST_F(LogReaderTest, TailCountsLinesAndNotPieces) {
    write(line(1, "stdout F one") + line(2, "stdout P tw") + line(3, "stdout P o ") + line(4, "stdout F .") +
          line(5, "stderr F err") + line(6, "stdout P unfinished"));
    EXPECT_THAT(all(LogFormat::K8s, {.tail = 1}), ElementsAre("o:unfinished+"));
    EXPECT_THAT(all(LogFormat::K8s, {.tail = 2}), ElementsAre("e:err", "o:unfinished+"));
    EXPECT_THAT(all(LogFormat::K8s, {.tail = 3}), ElementsAre("o:tw+", "o:o +", "o:.", "e:err", "o:unfinished+"));
    EXPECT_EQ(all(LogFormat::K8s, {.tail = 4}).size(), 6U);
    EXPECT_EQ(all(LogFormat::K8s, {.tail = 4'000'000'000}).size(), 6U);
}

TEST_F(LogReaderTest, TailFindsLinesOfAnySize) {
    for (const std::size_t size : {0UL, 1UL, 65'535UL, 65'536UL, 65'537UL, 300'000UL}) {
        fs::remove(path());
        const std::string large(size, 'x');
        write("first\n\n" + large + "\n\nlast");
        EXPECT_THAT(all(LogFormat::Plain, {.tail = 1}), ElementsAre("o:last+"));
        EXPECT_THAT(all(LogFormat::Plain, {.tail = 2}), ElementsAre("o:", "o:last+"));
        EXPECT_THAT(all(LogFormat::Plain, {.tail = 3}), ElementsAre("o:" + large, "o:", "o:last+"));
        EXPECT_EQ(all(LogFormat::Plain, {.tail = 9}).size(), 5U);
    }
}

TEST_F(LogReaderTest, TailDoesNotReadTheWholeFile) {
    // A sparse file that nobody could read in the time of a test.
    write("\n");
    ASSERT_EQ(::truncate(path().c_str(), 1LL << 40), 0);
    write("\n" + line(1, "stdout F last"));
    EXPECT_THAT(all(LogFormat::K8s, {.tail = 1}), ElementsAre("o:last"));
}

TEST_F(LogReaderTest, CutsALineThatNeverEnds) {
    write(std::string(20UL << 20, 'x') + "\n" + line(1, "stdout F next"));
    std::size_t bytes = 0;
    std::string last;
    LogReader reader = open();
    while (reader.read([&](const LogRecord& record) {
        EXPECT_LT(record.bytes.size(), 9UL << 20);
        bytes += record.bytes.size();
        last = record.bytes;
    }) == LogReader::Next::More) {
    }
    EXPECT_EQ(bytes, (20UL << 20) + 4);
    EXPECT_EQ(last, "next");
}

TEST_F(LogReaderTest, FollowsAcrossRotations) {
    LogFile log = this->log();
    log.rotate_size = Bytes{200};
    log.rotate_count = 3;
    internal::FileSink sink("box", log, std::make_shared<internal::ScratchPool>());
    LogReader reader(log, "box", {.follow = true});
    EXPECT_THAT(take(reader), IsEmpty());
    EXPECT_FALSE(is_ready(reader));
    int written = 0;
    std::vector<std::string> expected;
    std::vector<std::string> found;
    for (int round = 0; round < 50; ++round) {
        // At most two files at a time.
        for (int i = 0; i < 1 + round % 7; ++i) {
            const std::string text = "record " + std::to_string(written++);
            expected.push_back("o:" + text);
            const LogRecord record{.bytes = text};
            sink.write({&record, 1});
        }
        EXPECT_TRUE(is_ready(reader));
        for (std::string& each : take(reader)) found.push_back(std::move(each));
        EXPECT_EQ(found, expected);
        EXPECT_FALSE(is_ready(reader));
    }
    EXPECT_TRUE(fs::exists(path().string() + ".3"));
}

TEST_F(LogReaderTest, FollowsAWriterThatRotatesAllTheTime) {
    LogFile log = this->log();
    log.rotate_size = Bytes{4096};
    log.rotate_count = 10'000; // none is lost
    constexpr int count = 20'000;
    internal::FileSink sink("box", log, std::make_shared<internal::ScratchPool>());
    LogReader reader(log, "box", {.follow = true});
    std::thread writer([&] {
        for (int i = 0; i < count; ++i) {
            const std::string text = std::to_string(i);
            const LogRecord record{.bytes = text};
            sink.write({&record, 1});
        }
    });
    int next = 0;
    bool in_order = true;
    while (next < count && in_order) {
        const auto add = [&](const LogRecord& record) {
            in_order = in_order && record.bytes == std::to_string(next++);
        };
        if (reader.read(add) == LogReader::Next::More) continue;
        pollfd ready{reader.fd(), POLLIN, 0};
        ASSERT_EQ(::poll(&ready, 1, 60'000), 1) << "lost the writer after " << next;
    }
    writer.join();
    EXPECT_TRUE(in_order) << "at " << next;
}

TEST_F(LogReaderTest, TwoReadersGetTheSame) {
    write(line(1, "stdout F one"));
    LogReader first = open(LogFormat::K8s, {.follow = true});
    LogReader second = open(LogFormat::K8s, {.follow = true});
    write(line(2, "stdout F two"));
    EXPECT_THAT(take(first), ElementsAre("o:one", "o:two"));
    EXPECT_THAT(take(second), ElementsAre("o:one", "o:two"));
}

TEST_F(LogReaderTest, WaitsForWholeLinesButShowsAPlainPrompt) {
    write("2024-02-29T10:00:00Z stdout F un");
    LogReader reader = open(LogFormat::K8s, {.follow = true});
    EXPECT_THAT(take(reader), IsEmpty());
    write("finished\n");
    EXPECT_THAT(take(reader), ElementsAre("o:unfinished"));

    fs::remove(path());
    write("login: ");
    LogReader plain = open(LogFormat::Plain, {.follow = true});
    EXPECT_THAT(take(plain), ElementsAre("o:login: +"));
    write("root\n");
    EXPECT_THAT(take(plain), ElementsAre("o:root"));
}

TEST_F(LogReaderTest, BeginsAnewWithAFileThatWasCut) {
    write(line(1, "stdout F one"));
    LogReader reader = open(LogFormat::K8s, {.follow = true});
    EXPECT_THAT(take(reader), ElementsAre("o:one"));
    fs::resize_file(path(), 0);
    EXPECT_THAT(take(reader), IsEmpty());
    write(line(2, "stdout F two"));
    EXPECT_THAT(take(reader), ElementsAre("o:two"));
}

TEST_F(LogReaderTest, WaitsForAFileThatIsNotThereYet) {
    EXPECT_THAT(error_of([&] { (void)open(); }), HasSubstr("No such file or directory"));
    LogReader reader = open(LogFormat::K8s, {.follow = true});
    EXPECT_THAT(take(reader), IsEmpty());
    write(line(1, "stdout F one"));
    EXPECT_TRUE(is_ready(reader));
    EXPECT_THAT(take(reader), ElementsAre("o:one"));
}

TEST_F(LogReaderTest, OpensNothingButRegularFiles) {
    std::ofstream(dir_ / "secret") << line(1, "stdout F secret");
    fs::create_symlink(dir_ / "secret", path());
    EXPECT_THAT(error_of([&] { (void)all(); }), HasSubstr("it is a symbolic link"));
    fs::remove(path());
    ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
    EXPECT_THAT(error_of([&] { (void)all(); }), HasSubstr("it is no regular file"));
    fs::remove(path());
    fs::create_directory(path());
    EXPECT_THAT(error_of([&] { (void)all(); }), HasSubstr("it is no regular file"));
    fs::remove(path());

    // Nor while it is followed.
    write(line(1, "stdout F one"));
    LogReader reader = open(LogFormat::K8s, {.follow = true});
    EXPECT_THAT(take(reader), ElementsAre("o:one"));
    fs::rename(path(), path().string() + ".1");
    fs::create_symlink(dir_ / "secret", path());
    EXPECT_THAT(error_of([&] { (void)take(reader); }), HasSubstr("it is a symbolic link"));
    fs::remove(path());
    ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
    EXPECT_THAT(error_of([&] { (void)take(reader); }), HasSubstr("it is no regular file"));
    fs::remove(path());
    write(line(2, "stdout F two"));
    EXPECT_THAT(take(reader), ElementsAre("o:two"));
}

TEST_F(LogReaderTest, SaysWhatItCannotRead) {
    EXPECT_THAT(error_of([] { LogReader(Syslog{}, "box"); }), HasSubstr("the system log cannot be read back"));
    write("x\n");
    EXPECT_THAT(error_of([&] { (void)open(LogFormat::Plain, {.since = LogTime{}}); }), HasSubstr("it has no times"));
    if (fs::exists("/run/log/journal") || fs::exists("/var/log/journal")) GTEST_SKIP() << "there is a journal";
    EXPECT_THAT(error_of([] { LogReader(Journald{}, "box"); }), HasSubstr("/run/log/journal"));
}

TEST_F(LogReaderTest, AHandlerThatThrowsLosesOneRecord) {
    write(line(1, "stdout F one") + line(2, "stdout F two") + line(3, "stdout F three"));
    LogReader reader = open();
    EXPECT_THROW((void)reader.read([](const LogRecord& record) {
        if (record.bytes == "two") throw std::runtime_error("no");
    }),
                 std::runtime_error);
    EXPECT_THAT(take(reader), ElementsAre("o:three"));
}

TEST(Rfc3339, IsReadAndWritten) {
    const auto back = [](std::string_view text) {
        const auto time = parse_rfc3339(text);
        return time ? to_rfc3339(*time) : "none";
    };
    EXPECT_EQ(back("2024-02-29T23:59:58.000000042Z"), "2024-02-29T23:59:58.000000042Z");
    EXPECT_EQ(back("2024-02-29T23:59:58.5+01:30"), "2024-02-29T22:29:58.500000000Z");
    EXPECT_EQ(back("2024-02-29 23:59:58.1234567891-00:01"), "2024-03-01T00:00:58.123456789Z");
    EXPECT_EQ(back("1969-12-31T23:59:59.999999999Z"), "1969-12-31T23:59:59.999999999Z");
    EXPECT_EQ(back("2016-12-31T23:59:60Z"), "2017-01-01T00:00:00.000000000Z");
    for (const char* wrong :
         {"", "2024", "2023-02-29T00:00:00Z", "2024-02-29T24:00:00Z", "2024-02-29T00:60:00Z", "2024-02-29T00:00:61Z",
          "2024-02-29T00:00:00", "2024-02-29T00:00:00.Z", "2024-02-29T00:00:00Zx", "2024-02-29T00:00:00+0100",
          "9999-01-01T00:00:00Z", "-024-02-29T00:00:00Z", "0001-01-01T00:00:00Z"})
        EXPECT_EQ(back(wrong), "none") << wrong;
}

} // namespace
} // namespace ct
