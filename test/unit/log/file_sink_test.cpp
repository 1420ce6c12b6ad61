// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "log/file_sink.hpp"

#include <sched.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include <ct/error.hpp>

#include "base/concat.hpp"

namespace ct::internal {
namespace {

namespace fs = std::filesystem;

class FileSinkTest : public ::testing::Test {
protected:
    FileSinkTest() {
        std::string name = fs::temp_directory_path() / "libct-log-XXXXXX";
        dir_ = ::mkdtemp(name.data());
    }
    ~FileSinkTest() override { fs::remove_all(dir_); }

    [[nodiscard]] LogFile plain() const { return {.path = path(), .format = LogFormat::Plain}; }
    [[nodiscard]] std::string path() const { return dir_ / "log"; }
    [[nodiscard]] FileSink sink(const LogFile& file) { return {"box", file, pool_}; }
    [[nodiscard]] std::string text(const std::string& suffix = "") const {
        std::ostringstream text;
        text << std::ifstream(path() + suffix, std::ios::binary).rdbuf();
        return text.str();
    }
    [[nodiscard]] std::size_t files() const {
        return static_cast<std::size_t>(std::distance(fs::directory_iterator(dir_), fs::directory_iterator()));
    }
    static void write(LogSink& sink, std::initializer_list<std::string_view> lines) {
        std::vector<LogRecord> records;
        for (const std::string_view line : lines) {
            records.push_back({.container = "box", .stream = Stream::Output, .time = LogTime(), .bytes = line});
        }
        sink.write(records);
    }

    fs::path dir_;
    std::shared_ptr<ScratchPool> pool_ = std::make_shared<ScratchPool>();
};

TEST_F(FileSinkTest, MakesTheFileWithItsModeWhateverTheUmaskIs) {
    const mode_t before = ::umask(0777);
    LogFile settings = plain();
    settings.mode = 0604;
    FileSink log = sink(settings);
    ::umask(before);
    write(log, {"a", "", "b"});
    EXPECT_EQ(text(), "a\n\nb\n");
    struct stat status {};
    ASSERT_EQ(::stat(path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0604U);
}

TEST_F(FileSinkTest, AppendsToWhatIsThere) {
    std::ofstream(path()) << "old\n";
    FileSink log = sink(plain());
    write(log, {"new"});
    EXPECT_EQ(text(), "old\nnew\n");
    log.abandon();
    EXPECT_EQ(text(), "old\nnew\n");
}

TEST_F(FileSinkTest, AbandonedFileIsGone) {
    FileSink log = sink(plain());
    EXPECT_EQ(files(), 1U);
    log.abandon();
    EXPECT_EQ(files(), 0U);
}

TEST_F(FileSinkTest, WritesToNothingButRegularFiles) {
    const auto refused = [&](std::string_view hint) {
        try {
            (void)sink(plain());
            ADD_FAILURE() << "was opened";
        } catch (const Error& error) {
            EXPECT_EQ(error.path(), path());
            EXPECT_NE(std::string_view(error.what()).find(hint), std::string_view::npos) << error.what();
        }
    };
    fs::create_symlink(dir_ / "elsewhere", path());
    refused("symbolic link");
    EXPECT_FALSE(fs::exists(dir_ / "elsewhere"));
    fs::remove(path());
    ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
    refused("no regular file");
    fs::remove(path());
    fs::create_directory(path());
    refused("no regular file");
    fs::remove(dir_ / "log");
    fs::remove(dir_);
    refused("No such file");
}

TEST_F(FileSinkTest, RotatesBeforeARecordThatDoesNotFit) {
    LogFile settings = plain();
    settings.rotate_size = Bytes{8};
    settings.rotate_count = 2;
    FileSink log = sink(settings);
    write(log, {"123", "567", "abc", "0123456789", "x", "y"});
    EXPECT_EQ(text(), "x\ny\n");
    EXPECT_EQ(text(".1"), "0123456789\n");
    EXPECT_EQ(text(".2"), "abc\n");
    EXPECT_EQ(files(), 3U);
    EXPECT_EQ(log.dropped_records(), 0U);
}

TEST_F(FileSinkTest, CountsWhatWasThereBeforeForTheRotation) {
    std::ofstream(path()) << "1234567\n";
    LogFile settings = plain();
    settings.rotate_size = Bytes{8};
    settings.rotate_count = 0;
    FileSink log = sink(settings);
    write(log, {"a"});
    EXPECT_EQ(text(), "a\n");
    EXPECT_EQ(files(), 1U);
}

TEST_F(FileSinkTest, GoesOnInTheOldFileIfItCannotRotate) {
    fs::create_directories(dir_ / "log.1" / "full"); // cannot be renamed over
    LogFile settings = plain();
    settings.rotate_size = Bytes{4};
    FileSink log = sink(settings);
    write(log, {"123", "567", "abc"});
    EXPECT_EQ(text(), "123\n567\nabc\n");
    EXPECT_EQ(files(), 2U);
}

TEST_F(FileSinkTest, RotationLeavesAloneWhatSomebodyElseHasPutThere) {
    LogFile settings = plain();
    settings.rotate_size = Bytes{4};
    FileSink log = sink(settings);
    write(log, {"123"});
    fs::rename(path(), dir_ / "taken");
    std::ofstream(path()) << "";
    write(log, {"567"});
    EXPECT_EQ(text(), "567\n");
    EXPECT_FALSE(fs::exists(path() + ".1"));
}

TEST_F(FileSinkTest, RotationRemovesNobodysFile) {
    std::ofstream(path() + ".new") << "mine";
    std::ofstream(dir_ / concat(".libct-new.", ::getpid(), ".0")) << "mine too";
    LogFile settings = plain();
    settings.rotate_size = Bytes{4};
    settings.rotate_count = 1;
    FileSink log = sink(settings);
    write(log, {"123", "567"});
    EXPECT_EQ(text(), "567\n");
    EXPECT_EQ(text(".1"), "123\n");
    EXPECT_EQ(text(".new"), "mine");
    EXPECT_EQ(files(), 4U);
}

TEST_F(FileSinkTest, RotationThatIsKilledLeavesNoOtherFile) {
    LogFile settings = plain();
    settings.rotate_size = Bytes{4};
    settings.rotate_count = 2;
    for (int round = 0; round < 20; ++round) {
        const pid_t pid = ::fork();
        ASSERT_GE(pid, 0);
        if (pid == 0) {
            FileSink log = sink(settings);
            for (;;) write(log, {"123"});
        }
        while (!fs::exists(path() + ".2")) ::sched_yield();
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        for (const auto& entry : fs::directory_iterator(dir_)) {
            EXPECT_TRUE(entry.path().filename().string().starts_with("log")) << entry.path();
            fs::remove(entry.path());
        }
    }
}

TEST_F(FileSinkTest, ReopensByThePath) {
    FileSink log = sink(plain());
    write(log, {"1"});
    fs::rename(path(), dir_ / "log.old");
    write(log, {"2"});
    log.reopen();
    write(log, {"3"});
    EXPECT_EQ(text(".old"), "1\n2\n");
    EXPECT_EQ(text(), "3\n");
    // One that cannot be opened leaves the present file.
    fs::rename(path(), dir_ / "log.older");
    fs::create_symlink("/dev/null", path());
    EXPECT_THROW(log.reopen(), Error);
    write(log, {"4"});
    EXPECT_EQ(text(".older"), "3\n4\n");
}

/// Tells what becomes of the names of a directory.
class Changes {
public:
    explicit Changes(const fs::path& directory) : fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
        EXPECT_GE(::inotify_add_watch(fd_, directory.c_str(), IN_CREATE | IN_DELETE | IN_MOVE), 0);
    }
    Changes(const Changes&) = delete;
    Changes& operator=(const Changes&) = delete;
    ~Changes() { ::close(fd_); }

    /// What has happened to \p name, as bits.
    [[nodiscard]] std::uint32_t of(std::string_view name) const {
        std::uint32_t all = 0;
        alignas(inotify_event) std::array<char, 4096> buffer{};
        for (ssize_t size = 0; (size = ::read(fd_, buffer.data(), buffer.size())) > 0;) {
            for (ssize_t at = 0; at < size;) {
                const auto* const event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
                if (event->len > 0 && name == event->name) all |= event->mask;
                at += static_cast<ssize_t>(sizeof *event + event->len);
            }
        }
        return all;
    }

private:
    int fd_;
};

TEST_F(FileSinkTest, ReopeningReplacesTheFileInOneStep) {
    LogFile settings = plain();
    settings.replace_on_reopen = true;
    settings.rotate_count = 0;
    settings.mode = 0604;
    FileSink log = sink(settings);
    write(log, {"1"});
    fs::create_hard_link(path(), dir_ / "kept");
    const Changes changes(dir_);
    log.reopen();
    EXPECT_EQ(changes.of("log"), std::uint32_t{IN_MOVED_TO}); // at no time it was missing
    EXPECT_EQ(text(), "");
    write(log, {"2"});
    EXPECT_EQ(text(), "2\n");
    EXPECT_EQ(std::ifstream(dir_ / "kept").get(), '1');
    EXPECT_EQ(files(), 2U);
    struct stat status {};
    ASSERT_EQ(::stat(path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0604U);
}

TEST_F(FileSinkTest, ReopeningKeepsOldFiles) {
    LogFile settings = plain();
    settings.replace_on_reopen = true;
    settings.rotate_count = 2;
    FileSink log = sink(settings);
    for (const std::string_view line : {"1", "2", "3"}) {
        write(log, {line});
        const Changes changes(dir_);
        log.reopen();
        EXPECT_NE(changes.of("log") & (IN_CREATE | IN_MOVED_TO), 0U);
    }
    write(log, {"4"});
    EXPECT_EQ(text(".2") + text(".1") + text(), "2\n3\n4\n");
    EXPECT_EQ(files(), 3U);
}

TEST_F(FileSinkTest, ReopeningAfterSomebodyElseHasRenamedTheFileOnlyMakesOne) {
    for (const unsigned count : {0U, 3U}) {
        LogFile settings = plain();
        settings.replace_on_reopen = true;
        settings.rotate_count = count;
        FileSink log = sink(settings);
        write(log, {"1"});
        fs::rename(path(), dir_ / "log.20260101");
        const Changes changes(dir_);
        log.reopen();
        EXPECT_EQ(changes.of("log"), std::uint32_t{IN_CREATE});
        write(log, {"2"});
        EXPECT_EQ(text(".20260101"), "1\n");
        EXPECT_EQ(text(), "2\n");
        EXPECT_EQ(files(), 2U);
        for (const auto& entry : fs::directory_iterator(dir_)) fs::remove(entry.path());
    }
}

TEST_F(FileSinkTest, ReopeningThatIsNotPossibleGoesOnInTheOldFile) {
    LogFile settings = plain();
    settings.replace_on_reopen = true;
    settings.rotate_count = 0;
    FileSink log = sink(settings);
    fs::rename(path(), dir_ / "log.old");
    fs::create_symlink(dir_ / "elsewhere", path());
    EXPECT_THROW(log.reopen(), Error);
    write(log, {"1"});
    EXPECT_EQ(text(".old"), "1\n");
    EXPECT_FALSE(fs::exists(dir_ / "elsewhere"));
}

TEST_F(FileSinkTest, LinesLongerThanTheLimitReplaceTheFileOneByOne) {
    LogFile settings = plain();
    settings.rotate_size = Bytes{2};
    settings.rotate_count = 0;
    FileSink log = sink(settings);
    write(log, {"first", "second", "third"});
    EXPECT_EQ(text(), "third\n");
    EXPECT_EQ(files(), 1U);
    EXPECT_EQ(log.dropped_records(), 0U);
}

TEST_F(FileSinkTest, TotalMayCountWhatWasThereAndEndWithAWholeRecord) {
    std::ofstream(path()) << "old\n";
    LogFile settings = plain();
    settings.total_size = Bytes{9};
    settings.total_with_old = true;
    FileSink log = sink(settings);
    write(log, {"123", "the one that reaches it", "x"});
    write(log, {"y"});
    EXPECT_EQ(text(), "old\n123\nthe one that reaches it\n");
    EXPECT_EQ(log.dropped_records(), 2U);
    EXPECT_EQ(log.dropped_bytes(), 4U);
    FileSink next = sink(settings);
    write(next, {"z"});
    EXPECT_EQ(next.dropped_records(), 1U);
}

TEST_F(FileSinkTest, StopsAtTheTotalAndCounts) {
    LogFile settings = plain();
    settings.total_size = Bytes{8};
    settings.rotate_size = Bytes{4};
    FileSink log = sink(settings);
    write(log, {"123", "567", "x", ""});
    EXPECT_EQ(text(".1") + text(), "123\n567\n");
    EXPECT_EQ(log.dropped_records(), 2U);
    EXPECT_EQ(log.dropped_bytes(), 3U);
}

/// A device that is always full.
class FullSink final : public DeliveringSink {
public:
    using DeliveringSink::DeliveringSink;
    std::size_t room = 0;
    std::vector<std::string> got;

protected:
    std::size_t put(std::span<const LogRecord> records) override {
        std::size_t taken = 0;
        for (; taken < records.size() && room > 0; ++taken, --room) got.emplace_back(records[taken].bytes);
        error_ = ENOSPC;
        return taken;
    }
};

std::vector<std::string> retried(FullSink& sink, std::size_t room) {
    sink.got.clear();
    sink.room = room;
    if (const auto when = sink.next_try()) sink.retry(*when);
    return sink.got;
}

using Lines = std::vector<std::string>;

TEST_F(FileSinkTest, DropsWhatTheBacklogHasNoRoomForAndSaysSo) {
    FullSink sink("box", {.policy = LogPolicy::Drop, .backlog = Bytes{4}});
    write(sink, {"ab", "cd", "lost", "lost too"});
    EXPECT_FALSE(sink.blocks());
    EXPECT_EQ(sink.dropped_records(), 2U);
    EXPECT_EQ(sink.dropped_bytes(), 14U);
    EXPECT_EQ(retried(sink, 1), (Lines{"ab"}));
    write(sink, {"e"});
    const std::string note = "libct: dropped 2 lines or parts of lines, 14 bytes: No space left on device";
    EXPECT_EQ(retried(sink, 100), (Lines{"cd", note, "e"}));
    EXPECT_FALSE(sink.next_try());
    sink.got.clear();
    write(sink, {"f"});
    EXPECT_EQ(sink.got, (Lines{"f"}));
}

TEST_F(FileSinkTest, TriesASlowReaderSoonAgainAndAStoppedOneSeldom) {
    using namespace std::chrono_literals;
    FullSink sink("box", {.policy = LogPolicy::Block});
    for (int i = 0; i < 20; ++i) write(sink, {"line"});
    for (int i = 0; i < 10; ++i) {
        const auto when = sink.next_try().value();
        EXPECT_EQ(retried(sink, 1).size(), 1U);
        EXPECT_LE(sink.next_try().value() - when, 10ms);
    }
    const auto begin = sink.next_try().value();
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(retried(sink, 0).empty());
    EXPECT_GT(sink.next_try().value() - begin, 1s);
    EXPECT_EQ(retried(sink, 100).size(), 10U);
    EXPECT_FALSE(sink.next_try());
}

TEST_F(FileSinkTest, TellsWhatWasDroppedAtTheEndOfTheTrouble) {
    FullSink sink("box", {.policy = LogPolicy::Drop, .backlog = Bytes{2}});
    write(sink, {"ab", "lost"});
    EXPECT_EQ(retried(sink, 100),
              (Lines{"ab", "libct: dropped 1 lines or parts of lines, 5 bytes: No space left on device"}));
}

TEST_F(FileSinkTest, BlockingOneKeepsAll) {
    FullSink sink("box", {.policy = LogPolicy::Block, .backlog = Bytes{1}});
    write(sink, {"ab", "cd"});
    EXPECT_TRUE(sink.blocks());
    EXPECT_EQ(retried(sink, 1), (Lines{"ab"}));
    EXPECT_TRUE(sink.blocks());
    EXPECT_EQ(retried(sink, 5), (Lines{"cd"}));
    EXPECT_FALSE(sink.blocks());
    EXPECT_EQ(sink.dropped_records(), 0U);
}

TEST_F(FileSinkTest, WhatIsLeftAtTheEndIsCounted) {
    FullSink sink("box", {.policy = LogPolicy::Block});
    write(sink, {"ab", "cd"});
    sink.room = 1;
    sink.finish();
    EXPECT_EQ(sink.got, (Lines{"ab"}));
    EXPECT_EQ(sink.dropped_records(), 1U);
    EXPECT_EQ(sink.dropped_bytes(), 3U);
}

} // namespace
} // namespace ct::internal
