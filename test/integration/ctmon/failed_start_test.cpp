// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor_fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// What is told when the runtime makes no container, and what is left then.
class FailedStart : public MonitorTest {
protected:
    std::string report(const std::string& runtime_script, const Words& arguments) {
        script("runtime", runtime_script);
        const std::string text = report_of(arguments);
        EXPECT_EQ(monitor_ends(), 1);
        EXPECT_FALSE(fs::exists(exits_ / Cid));
        EXPECT_FALSE(fs::exists(persist_ / "exit"));
        EXPECT_TRUE(fs::is_empty(bundle_)) << "attach, ctl or winsz are left";
        return text;
    }
    std::string message(const std::string& runtime_script) { return message_of(report(runtime_script, create())); }
    /// The text between the quotes, as it is written.
    static std::string message_of(const std::string& text) {
        const std::string begin = R"({"data": -1, "message": ")";
        const std::string end = "\"}\n";
        EXPECT_THAT(text, AllOf(StartsWith(begin), EndsWith(end)));
        if (text.size() < begin.size() + end.size()) return {};
        return text.substr(begin.size(), text.size() - begin.size() - end.size());
    }
};

TEST_F(FailedStart, IsToldEvenIfTheRuntimeSaysNothing) {
    EXPECT_THAT(report("exit 1", create()), StartsWith("{\"data\": -1"));
}

TEST_F(FailedStart, IsARuntimeKilledByASignal) {
    EXPECT_EQ(message("write 2 oh\nsignal 11"), "oh");
}

TEST_F(FailedStart, IsARuntimeWithoutPidFile) {
    EXPECT_THAT(report("exit 0", create()), StartsWith("{\"data\": -1"));
}

TEST_F(FailedStart, IsARuntimeWithAPidFileThatSaysNothing) {
    for (const char* text : {"nonsense", "-5", "0"}) {
        fs::remove(root_ / "monitor.pid");
        EXPECT_THAT(report("pidfile " + std::string(text), create()), StartsWith("{\"data\": -1")) << text;
    }
}

TEST_F(FailedStart, OfAnExecIsOnlyTheMissingPidFile) {
    script("runtime", "write 2 handed on\\n\ncontainer\npidfile\nexit 9");
    container("exit 2");
    const std::string text = report_of(exec());
    EXPECT_EQ(text, "{\"data\": " + std::to_string(container_pid()) + "}\n");
    start();
    EXPECT_EQ(monitor_ends(), 2);
}

TEST_F(FailedStart, OfAnExecWithoutWordsNamesThePidFile) {
    EXPECT_THAT(message_of(report("exit 0", exec())), HasSubstr("No such file or directory"));
}

TEST_F(FailedStart, EscapesWhatTheRuntimeSaid) {
    // Two ways to write the same; what is no UTF-8 is no JSON either, and has no agreed form.
    EXPECT_THAT(message("write 2 a\"b\\\\c\\n\\t\\r/\\x08\\x0c\\x01\\x1f\\x7f\xc3\xa4\nexit 1"),
                ::testing::AnyOf("a\\\"b\\\\c\\n\\t\\r/\\u0008\\u000c\\u0001\\u001f\\u007f\xc3\xa4",
                                 "a\\\"b\\\\c\\n\\t\\r\\/\\b\\f\\u0001\\u001f\\u007f\xc3\xa4"));
}

TEST_F(FailedStart, KeepsAReportWithinAPacketOfPodman) {
    // What one escape is made of may not be torn. The text is longer than what fits, by any length.
    for (const std::string byte : {"x", "\\x01", "\\\\", "\\n"}) {
        for (const int lead : {0, 1, 2, 3, 4, 5}) {
            fs::remove(root_ / "monitor.pid");
            std::string commands = "write 2 " + std::string(static_cast<std::size_t>(lead), 'y');
            for (int i = 0; i < 4200; ++i) commands += byte;
            const std::string text = report(commands + "\nexit 1", create());
            EXPECT_LE(text.size(), 4096U);
            EXPECT_GT(text.size(), 4080U);
            const std::string inside = message_of(text);
            const std::size_t unit = byte == "x" ? 1 : byte == "\\x01" ? 6 : 2;
            EXPECT_EQ((inside.size() - static_cast<std::size_t>(lead)) % unit, 0U) << byte;
        }
    }
}

TEST_F(FailedStart, IsNotHeldUpByARuntimeThatFillsItsErrors) {
    const std::string text = message("fill 2 3000000\nexit 1");
    EXPECT_EQ(text, std::string(text.size(), 'x'));
    EXPECT_GT(text.size(), 4000U);
}

TEST_F(FailedStart, IsNotHeldUpByWhatTheRuntimeLeavesBehind) {
    make_fifo("hold");
    script("holder", "wait hold");
    for (const std::string words : {"", "write 2 words\n"}) {
        script("runtime", words + "spawn holder\nexit 1");
        fs::remove(root_ / "monitor.pid");
        EXPECT_THAT(report_of(create()), StartsWith("{\"data\": -1"));
        open_fifo("hold");
        EXPECT_EQ(monitor_ends(), 1);
    }
}

TEST_F(FailedStart, LeavesNoConsoleSocket) {
    Words arguments = create();
    arguments.emplace_back("-t");
    EXPECT_EQ(message_of(report("write 2 words\nexit 1", arguments)), "words"); // TearDown looks into the directory
}

TEST_F(FailedStart, LeavesNoLinkToTheBundle) {
    Words arguments = without(create(), "--full-attach");
    arguments.insert(arguments.end(), {"--socket-dir-path", sockets_});
    EXPECT_EQ(message_of(report("write 2 words\nexit 1", arguments)), "words");
}

TEST_F(FailedStart, StillRunsTheExitCommand) {
    Words arguments = create();
    arguments.insert(arguments.end(), {"--exit-command", "/bin/touch", "--exit-command-arg", root_ / "cleaned"});
    EXPECT_EQ(message_of(report("write 2 words\nexit 1", arguments)), "words");
    EXPECT_TRUE(fs::exists(root_ / "cleaned"));
}

TEST_F(FailedStart, OfARuntimeWithAttachedClientsEndsThem) {
    make_fifo("go");
    script("runtime", "wait go\nwrite 2 words\nexit 1");
    Channel sync = Channel::to_us();
    Launch call{.arguments = create()};
    const Monitor monitor = launch(call.with("_OCI_SYNCPIPE", sync));
    ASSERT_TRUE(await([&] { return fs::exists(bundle_ / "attach"); }));
    AttachClient client(bundle_);
    open_fifo("go");
    EXPECT_EQ(message_of(sync.line()), "words");
    (void)client.rest_of('\2');
    EXPECT_EQ(monitor_ends(), 1);
}

TEST_F(FailedStart, DoesNotIncludeWordsOfARuntimeThatSucceeds) {
    script("runtime", "write 2 a warning\\n\ncontainer\npidfile");
    container("write 2 of the container\\n");
    EXPECT_EQ(completes(create()), 0);
    EXPECT_EQ(logged("stderr"), "a warning\nof the container\n");
}

TEST_F(FailedStart, DoesNotComeFromARuntimeThatSaysMuchAndSucceeds) {
    script("runtime", "lines 2 30000 100\ncontainer\npidfile");
    EXPECT_EQ(completes(create()), 0);
    EXPECT_EQ(logged("stderr").size(), 30000U * 101);
}

class ConsoleSocket : public FailedStart {
protected:
    [[nodiscard]] Words with_terminal() const {
        Words arguments = create();
        arguments.emplace_back("-t");
        return arguments;
    }
};

TEST_F(ConsoleSocket, BringsTheTerminalWhoseLinesEndInCrLf) {
    container("write 1 out\\n\nwrite 2 err\\n");
    EXPECT_EQ(completes(with_terminal()), 0);
    EXPECT_EQ(logged("stdout"), "out\r\nerr\r\n");
    EXPECT_EQ(logged("stderr"), "");
}

TEST_F(ConsoleSocket, IsPrivateAndGoneOnceUsed) {
    make_fifo("go");
    make_fifo("end");
    script("runtime", "record call\nwait go\nconsole\ncontainer\npidfile");
    Channel sync = Channel::to_us();
    Launch call{.arguments = with_terminal()};
    const Monitor monitor = launch(call.with("_OCI_SYNCPIPE", sync));
    const Words argv = recorded("argv");
    const fs::path path = argv.at(argv.size() - 2);
    EXPECT_THAT(path, ::testing::ResultOf([](const fs::path& each) { return each.string(); },
                                          ::testing::MatchesRegex(".*/tmp/conmon-term\\.[A-Za-z0-9]{6}")));
    EXPECT_TRUE(fs::is_socket(path));
    EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_all);
    open_fifo("go");
    (void)sync.line();
    EXPECT_FALSE(fs::exists(path));
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(ConsoleSocket, WithoutATerminalIsAFailure) {
    EXPECT_EQ(message_of(report("spawn container\npidfile 1", with_terminal())), "Runtime did not set up terminal");
    kill_children();
}

TEST_F(ConsoleSocket, WithAConnectionThatBringsNothingIsAFailure) {
    EXPECT_THAT(report("connect\npidfile 1", with_terminal()), StartsWith("{\"data\": -1"));
}

TEST_F(ConsoleSocket, KeepsInputThatCameBeforeTheTerminal) {
    make_fifo("go");
    script("runtime", "wait go\nconsole\ncontainer\npidfile");
    container("line got\nsize size");
    const Monitor monitor = launch({.arguments = with_terminal()});
    ASSERT_TRUE(await([&] { return fs::exists(bundle_ / "attach"); }));
    const AttachClient client(bundle_);
    client.send("early\n");
    control("1 40 100\n");
    open_fifo("go");
    start();
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(content(root_ / "got"), "early\n");
    EXPECT_EQ(content(root_ / "size"), "40 100\n");
}

} // namespace
} // namespace ct::test
