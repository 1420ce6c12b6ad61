// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <array>
#include <cstdio>
#include <fstream>

#include "monitor_fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

/// --log-path and what it may be combined with.
class LogPath : public MonitorTest {
protected:
    [[nodiscard]] std::string refusal(const std::string& log, const Words& more = {}) const {
        Launch call{.arguments = create(log)};
        call.arguments.back() = log;
        Monitor monitor = launch(call.add(more));
        EXPECT_EQ(monitor.foreground(), 1) << log;
        EXPECT_FALSE(fs::exists(root_ / "monitor.pid"));
        return monitor.err();
    }
    /// Runs a container that writes a line, with these arguments.
    void writes_with(const Words& more) {
        container("write 1 line\\n");
        Words arguments = without(create(), "-l");
        arguments.insert(arguments.end(), more.begin(), more.end());
        EXPECT_EQ(completes(arguments), 0);
        fs::remove(root_ / "monitor.pid");
    }
    [[nodiscard]] bool has_line(const fs::path& path) const {
        return fs::exists(path) && content(path).ends_with(" stdout F line\n");
    }
};

TEST_F(LogPath, ThatNamesNothingIsRefused) {
    for (const char* path : {"", ":", ":::"}) EXPECT_THAT(refusal(path), HasSubstr("log-path must not be empty"));
    for (const char* path : {"k8s-file", "k8s-file:", "k8s-file::"}) {
        EXPECT_THAT(refusal(path), HasSubstr("k8s-file requires a filename"));
    }
}

TEST_F(LogPath, WithAnotherDriverIsRefused) {
    for (const std::string name : {"json-file", "kubernetes-log-file", "syslog"}) {
        EXPECT_THAT(refusal(name + ":" + log_.string()), HasSubstr("No such log driver " + name));
    }
    // One bad one refuses all.
    EXPECT_THAT(refusal("nonsense:x", {"-l", "none"}), HasSubstr("No such log driver nonsense"));
}

TEST_F(LogPath, MayBeAPathAlone) {
    writes_with({"-l", log_});
    EXPECT_TRUE(has_line(log_));
}

TEST_F(LogPath, AfterAColonIsAlwaysAPath) {
    writes_with({"-l", ":" + log_.string()});
    EXPECT_TRUE(has_line(log_));
    writes_with({"-l", ":journald"});
    EXPECT_TRUE(has_line(root_ / "journald"));
}

TEST_F(LogPath, MayBeNone) {
    for (const char* name : {"none", "off", "null", "none:", "off:/x", "null:x"}) {
        writes_with({"-l", name});
        EXPECT_FALSE(fs::exists(log_)) << name;
    }
}

TEST_F(LogPath, OfSeveralIsTheUnionAndTheLastFile) {
    writes_with({"-l", "k8s-file:" + (root_ / "first").string(), "-l", "none", "-l", log_, "-l", "off"});
    EXPECT_TRUE(has_line(log_));
    EXPECT_FALSE(has_line(root_ / "first"));
}

TEST_F(LogPath, ThatCannotBeOpenedIsRefusedBeforeAnythingIsDone) {
    EXPECT_THAT(refusal("k8s-file:" + (root_ / "no" / "log").string()), HasSubstr("Failed to open log file"));
    EXPECT_THAT(refusal("k8s-file:" + bundle_.string()), HasSubstr("Failed to open log file"));
}

TEST_F(LogPath, OfAFileAllowsNoTagAndNoLabel) {
    EXPECT_THAT(refusal(log_, {"--log-tag", "x"}), HasSubstr("k8s-file doesn't support --log-tag"));
    EXPECT_THAT(refusal(log_, {"--log-label", "X=x"}), HasSubstr("k8s-file doesn't support --log-label"));
}

TEST_F(LogPath, OfNoneIgnoresTagAndLabel) {
    writes_with({"-l", "none", "--log-tag", "x", "--log-label", "X=x"});
}

TEST_F(LogPath, OfTheJournalNeedsALongIdAndGoodLabels) {
    EXPECT_THAT(refusal("journald", {"-c", "123456789012"}),
                HasSubstr("Container ID must be longer than 12 characters"));
    for (const char* label : {"X", "=x", "X=x=y", "="}) {
        EXPECT_THAT(refusal("journald", {"--log-label", label}),
                    HasSubstr("Container labels must be in format LABEL=VALUE"));
    }
    for (const char* label : {"x=1", "A-B=1", "A B=1"}) {
        EXPECT_THAT(refusal("journald", {"--log-label", label}),
                    HasSubstr("Container label names must contain only uppercase letters, numbers and underscore"));
    }
}

TEST_F(LogPath, MayBeBelowAnAllowedDirectory) {
    writes_with({"-l", log_, "--log-allowlist-dir", exits_, "--log-allowlist-dir", root_});
    EXPECT_TRUE(has_line(log_));
}

TEST_F(LogPath, OutsideOfAllAllowedDirectoriesIsRefused) {
    fs::create_directory(root_ / "logs");
    fs::create_directory(root_ / "logs2");
    fs::create_symlink(root_ / "logs2", root_ / "logs" / "away");
    for (const char* path : {"log", "logs2/log", "logs/../log", "logs/away/log"}) {
        EXPECT_NE(refusal(root_ / path, {"--log-allowlist-dir", root_ / "logs"}), "") << path;
        EXPECT_FALSE(fs::exists(root_ / path)) << path;
    }
}

/// What is written to the file.
class LogFormat : public MonitorTest {
protected:
    void runs(std::string_view commands, const Words& more = {}) {
        container(commands);
        Words arguments = create();
        arguments.insert(arguments.end(), more.begin(), more.end());
        EXPECT_EQ(completes(arguments), 0);
    }
};

TEST_F(LogFormat, HasTimeStreamTagAndContent) {
    runs("write 1 out\\n\nwrite 2 err\\n");
    for (const LogLine& line : log_lines()) {
        EXPECT_THAT(line.time, MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{9}"
                                            "[-+][0-9]{2}:[0-9]{2}"));
        EXPECT_EQ(line.tag, "F");
    }
    EXPECT_EQ(logged("stdout"), "out\n");
    EXPECT_EQ(logged("stderr"), "err\n");
}

TEST_F(LogFormat, HasTheLocalTime) {
    container("write 1 x\\n");
    Launch call{.arguments = create(), .environment = {"TZ=XYZ-05:30"}};
    (void)launch(call);
    start();
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_THAT(log_lines().at(0).time, ::testing::EndsWith("+05:30"));
}

TEST_F(LogFormat, KeepsTheBlankBeforeNothing) {
    runs("write 1 \\n\\n");
    EXPECT_THAT(content(log_), MatchesRegex("[^ ]+ stdout F \n[^ ]+ stdout F \n"));
}

TEST_F(LogFormat, EndsWithAPartialLineIfTheOutputDoes) {
    runs("write 1 one\\ntwo");
    EXPECT_THAT(content(log_), MatchesRegex("[^ ]+ stdout F one\n[^ ]+ stdout P two\n"));
    EXPECT_EQ(fs::file_size(log_), 45U + 4 + 46 + 3);
}

TEST_F(LogFormat, KeepsAllBytes) {
    std::string escaped;
    std::string bytes;
    for (int byte = 0; byte < 256; ++byte) {
        if (byte == '\n') continue;
        std::array<char, 5> text{};
        std::snprintf(text.data(), text.size(), "\\x%02x", byte);
        escaped += text.data();
        bytes += static_cast<char>(byte);
    }
    runs("write 1 " + escaped + "\\r\\n");
    EXPECT_EQ(logged(), bytes + "\r\n");
}

TEST_F(LogFormat, ShowsAPromptSoon) {
    make_fifo("go");
    container("write 1 name: \nwait go\nwrite 1 given\\n");
    const std::string report = report_of(create());
    start();
    ASSERT_TRUE(await([&] { return content(log_).ends_with("stdout P name: \n"); }));
    open_fifo("go");
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(logged(), "name: given\n");
}

TEST_F(LogFormat, DoesNotTearLinesThatComeFast) {
    runs("lines 1 100000 100\nlines 2 30000 33");
    int out = 0;
    for (const LogLine& line : log_lines()) {
        ASSERT_EQ(line.tag, "F") << line.content;
        if (line.stream == "stdout") {
            ASSERT_EQ(std::stoi(line.content), out++);
        }
    }
    EXPECT_EQ(out, 100000);
    EXPECT_EQ(fs::file_size(log_), 100000U * 146 + 30000U * 79);
}

TEST_F(LogFormat, SplitsWhatIsTooLongForMemory) {
    runs("fill 1 5000000\nwrite 1 \\nnext\\n");
    EXPECT_EQ(logged(), std::string(5000000, 'x') + "\nnext\n");
    EXPECT_EQ(log_lines().front().tag, "P");
    EXPECT_EQ(log_lines().back().tag, "F");
}

TEST_F(LogFormat, AppendsToAFileThatIsThere) {
    std::ofstream(log_) << "before\n";
    runs("write 1 after\\n");
    EXPECT_THAT(content(log_), AllOf(::testing::StartsWith("before\n"), ::testing::EndsWith(" after\n")));
}

TEST_F(LogFormat, MayGoToALongPath) {
    fs::path directory = root_;
    for (int i = 0; i < 12; ++i) directory /= std::string(200, 'd');
    fs::create_directories(directory);
    container("write 1 x\\n");
    EXPECT_EQ(completes(create(directory / "log")), 0);
    EXPECT_EQ(log_lines(directory / "log").size(), 1U);
}

TEST_F(LogFormat, WithoutSyncToo) {
    runs("write 1 x\\n", {"--no-sync-log"});
    EXPECT_EQ(logged(), "x\n");
}

} // namespace
} // namespace ct::test
