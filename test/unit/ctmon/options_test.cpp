// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "options.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string_view>

#include <gtest/gtest.h>

namespace {

using ctmon::Level;
using ctmon::LogDrivers;
using ctmon::Mode;
using ctmon::Options;
using ctmon::Request;
using Arguments = std::vector<std::string>;

const std::string LongId = "0123456789abcdef";

Arguments operator+(Arguments a, const Arguments& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

/// The least that is taken. A directory can be "executed", which clients rely on.
Arguments least() {
    return {"-c", LongId, "-u", "session", "-r", "/tmp", "-l", "none"};
}
/// The same without a log.
Arguments unlogged() {
    return {"-c", LongId, "-u", "session", "-r", "/tmp"};
}

Options parse(const Arguments& more) {
    const Request request = ctmon::parse(least() + more);
    EXPECT_FALSE(request.answer);
    return request.options;
}

/// What is said of a command line that is refused; empty if it is not.
std::string refusal(const Arguments& arguments) {
    try {
        (void)ctmon::parse(arguments);
    } catch (const ctmon::Refused& refused) {
        return refused.what();
    }
    return "";
}
std::string more_refused(const Arguments& more) {
    return refusal(least() + more);
}

LogDrivers drivers(const Arguments& paths) {
    Arguments arguments = unlogged();
    for (const std::string& path : paths) arguments = arguments + Arguments{"-l", path};
    return ctmon::parse(arguments).options.log;
}
std::string drivers_refused(const std::string& path) {
    return refusal(unlogged() + Arguments{"--log-path", path});
}

TEST(CtmonOptions, TakesTheLeast) {
    const Options options = parse({});
    EXPECT_EQ(options.mode, Mode::Create);
    EXPECT_FALSE(options.api_version_1);
    EXPECT_EQ(options.cid, LongId);
    EXPECT_EQ(options.cuuid, "session");
    EXPECT_EQ(options.runtime, "/tmp");
    EXPECT_EQ(options.log, LogDrivers{});
    EXPECT_EQ(options.log_level, Level::Warning);
    EXPECT_EQ(options.socket_dir_path, "/var/run/crio");
    EXPECT_EQ(options.bundle, std::filesystem::current_path());
    EXPECT_EQ(options.container_pidfile, std::filesystem::current_path() / ("pidfile-" + LongId));
    EXPECT_EQ(options.log_size_max, -1);
    EXPECT_EQ(options.log_global_size_max, -1);
    EXPECT_EQ(options.log_max_files, 1);
}

TEST(CtmonOptions, PutsEachValueWhereItBelongs) {
    const Options options = parse({"-b",
                                   "B",
                                   "-P",
                                   "CP",
                                   "-p",
                                   "PP",
                                   "-n",
                                   "N",
                                   "-0",
                                   "PD",
                                   "-T",
                                   "7",
                                   "--exit-command",
                                   "E",
                                   "--exit-delay",
                                   "3",
                                   "--exit-dir",
                                   "ED",
                                   "--log-tag",
                                   "LT",
                                   "--log-size-max",
                                   "8589934592",
                                   "--log-global-size-max",
                                   "11",
                                   "--log-max-files",
                                   "4",
                                   "--sdnotify-socket",
                                   "SN",
                                   "--socket-dir-path",
                                   "SD"});
    EXPECT_EQ(options.bundle, "B");
    EXPECT_EQ(options.conmon_pidfile, "CP");
    EXPECT_EQ(options.container_pidfile, "PP");
    EXPECT_EQ(options.name, "N");
    EXPECT_EQ(options.persist_dir, "PD");
    EXPECT_EQ(options.timeout, 7);
    EXPECT_EQ(options.exit_command, "E");
    EXPECT_EQ(options.exit_delay, 3);
    EXPECT_EQ(options.exit_dir, "ED");
    EXPECT_EQ(options.log_tag, "LT");
    EXPECT_EQ(options.log_size_max, 8589934592);
    EXPECT_EQ(options.log_global_size_max, 11);
    EXPECT_EQ(options.log_max_files, 4);
    EXPECT_EQ(options.sdnotify_socket, "SN");
    EXPECT_EQ(options.socket_dir_path, "SD");
    EXPECT_EQ(parse({"--pidfile", "old"}).container_pidfile, "old");
}

TEST(CtmonOptions, SetsEachFlagAlone) {
    const std::vector<std::pair<std::string, bool Options::*>> flags{
        {"--api-version", &Options::api_version_1},
        {"--full-attach", &Options::full_attach},
        {"--leave-stdin-open", &Options::leave_stdin_open},
        {"--log-rotate", &Options::log_rotate},
        {"--no-container-partial-message", &Options::no_partial_message},
        {"--no-new-keyring", &Options::no_new_keyring},
        {"--no-pivot", &Options::no_pivot},
        {"--no-sync-log", &Options::no_sync_log},
        {"--replace-listen-pid", &Options::replace_listen_pid},
        {"--stdin", &Options::stdin_open},
        {"-i", &Options::stdin_open},
        {"--sync", &Options::sync},
        {"--syslog", &Options::syslog},
        {"--systemd-cgroup", &Options::systemd_cgroup},
        {"-s", &Options::systemd_cgroup},
        {"--terminal", &Options::terminal},
        {"-t", &Options::terminal},
    };
    for (const auto& [name, flag] : flags) {
        const Options set = parse({name});
        for (const auto& [other, member] : flags) {
            EXPECT_EQ(set.*member, member == flag) << name << " and " << other;
        }
    }
}

TEST(CtmonOptions, AccumulatesListsInOrder) {
    const Options options = parse({"--runtime-arg", "a", "--runtime-opt", "c", "--runtime-arg=b", "--restore-arg", "d",
                                   "--exit-command-arg", "--", "--exit-command-arg=-x=y", "--exit-command-arg", ""});
    EXPECT_EQ(options.runtime_args, (Arguments{"a", "b"}));
    EXPECT_EQ(options.runtime_opts, (Arguments{"c", "d"}));
    EXPECT_EQ(options.exit_command_args, (Arguments{"--", "-x=y", ""}));
}

TEST(CtmonOptions, LetsTheLastOfScalarsWin) {
    EXPECT_EQ(parse({"--name", "a", "-n", "b", "--name=c"}).name, "c");
    EXPECT_EQ(parse({"-T", "1", "--timeout=2"}).timeout, 2);
    EXPECT_EQ(parse({"-p", "a", "--pidfile", "b"}).container_pidfile, "b");
}

TEST(CtmonOptions, IgnoresWhatIsNoOption) {
    EXPECT_TRUE(parse({"--api-version", "0"}).api_version_1);
    EXPECT_TRUE(parse({"stray", "-", "", "--sync", "x"}).sync);
    const Options options = parse({"--stdin=no", "--", "--sync", "--unknown", "-n", "x"});
    EXPECT_TRUE(options.stdin_open);
    EXPECT_FALSE(options.sync);
    EXPECT_EQ(options.name, "");
    EXPECT_EQ(more_refused({"--seccomp-notify-socket", "-x", "--seccomp-notify-plugins=y"}), "");
}

TEST(CtmonOptions, UnbundlesLetters) {
    const Options options = parse({"-itn", "last", "-sT", "5", "-Pi", "inner"});
    EXPECT_TRUE(options.stdin_open && options.terminal && options.systemd_cgroup);
    EXPECT_EQ(options.name, "last");
    EXPECT_EQ(options.timeout, 5);
    EXPECT_EQ(options.conmon_pidfile, "inner");
    EXPECT_EQ(parse({"-n", "-e"}).name, "-e");
}

TEST(CtmonOptions, RefusesBadSyntax) {
    const std::string prefix = "conmon: option parsing failed: ";
    EXPECT_EQ(more_refused({"--x"}), prefix + "Unknown option --x");
    EXPECT_EQ(more_refused({"--ci", "x"}), prefix + "Unknown option --ci");
    EXPECT_EQ(more_refused({"--ci=x"}), prefix + "Unknown option --ci=x");
    EXPECT_EQ(more_refused({"--=x"}), prefix + "Unknown option --=x");
    EXPECT_EQ(more_refused({"---"}), prefix + "Unknown option ---");
    EXPECT_EQ(more_refused({"-ix"}), prefix + "Unknown option -ix");
    EXPECT_EQ(more_refused({"-i=x"}), prefix + "Unknown option -i=x");
    EXPECT_EQ(more_refused({"-c"}), prefix + "Missing argument for -c");
    EXPECT_EQ(more_refused({"-ic"}), prefix + "Missing argument for -c");
    EXPECT_EQ(more_refused({"--cid"}), prefix + "Missing argument for --cid");
    EXPECT_EQ(more_refused({"-cfoo", "x"}), prefix + "Unknown option -cfoo");
    EXPECT_EQ(more_refused({"-cT", "5"}), prefix + "Error parsing option -T");
}

TEST(CtmonOptions, ReadsIntegersAsTheClientsWriteThem) {
    const std::vector<std::pair<std::string, int>> good{{"10", 10},
                                                        {"0x1F", 31},
                                                        {"010", 8},
                                                        {" \t7", 7},
                                                        {"+5", 5},
                                                        {"-3", -3},
                                                        {"-0x2", -2},
                                                        {"0", 0},
                                                        {"2147483647", 2147483647},
                                                        {"-2147483648", -2147483647 - 1}};
    for (const auto& [text, value] : good) EXPECT_EQ(parse({"-T", text}).timeout, value) << text;
    for (const std::string bad : {"", " ", "x", "1x", "1 ", "0x", "09", "1.5", "--1", "1e3"}) {
        EXPECT_EQ(more_refused({"--timeout", bad}),
                  "conmon: option parsing failed: Cannot parse integer value '" + bad + "' for --timeout");
    }
    for (const std::string big : {"2147483648", "-2147483649", "99999999999999999999", "-99999999999999999999"}) {
        EXPECT_EQ(more_refused({"-T", big}),
                  "conmon: option parsing failed: Integer value '" + big + "' for -T out of range");
    }
    EXPECT_EQ(parse({"--log-size-max=9223372036854775807"}).log_size_max, INT64_MAX);
    EXPECT_EQ(parse({"--log-size-max", "-9223372036854775808"}).log_size_max, INT64_MIN);
    EXPECT_TRUE(more_refused({"--log-size-max=9223372036854775808"}).ends_with(" out of range"));
}

TEST(CtmonOptions, ShowsTheVersionBeforeAnyCheck) {
    const Request request = ctmon::parse({"--log-max-files", "-1", "--version"});
    ASSERT_TRUE(request.answer);
    const std::string& text = request.answer->text;
    EXPECT_TRUE(text.starts_with("conmon version 2.2.1\ncommit: libct ")) << text;
    EXPECT_TRUE(text.ends_with("\n"));
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
    EXPECT_NE(refusal({"--version", "--x"}), "") << "syntax comes first";
}

TEST(CtmonOptions, ShowsHowItIsUsed) {
    for (const std::string how : {"-h", "-?", "--help", "--help-all", "-ih"}) {
        const Request request = ctmon::parse({how, "--unknown"});
        ASSERT_TRUE(request.answer) << how;
        const std::string& text = request.answer->text;
        for (const std::string_view word : {"--exec ", "journald", "--log-global-size-max", "-0, --persist-dir"}) {
            EXPECT_NE(text.find(word), std::string::npos) << word;
        }
        for (const std::string_view word : {"--pidfile", "restore-arg", "seccomp"}) {
            EXPECT_EQ(text.find(word), std::string::npos) << word;
        }
    }
}

/// Each command line has what is wrong in all later ones, too.
TEST(CtmonOptions, ChecksInOrder) {
    Arguments bad{"--exit-delay", "-1"};
    const auto refused = [&](const Arguments& more) { return refusal(bad + more); };
    EXPECT_EQ(refused({"--log-max-files", "-1", "--log-rotate"}), "conmon: log-max-files must be non-negative");
    EXPECT_EQ(refused({"--log-max-files", "0", "--log-rotate"}),
              "conmon: log-max-files must be at least 1 when log-rotate is enabled");
    EXPECT_EQ(refused({"--log-level", "loud"}), "conmon: Container ID not provided. Use --cid");
    EXPECT_EQ(refused({"-c", ""}), "conmon: Container ID not provided. Use --cid");
    bad = bad + Arguments{"-c", "id"};
    EXPECT_EQ(refused({"--log-level", "loud", "-e", "--restore", "x"}), "[conmon:e]: No such log level loud");
    EXPECT_EQ(refused({"-e", "--restore", "x", "--exec-attach"}),
              "[conmon:e]: Cannot use 'exec' and 'restore' at the same time");
    EXPECT_EQ(refused({"--exec-attach"}), "[conmon:e]: Attach can only be specified with exec");
    EXPECT_EQ(refused({"-e", "--exec-attach"}),
              "[conmon:e]: Attach can only be specified for a non-legacy exec session");
    EXPECT_EQ(refused({}), "[conmon:e]: Container UUID not provided. Use --cuuid");
    EXPECT_EQ(refused({"-e", "--api-version"}), "[conmon:e]: Container UUID not provided. Use --cuuid");
    EXPECT_EQ(refused({"-e"}), "[conmon:e]: Runtime path not provided. Use --runtime");
    bad = bad + Arguments{"-u", "x"};
    EXPECT_EQ(refused({}), "[conmon:e]: Runtime path not provided. Use --runtime");
    EXPECT_EQ(refused({"-e", "-r", "/missing"}),
              "[conmon:e]: Runtime path /missing is not valid: No such file or directory");
    bad = bad + Arguments{"-r", "/tmp"};
    EXPECT_EQ(refused({"-e"}), "[conmon:e]: Exec process spec path not provided. Use --exec-process-spec");
    EXPECT_EQ(refused({}), "[conmon:e]: Delay before invoking exit command must be greater than or equal to 0");
    EXPECT_EQ(refused({"--exit-delay", "0"}), "[conmon:e]: Log driver not provided. Use --log-path");
}

TEST(CtmonOptions, RefusesARuntimeThatCannotBeExecuted) {
    EXPECT_EQ(more_refused({"-r", "/proc/self/status"}),
              "[conmon:e]: Runtime path /proc/self/status is not valid: Permission denied");
}

TEST(CtmonOptions, KnowsTheLevels) {
    const std::vector<std::pair<std::string, Level>> levels{
        {"error", Level::Error},     {"fatal", Level::Error}, {"panic", Level::Error}, {"warn", Level::Warning},
        {"WARNING", Level::Warning}, {"Info", Level::Info},   {"debug", Level::Debug}, {"trace", Level::Trace}};
    for (const auto& [name, level] : levels) EXPECT_EQ(parse({"--log-level", name}).log_level, level) << name;
}

TEST(CtmonOptions, TellsExecAndRestore) {
    const Options exec = parse({"--exec", "--exec-process-spec", "S"});
    EXPECT_EQ(exec.mode, Mode::Exec);
    EXPECT_EQ(exec.exec_process_spec, "S");
    EXPECT_EQ(exec.bundle, "") << "there is none, unless it is given";
    EXPECT_EQ(exec.container_pidfile, std::filesystem::current_path() / ("pidfile-" + LongId));
    EXPECT_EQ(parse({"-e", "--exec-process-spec", "S", "-b", "B"}).bundle, "B");
    EXPECT_TRUE(parse({"-e", "--exec-process-spec", "S", "--exec-attach", "--api-version", "1"}).exec_attach);
    const Options restored = parse({"--restore", "C"});
    EXPECT_EQ(restored.mode, Mode::Restore);
    EXPECT_EQ(restored.restore, "C");
    EXPECT_EQ(parse({"--restore="}).mode, Mode::Restore) << "never a new container instead of the old one";
}

TEST(CtmonOptions, NeedsNoSessionForAnOldExec) {
    EXPECT_EQ(refusal({"-e", "--exec-process-spec", "S", "-c", "id", "-r", "/tmp", "-l", "none"}), "");
}

TEST(CtmonLogDrivers, AreUnited) {
    for (const std::string none : {"none", "off", "null", "none:", "off:x", "null:/x", ":none:x"}) {
        EXPECT_EQ(drivers({none}), LogDrivers{}) << none;
    }
    for (const std::string journal : {"journald", "journald:", "journald:/x", ":journald:x"}) {
        EXPECT_EQ(drivers({journal}), LogDrivers{.journald = true}) << journal;
    }
    EXPECT_EQ(drivers({"passthrough:x"}), LogDrivers{.passthrough = true});
    EXPECT_EQ(drivers({"k8s-file:/a", "none", "journald", "k8s-file:/b"}),
              (LogDrivers{.journald = true, .file = "/b"}));
}

TEST(CtmonLogDrivers, TakePathsUpToTheirFirstColon) {
    const std::vector<std::pair<std::string, std::string>> files{
        {"k8s-file:/a:b", "/a"}, {"k8s-file::/a", "/a"}, {":journald", "journald"}, {"::x:", "x"},
        {"/a/b", "/a/b"},        {"name", "name"},       {"k8s-file:none", "none"}};
    for (const auto& [text, file] : files) EXPECT_EQ(drivers({text}), LogDrivers{.file = file}) << text;
}

TEST(CtmonLogDrivers, RefuseWhatIsNone) {
    for (const std::string text : {"", ":", ":::"}) {
        EXPECT_EQ(drivers_refused(text), "[conmon:e]: log-path must not be empty") << text;
    }
    for (const std::string text : {"k8s-file", "k8s-file:", "k8s-file::"}) {
        EXPECT_EQ(drivers_refused(text), "[conmon:e]: k8s-file requires a filename") << text;
    }
    EXPECT_EQ(drivers_refused("json-file:/x"), "[conmon:e]: No such log driver json-file");
    EXPECT_EQ(drivers_refused("/a:b"), "[conmon:e]: No such log driver /a");
    EXPECT_EQ(drivers_refused("x:"), "[conmon:e]: No such log driver x");
    EXPECT_NE(more_refused({"-l", "/fine", "-l", "x:y"}), "") << "one bad one refuses all";
}

TEST(CtmonLogDrivers, HaveTagsAndLabelsInTheJournalOnly) {
    const Arguments file{"-l", "/x"};
    EXPECT_EQ(more_refused(file + Arguments{"--log-tag", "t"}), "[conmon:e]: k8s-file doesn't support --log-tag");
    EXPECT_EQ(more_refused(file + Arguments{"--log-label", "A=b"}), "[conmon:e]: k8s-file doesn't support --log-label");
    EXPECT_EQ(more_refused(file + Arguments{"--log-tag", "t", "--log-label", "A=b", "-l", "journald"}), "");
    EXPECT_EQ(parse({"--log-tag", "t", "--log-label", "bad"}).log_labels.size(), 0) << "ignored, as the tag is";
    EXPECT_EQ(more_refused({"-l", "passthrough", "--log-tag", "t"}), "");
}

TEST(CtmonLogDrivers, NeedALongIdForTheJournal) {
    EXPECT_EQ(more_refused({"-l", "journald", "-c", "0123456789ab"}),
              "[conmon:e]: Container ID must be longer than 12 characters");
    EXPECT_EQ(more_refused({"-l", "journald", "-c", "0123456789abc"}), "");
}

TEST(CtmonLogDrivers, CheckLabels) {
    const Options options = parse({"-l", "journald", "--log-label", "A_1=b c", "--log-label=EMPTY="});
    EXPECT_EQ(options.log_labels, (std::vector<std::pair<std::string, std::string>>{{"A_1", "b c"}, {"EMPTY", ""}}));
    for (const std::string bad : {"", "A", "=b", "A=b=c", "="}) {
        EXPECT_TRUE(more_refused({"-l", "journald", "--log-label", bad})
                        .starts_with("[conmon:e]: Container labels must be in format LABEL=VALUE"))
            << bad;
    }
    for (const std::string bad : {"a=b", "A B=c", "A-B=c", "\xc3\x84=c"}) {
        EXPECT_TRUE(more_refused({"-l", "journald", "--log-label", bad})
                        .starts_with("[conmon:e]: Container label names must contain only uppercase letters, numbers "
                                     "and underscore"))
            << bad;
    }
}

TEST(CtmonLogDrivers, WarnOfAMarkThatNobodyMakes) {
    const Arguments flag{"--no-container-partial-message"};
    const std::vector<std::string> warnings = ctmon::parse(least() + flag).warnings;
    ASSERT_EQ(warnings.size(), 1U);
    EXPECT_NE(warnings[0].find("no effect without journald log driver"), std::string::npos);
    EXPECT_TRUE(ctmon::parse(least() + flag + Arguments{"-l", "journald"}).warnings.empty());
    EXPECT_TRUE(ctmon::parse(least()).warnings.empty());
}

class AllowedLogs : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = std::filesystem::temp_directory_path() / "ctmon-options-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        dir_ = name;
        for (const char* const made : {"logs/below", "logs-too", "else"}) std::filesystem::create_directories(at(made));
    }
    void TearDown() override { std::filesystem::remove_all(dir_); }

    [[nodiscard]] std::string at(const std::string& name) const { return dir_ / name; }
    [[nodiscard]] bool is_allowed(const std::string& name) const {
        Options options;
        options.log_allowlist_dirs = {at("missing"), at("logs")};
        return ctmon::is_allowed(options, at(name));
    }

    std::filesystem::path dir_;
};

TEST_F(AllowedLogs, AreAllWithoutAList) {
    EXPECT_TRUE(ctmon::is_allowed(Options{}, "/anywhere"));
}

TEST_F(AllowedLogs, AreInADirectoryOrBelow) {
    EXPECT_TRUE(is_allowed("logs/x"));
    EXPECT_TRUE(is_allowed("logs/below/x"));
    EXPECT_TRUE(is_allowed("else/../logs/x"));
    EXPECT_FALSE(is_allowed("else/x"));
    EXPECT_FALSE(is_allowed("logs-too/x")) << "a name that begins like the other";
    EXPECT_FALSE(is_allowed("logs/../else/x"));
    EXPECT_FALSE(is_allowed("logs/missing/x"));
    EXPECT_FALSE(is_allowed("missing/x"));
}

TEST_F(AllowedLogs, AreWhereLinksLead) {
    std::filesystem::create_symlink("../else", at("logs/dir"));
    std::filesystem::create_symlink("logs", at("alias"));
    std::filesystem::create_symlink("../else/new", at("logs/dangling"));
    std::filesystem::create_symlink("../else/old", at("logs/out"));
    std::filesystem::create_symlink("../logs/old", at("else/in"));
    std::ofstream(at("else/old")).close();
    std::ofstream(at("logs/old")).close();
    EXPECT_FALSE(is_allowed("logs/dir/x"));
    EXPECT_TRUE(is_allowed("alias/x"));
    EXPECT_FALSE(is_allowed("logs/dangling")) << "it would be made elsewhere";
    EXPECT_FALSE(is_allowed("logs/out"));
    EXPECT_TRUE(is_allowed("else/in"));
    EXPECT_TRUE(is_allowed("logs/old"));
}

TEST_F(AllowedLogs, AreAllBelowTheRoot) {
    Options options;
    options.log_allowlist_dirs = {"/"};
    EXPECT_TRUE(ctmon::is_allowed(options, at("else/x")));
    EXPECT_TRUE(ctmon::is_allowed(options, "/x"));
    options.log_allowlist_dirs = {"."};
    EXPECT_TRUE(ctmon::is_allowed(options, "x")) << "a path without a slash is of the current directory";
}

TEST_F(AllowedLogs, AreCheckedWithTheCommandLine) {
    const Arguments list{"--log-allowlist-dir", at("logs")};
    EXPECT_EQ(more_refused(list + Arguments{"-l", at("logs/x")}), "");
    EXPECT_EQ(more_refused(list), "") << "no file, nothing to allow";
    EXPECT_EQ(more_refused(list + Arguments{"-l", at("else/x")}),
              "[conmon:e]: Log path " + at("else/x") + " is not in a directory of --log-allowlist-dir");
}

} // namespace
