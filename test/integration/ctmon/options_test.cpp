// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <array>
#include <fstream>

#include "monitor_fixture.hpp"

namespace ct::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

struct Answer {
    int status;
    std::string out;
    std::string err;
};

class Options : public MonitorTest {
protected:
    [[nodiscard]] Answer ask(Words arguments, Words environment = {}) const {
        Launch call;
        call.arguments = std::move(arguments);
        call.environment = std::move(environment);
        Monitor monitor = launch(std::move(call));
        const int status = monitor.foreground();
        return {status, monitor.out(), monitor.err()};
    }
    /// What is said about a refused call, all of it on standard error.
    [[nodiscard]] std::string refusal(Words arguments, Words environment = {}) const {
        const Answer answer = ask(std::move(arguments), std::move(environment));
        EXPECT_EQ(answer.status, 1);
        EXPECT_EQ(answer.out, "");
        EXPECT_FALSE(std::filesystem::exists(root_ / "monitor.pid")) << "a monitor was left";
        return answer.err;
    }
    [[nodiscard]] Words created_with(const Words& more) const {
        Words words = create();
        words.insert(words.end(), more.begin(), more.end());
        return words;
    }
};

TEST_F(Options, OfTheServerAreNotTakenForItsSocket) {
    const Answer help = ask({"serve", "--help"});
    EXPECT_EQ(help.status, 0);
    EXPECT_THAT(help.out, StartsWith("usage: ctmon serve SOCKET"));
    for (const Words& wrong : {Words{"serve"}, {"serve", "--socket"}, {"serve", ""}, {"serve", "one", "two"}}) {
        EXPECT_THAT(refusal(wrong), StartsWith("usage: ctmon serve SOCKET"));
    }
}

TEST_F(Options, EachThatTakesAValueAsksForIt) {
    const Words names{"--bundle",
                      "-b",
                      "--cid",
                      "-c",
                      "--conmon-pidfile",
                      "-P",
                      "--container-pidfile",
                      "-p",
                      "--pidfile",
                      "--cuuid",
                      "-u",
                      "--exec-process-spec",
                      "--exit-command",
                      "--exit-command-arg",
                      "--exit-delay",
                      "--exit-dir",
                      "--log-level",
                      "--log-path",
                      "-l",
                      "--log-size-max",
                      "--log-global-size-max",
                      "--log-tag",
                      "--log-label",
                      "--log-max-files",
                      "--log-allowlist-dir",
                      "--name",
                      "-n",
                      "--persist-dir",
                      "-0",
                      "--restore",
                      "--restore-arg",
                      "--runtime",
                      "-r",
                      "--runtime-arg",
                      "--runtime-opt",
                      "--sdnotify-socket",
                      "--socket-dir-path",
                      "--timeout",
                      "-T"};
    for (const std::string& name : names) {
        EXPECT_THAT(refusal({"--version", name}),
                    AllOf(StartsWith("conmon: option parsing failed: "), HasSubstr("Missing argument for " + name)));
        EXPECT_EQ(ask({name, "1", "--version"}).status, 0) << name;
    }
}

TEST_F(Options, EachFlagTakesNoValue) {
    const Words names{"--api-version",
                      "--exec",
                      "-e",
                      "--exec-attach",
                      "--full-attach",
                      "--leave-stdin-open",
                      "--no-container-partial-message",
                      "--log-rotate",
                      "--no-new-keyring",
                      "--no-pivot",
                      "--no-sync-log",
                      "--replace-listen-pid",
                      "--stdin",
                      "-i",
                      "--sync",
                      "--syslog",
                      "--systemd-cgroup",
                      "-s",
                      "--terminal",
                      "-t"};
    for (const std::string& name : names) EXPECT_EQ(ask({name, "--version"}).status, 0) << name;
}

TEST_F(Options, FlagsIgnoreAValueAfterAnEqualsSign) {
    EXPECT_THAT(ask({"--version=no"}).out, StartsWith("conmon version "));
}

TEST_F(Options, UnknownOnesAreRefused) {
    for (const std::string name : {"--nonsense", "--ci", "-x", "--nonsense=1"}) {
        const std::string known = name.substr(0, name.find('='));
        EXPECT_THAT(refusal({name, Cid}),
                    AllOf(StartsWith("conmon: option parsing failed: "), HasSubstr("Unknown option " + known)));
    }
    EXPECT_THAT(refusal({std::string("-c") + Cid}), StartsWith("conmon: option parsing failed: "));
}

TEST_F(Options, ShortOnesCanBeBundledAndTheLastTakesAValue) {
    Words arguments = without(create(), "-c");
    arguments.insert(arguments.end(), {"-ic", Cid});
    EXPECT_EQ(completes(arguments), 0);
    EXPECT_EQ(recorded("argv").back(), Cid);
}

TEST_F(Options, TheLastOfAScalarWins) {
    Words arguments{"-c", "another", "--cid=third", "--log-level=debug"};
    const Words rest = create();
    arguments.insert(arguments.end(), rest.begin(), rest.end());
    EXPECT_EQ(completes(arguments), 0);
    EXPECT_EQ(recorded("argv").back(), Cid);
    EXPECT_EQ(content(exits_ / Cid), "0");
}

TEST_F(Options, PositionalArgumentsAreIgnored) {
    Words arguments{"stray"};
    const Words rest = create();
    arguments.insert(arguments.end(), rest.begin(), rest.end());
    arguments.insert(arguments.end(), {"another", "--", "--nonsense", "-c", "wrong"});
    EXPECT_EQ(completes(arguments), 0);
    EXPECT_EQ(recorded("argv").back(), Cid);
}

TEST_F(Options, AnyValueOfApiVersionSelectsVersionOne) {
    Words arguments = without(create(), "--api-version");
    arguments.insert(arguments.end(), {"--api-version", "0"});
    EXPECT_EQ(completes(arguments), 0);
}

TEST_F(Options, IntegersAreReadAsInC) {
    for (const std::string value : {"0", "1", "0x10", "0X1f", "010", " 5", "\t5", "+5", "2147483647"}) {
        EXPECT_EQ(ask({"--timeout", value, "--version"}).status, 0) << value;
    }
    EXPECT_EQ(ask({"--timeout=-2147483648", "--exit-delay", "-1", "--version"}).status, 0);
    EXPECT_EQ(ask({"--log-size-max", "9223372036854775807", "--log-global-size-max=-9", "--version"}).status, 0);
    for (const std::string value : {"", "x", "5x", "5 ", "08", "1.5", "1e3", "- 1"}) {
        for (const std::string name : {"--timeout", "--log-size-max"}) {
            EXPECT_THAT(refusal({name + "=" + value}), AllOf(HasSubstr("Cannot parse integer value"), HasSubstr(name)));
        }
    }
}

TEST_F(Options, IntegersOutOfRangeAreToldApart) {
    for (const std::string value : {"2147483648", "-2147483649", "99999999999999999999"}) {
        for (const std::string name : {"--timeout", "--exit-delay", "--log-max-files"}) {
            EXPECT_THAT(refusal({name, value}), HasSubstr("out of range"));
        }
    }
    for (const std::string value : {"9223372036854775808", "-9223372036854775809"}) {
        for (const std::string name : {"--log-size-max", "--log-global-size-max"}) {
            EXPECT_THAT(refusal({name, value}), HasSubstr("out of range"));
        }
    }
}

TEST_F(Options, HelpNamesWhatEnginesLookFor) {
    for (const std::string name : {"-h", "-?", "--help", "--help-all"}) {
        const Answer answer = ask({name});
        EXPECT_EQ(answer.status, 0);
        EXPECT_EQ(answer.err, "");
        EXPECT_THAT(answer.out, AllOf(HasSubstr("--exec"), HasSubstr("journald"), HasSubstr("--log-global-size-max")));
    }
}

TEST_F(Options, VersionIsOneThatEnginesUnderstand) {
    // Also before all checks of what the options mean together.
    const Answer answer = ask({"--version", "--log-max-files", "-1"});
    EXPECT_EQ(answer.status, 0);
    EXPECT_EQ(answer.err, "");
    EXPECT_THAT(answer.out, MatchesRegex("conmon version [0-9]+\\.[0-9]+\\.[0-9]+[-+.0-9A-Za-z]*\ncommit: [^\n]*\n"));
    std::array<int, 3> version{};
    ASSERT_EQ(std::sscanf(answer.out.c_str(), "conmon version %d.%d.%d", &version[0], &version[1], &version[2]), 3);
    EXPECT_GE(version, (std::array{2, 2, 1}));
}

TEST_F(Options, ChecksComeInThisOrder) {
    const std::string fake = runtime();
    const std::vector<std::pair<Words, std::string>> steps{
        {{"--log-max-files", "-1", "--log-rotate"}, "log-max-files must be non-negative"},
        {{"--log-max-files", "0", "--log-rotate"}, "log-max-files must be at least 1 when log-rotate is enabled"},
        {{"--log-level", "nonsense", "--exec", "--restore", "x"}, "Container ID not provided. Use --cid"},
        {{"-c", Cid, "--log-level", "nonsense", "--exec", "--restore", "x"}, "No such log level nonsense"},
        {{"-c", Cid, "--exec", "--restore", "x", "--exec-attach"}, "restore"},
        {{"-c", Cid, "--exec-attach"}, "exec"},
        {{"-c", Cid, "--exec", "--exec-attach"}, "Attach can only be specified for a non-legacy exec session"},
        {{"-c", Cid}, "Container UUID not provided. Use --cuuid"},
        {{"-c", Cid, "--exec", "--api-version", "1"}, "Container UUID not provided. Use --cuuid"},
        {{"-c", Cid, "-u", Cid}, "Runtime path not provided. Use --runtime"},
        {{"-c", Cid, "--exec"}, "Runtime path not provided. Use --runtime"},
        {{"-c", Cid, "-u", Cid, "-r", "/nonsense", "--exec"}, "Runtime path /nonsense is not valid"},
        {{"-c", Cid, "-u", Cid, "-r", fake, "--exec", "--exit-delay", "-1"}, "--exec-process-spec"},
        {{"-c", Cid, "-u", Cid, "-r", fake, "--exit-delay", "-1"}, "elay"},
        {{"-c", Cid, "-u", Cid, "-r", fake}, "Log driver not provided. Use --log-path"},
        {{"-c", Cid, "-u", Cid, "-r", fake, "-l", "nonsense:x"}, "No such log driver nonsense"},
    };
    for (const auto& [arguments, text] : steps) {
        const bool early = text.starts_with("log-max") || text.starts_with("Container ID");
        EXPECT_THAT(refusal(arguments), AllOf(StartsWith(early ? "conmon: " : "[conmon:e]: "), HasSubstr(text)));
    }
}

TEST_F(Options, LevelsHaveManyNamesInAnyCase) {
    for (const std::string level : {"error", "fatal", "panic", "warn", "warning", "info", "debug", "trace", "ERROR"}) {
        EXPECT_THAT(refusal({"-c", Cid, "--log-level", level}), HasSubstr("Container UUID")) << level;
    }
    EXPECT_THAT(refusal({"-c", Cid, "--log-level", ""}), HasSubstr("No such log level"));
}

TEST_F(Options, ARuntimeThatCannotRunIsSeenOnlyLater) {
    Words arguments = without(create(), "-r");
    arguments.insert(arguments.end(), {"-r", "/tmp"});
    Channel sync = Channel::to_us();
    Launch call;
    call.arguments = arguments;
    Monitor monitor = launch(call.with("_OCI_SYNCPIPE", sync));
    EXPECT_EQ(monitor.foreground(), 0);
    EXPECT_THAT(sync.line(), StartsWith("{\"data\": -1"));
    EXPECT_EQ(monitor_ends(), 1);
}

TEST_F(Options, ARuntimeThatIsNotExecutableIsRefused) {
    std::ofstream(root_ / "program") << "#!/bin/sh\n";
    Words arguments = without(create(), "-r");
    arguments.insert(arguments.end(), {"-r", root_ / "program"});
    EXPECT_THAT(refusal(arguments), AllOf(HasSubstr("Runtime path " + (root_ / "program").string() + " is not valid"),
                                          HasSubstr("Permission denied")));
}

TEST_F(Options, NoPartialMessageWithoutTheJournalIsWarnedAbout) {
    Channel sync = Channel::to_us();
    Launch call;
    call.arguments = created_with({"--no-container-partial-message"});
    Monitor monitor = launch(call.with("_OCI_SYNCPIPE", sync));
    EXPECT_THAT(monitor.err(), AllOf(StartsWith("[conmon:w]: "), HasSubstr("no effect without journald log driver")));
    EXPECT_EQ(monitor.foreground(), 0);
    const std::string report = sync.line();
    EXPECT_EQ(report, "{\"data\": " + std::to_string(container_pid()) + "}\n");
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Options, WarningsKeepToTheLevel) {
    Launch call;
    call.arguments = created_with({"--no-container-partial-message", "--log-level", "error"});
    Monitor monitor = launch(call);
    EXPECT_EQ(monitor.err(), "");
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Options, PathsHaveDefaultsInTheCurrentDirectory) {
    Words arguments = without(without(create(), "-b"), "-p");
    Channel sync = Channel::to_us();
    Launch call;
    call.arguments = arguments;
    call.directory = bundle_;
    Monitor monitor = launch(call.with("_OCI_SYNCPIPE", sync));
    const std::string report = sync.line();
    EXPECT_EQ(report, "{\"data\": " + content(bundle_ / (std::string("pidfile-") + Cid)) + "}\n");
    EXPECT_THAT(recorded("argv"),
                AllOf(Contains(bundle_.string()), Contains((bundle_ / (std::string("pidfile-") + Cid)).string())));
    EXPECT_TRUE(std::filesystem::is_socket(bundle_ / "attach"));
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Options, PidfileIsAnOldNameOfContainerPidfile) {
    Words arguments = without(create(), "-p");
    arguments.insert(arguments.end(), {"--pidfile", root_ / "pidfile"});
    EXPECT_EQ(completes(arguments), 0);
}

class BadEnvironment : public Options {};

TEST_F(BadEnvironment, AStartPipeThatIsNoneIsRefusedInTheForeground) {
    for (const std::string value : {"nonsense", "3x", "99", "-1", "99999999999999"}) {
        EXPECT_THAT(refusal(create(), {"_OCI_STARTPIPE=" + value}), Not(IsEmpty())) << value;
        EXPECT_FALSE(std::filesystem::exists(root_ / "call")) << "the runtime was called";
    }
}

TEST_F(BadEnvironment, ASyncPipeThatIsNoneIsRefusedOnceDaemonised) {
    for (const std::string value : {"nonsense", "3x", "99999999999999"}) {
        EXPECT_THAT(refusal(created_with({"--sync"}), {"_OCI_SYNCPIPE=" + value}), Not(IsEmpty())) << value;
        EXPECT_FALSE(std::filesystem::exists(root_ / "call")) << "the runtime was called";
    }
    Launch call;
    call.arguments = create();
    call.environment = {"_OCI_SYNCPIPE=nonsense"};
    Monitor monitor = launch(call);
    EXPECT_EQ(monitor.foreground(), 0);
    EXPECT_EQ(monitor_ends(), 1);
}

TEST_F(BadEnvironment, AnAttachPipeIsNeededForExecAttach) {
    Words arguments = exec();
    arguments.insert(arguments.end(), {"--exec-attach", "--sync"});
    EXPECT_THAT(refusal(arguments), HasSubstr("--attach specified but _OCI_ATTACHPIPE was not"));
    EXPECT_FALSE(std::filesystem::exists(root_ / "call")) << "the runtime was called";
}

} // namespace
} // namespace ct::test
