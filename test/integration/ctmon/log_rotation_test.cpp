// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fstream>

#include <sys/inotify.h>
#include <sys/stat.h>

#include "monitor_fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class LogFiles : public MonitorTest {
protected:
    void SetUp() override {
        fs::create_directory(root_ / "logs");
        log_ = root_ / "logs" / "log";
        ::mkfifo((root_ / "end").c_str(), 0600);
    }
    [[nodiscard]] Words with(const Words& more) const {
        Words arguments = create();
        arguments.insert(arguments.end(), more.begin(), more.end());
        return arguments;
    }
    /// The numbers of the lines that `lines` wrote.
    [[nodiscard]] static std::vector<int> numbers(const fs::path& path) {
        std::vector<int> all;
        for (const LogLine& line : log_lines(path)) all.push_back(std::stoi(line.content));
        return all;
    }
    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> all;
        for (const auto& entry : fs::directory_iterator(log_.parent_path())) all.push_back(entry.path().filename());
        std::sort(all.begin(), all.end());
        return all;
    }
    /// Asks for a new file and waits for it.
    void reopen(const std::string& line = "2 0 0\n") const {
        struct stat before {};
        struct stat now {};
        (void)::stat(log_.c_str(), &before);
        control(line);
        ASSERT_TRUE(await([&] { return ::stat(log_.c_str(), &now) == 0 && now.st_ino != before.st_ino; }));
    }
    /// Writes so many lines of 145 bytes in the file, then waits for \ref end.
    void run(int lines, const Words& more) {
        container("lines 1 " + std::to_string(lines) + " 99");
        EXPECT_EQ(completes(with(more)), 0);
    }
};

class LogSize : public LogFiles {};

TEST_F(LogSize, ReplacesTheFileBeforeItGetsLarger) {
    run(25, {"--log-size-max", "1450"});
    EXPECT_THAT(numbers(log_), ElementsAre(20, 21, 22, 23, 24));
    EXPECT_THAT(names(), ElementsAre("log"));
}

TEST_F(LogSize, DoesNotSplitLines) {
    run(3, {"--log-size-max", "100"});
    EXPECT_THAT(numbers(log_), ElementsAre(2));
}

TEST_F(LogSize, CountsWhatIsThere) {
    std::ofstream(log_) << "0000000 stdout F " << std::string(1287, '0') << '\n';
    run(3, {"--log-size-max", "1450"});
    EXPECT_THAT(numbers(log_), ElementsAre(1, 2));
}

TEST_F(LogSize, MayBeUnlimited) {
    run(100, {"--log-size-max", "0", "--log-global-size-max", "-5"});
    EXPECT_EQ(numbers(log_).size(), 100U);
}

TEST_F(LogSize, OfAllEndsTheLogAfterTheLineThatReachesIt) {
    run(20, {"--log-global-size-max", "1450"});
    EXPECT_EQ(numbers(log_).size(), 10U);
}

TEST_F(LogSize, OfAllIsCrossedByAWholeLine) {
    run(20, {"--log-global-size-max", "1451"});
    EXPECT_EQ(numbers(log_).size(), 11U);
}

TEST_F(LogSize, OfAllCountsWhatWasReplaced) {
    run(20, {"--log-global-size-max", "1450", "--log-size-max", "435"});
    EXPECT_THAT(numbers(log_), ElementsAre(9));
}

TEST_F(LogSize, OfAllDoesNotEndTheOutput) {
    container("lines 1 50000 99\nexit 6");
    const std::string report = report_of(with({"--log-global-size-max", "1"}));
    AttachClient client(bundle_);
    start();
    EXPECT_EQ(client.rest_of('\2').size(), 5000000U);
    EXPECT_EQ(monitor_ends(), 6);
    EXPECT_EQ(numbers(log_).size(), 1U);
}

class LogReopen : public LogFiles {};

TEST_F(LogReopen, MakesANewFileAtThePath) {
    container("write 1 one\\n\nwait end\nwrite 1 two\\n");
    const std::string report = report_of(create());
    start();
    ASSERT_TRUE(await([&] { return logged() == "one\n"; }));
    fs::rename(log_, root_ / "old");
    reopen();
    open_fifo("end");
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(logged(), "two\n");
    EXPECT_TRUE(content(root_ / "old").ends_with(" one\n"));
    EXPECT_EQ(fs::status(log_).permissions(), fs::perms(0640));
    EXPECT_THAT(names(), ElementsAre("log"));
}

TEST_F(LogReopen, DropsWhatNobodyHasKept) {
    container("write 1 one\\n\nwait end\nwrite 1 two\\n");
    const std::string report = report_of(create());
    start();
    ASSERT_TRUE(await([&] { return logged() == "one\n"; }));
    reopen("2 17 3\n");
    open_fifo("end");
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(logged(), "two\n");
    EXPECT_THAT(names(), ElementsAre("log"));
}

TEST_F(LogReopen, IsSeenByInotifyForThatName) {
    const std::string report = report_of(create());
    const UniqueFd watch(::inotify_init1(IN_CLOEXEC));
    ASSERT_GE(::inotify_add_watch(watch.get(), log_.parent_path().c_str(), IN_CREATE | IN_MOVED_TO), 0);
    fs::rename(log_, root_ / "old");
    control("2 0 0\n");
    bool seen = false;
    while (!seen) {
        alignas(inotify_event) std::array<char, 4096> buffer{};
        const ssize_t size = ::read(watch.get(), buffer.data(), buffer.size());
        ASSERT_GT(size, 0);
        for (ssize_t at = 0; at < size;) {
            const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
            seen = seen || event->name == log_.filename();
            at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
        }
    }
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(LogReopen, LosesNoLineWhileTheContainerWrites) {
    constexpr int Rounds = 6;
    std::string commands;
    for (int i = 0; i < Rounds; ++i) commands += "wait go" + std::to_string(i) + "\nlines 1 20000 99\n";
    for (int i = 0; i < Rounds; ++i) make_fifo("go" + std::to_string(i));
    container(commands + "wait end");
    const std::string report = report_of(create());
    start();
    std::vector<fs::path> files;
    for (int i = 0; i < Rounds; ++i) {
        open_fifo("go" + std::to_string(i));
        files.push_back(root_ / ("old" + std::to_string(i)));
        fs::rename(log_, files.back());
        reopen();
    }
    files.push_back(log_);
    open_fifo("end");
    EXPECT_EQ(monitor_ends(), 0);
    int next = 0;
    for (const fs::path& file : files) {
        for (const int number : numbers(file)) ASSERT_EQ(number, next++ % 20000) << file;
    }
    EXPECT_EQ(next, Rounds * 20000);
}

TEST_F(LogReopen, IsNotFatalWhereNoFileCanBeMade) {
    container("write 1 one\\n\nwait end\nwrite 1 two\\n\nexit 8");
    const std::string report = report_of(create());
    start();
    ASSERT_TRUE(await([&] { return logged() == "one\n"; }));
    fs::rename(log_.parent_path(), root_ / "moved");
    control("2 0 0\n");
    open_fifo("end");
    EXPECT_EQ(monitor_ends(), 8);
    EXPECT_EQ(log_lines(root_ / "moved" / "log").size(), 2U);
    EXPECT_EQ(content(exits_ / Cid), "8");
}

TEST_F(LogReopen, SurvivesATruncationFromOutside) {
    container("write 1 one\\n\nwait end\nwrite 1 two\\n");
    const std::string report = report_of(create());
    reopen();
    start();
    ASSERT_TRUE(await([&] { return logged() == "one\n"; }));
    fs::resize_file(log_, 0);
    open_fifo("end");
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(fs::file_size(log_), 45U + 4) << "no hole";
}

TEST_F(LogReopen, WithoutALogIsNothing) {
    Words arguments = without(create(), "-l");
    arguments.insert(arguments.end(), {"-l", "none"});
    const std::string report = report_of(arguments);
    control("2 0 0\n");
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

class LogRotate : public LogFiles {
protected:
    /// Rotates after each of \p count lines.
    void rotations(int count, const Words& more) {
        for (int i = 0; i < count; ++i) make_fifo("go" + std::to_string(i));
        std::string commands;
        for (int i = 0; i < count; ++i)
            commands += "write 1 " + std::to_string(i) + "\\n\nwait go" + std::to_string(i) + "\n";
        container(commands + "write 1 " + std::to_string(count) + "\\n");
        const std::string report = report_of(with(more));
        start();
        for (int i = 0; i < count; ++i) {
            ASSERT_TRUE(await([&] { return logged() == std::to_string(i) + "\n"; })) << i;
            reopen("2 1 1\n");
            open_fifo("go" + std::to_string(i));
        }
        EXPECT_EQ(monitor_ends(), 0);
    }
    [[nodiscard]] int only(const std::string& name) const {
        const std::vector<int> all = numbers(log_.parent_path() / name);
        EXPECT_EQ(all.size(), 1U) << name;
        return all.empty() ? -1 : all.front();
    }
};

TEST_F(LogRotate, KeepsTheFileBefore) {
    rotations(1, {"--log-rotate"});
    EXPECT_THAT(names(), ElementsAre("log", "log.1"));
    EXPECT_EQ(only("log"), 1);
    EXPECT_EQ(only("log.1"), 0);
    EXPECT_EQ(fs::status(log_).permissions(), fs::perms(0640));
}

TEST_F(LogRotate, KeepsOneFileByDefault) {
    rotations(4, {"--log-rotate"});
    EXPECT_THAT(names(), ElementsAre("log", "log.1"));
    EXPECT_EQ(only("log.1"), 3);
}

TEST_F(LogRotate, KeepsAsManyFilesAsAsked) {
    rotations(5, {"--log-rotate", "--log-max-files", "3"});
    EXPECT_THAT(names(), ElementsAre("log", "log.1", "log.2", "log.3"));
    EXPECT_EQ(only("log"), 5);
    for (int i = 1; i <= 3; ++i) EXPECT_EQ(only("log." + std::to_string(i)), 5 - i);
}

TEST_F(LogRotate, IsDoneBySizeToo) {
    run(25, {"--log-rotate", "--log-max-files", "2", "--log-size-max", "1450"});
    EXPECT_THAT(names(), ElementsAre("log", "log.1", "log.2"));
    EXPECT_EQ(numbers(log_).size(), 5U);
    EXPECT_EQ(numbers(log_.string() + ".1").size(), 10U);
    EXPECT_EQ(numbers(log_.string() + ".2").size(), 10U);
}

TEST_F(LogRotate, OpensANewFileIfSomebodyElseHasRenamedIt) {
    container("write 1 one\\n\nwait end\nwrite 1 two\\n");
    const std::string report = report_of(with({"--log-rotate"}));
    start();
    ASSERT_TRUE(await([&] { return logged() == "one\n"; }));
    fs::rename(log_, root_ / "old");
    reopen();
    open_fifo("end");
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(logged(), "two\n");
    EXPECT_THAT(names(), ElementsAre("log"));
}

TEST_F(LogRotate, DoesNotMoveASymbolicLink) {
    fs::create_symlink(root_ / "target", log_);
    run(25, {"--log-rotate", "--log-size-max", "1450"});
    EXPECT_TRUE(fs::is_symlink(log_));
    EXPECT_THAT(names(), ElementsAre("log"));
}

TEST_F(LogRotate, IsNotMeantByMaxFilesAlone) {
    run(25, {"--log-max-files", "3", "--log-size-max", "1450"});
    EXPECT_THAT(names(), ElementsAre("log"));
}

} // namespace
} // namespace ct::test
