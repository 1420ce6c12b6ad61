// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Containers in the background whose output is logged, and `ctrun logs`.
#include <sys/stat.h>

#include <fstream>

#include "ctrun_follow_fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

using CtrunLogsTest = CtrunFollowTest;

TEST_F(CtrunLogsTest, EachDriverIsReadBack) {
    for (const char* driver : {"k8s-file", "json-file", "plain"}) {
        make_fifo();
        const Said run = run_detached("echo one; echo two >&2; printf 'thr'; sleep 0.1; echo ee; read x </data/go",
                                      {"--log", log(driver)});
        EXPECT_EQ(run.status, 0) << run;
        EXPECT_EQ(run.out, "box\n") << run;
        await_content("ee");
        const Said said = ctrun({"logs", "box"});
        EXPECT_EQ(said.status, 0) << said;
        const bool plain = std::string_view(driver) == "plain";
        if (plain) { // it has both streams, in the order in which they were read
            for (const char* line : {"one\n", "two\n", "three\n"}) EXPECT_TRUE(contains(said.out, line)) << said;
        } else {
            EXPECT_EQ(said.out, "one\nthree\n") << said;
            EXPECT_EQ(said.err, "two\n") << said;
        }
        go();
        reap();
        EXPECT_EQ(ctrun({"list", "--json"}).out, "[]\n") << "it was not saved";
        const Said gone = ctrun({"logs", "box"});
        EXPECT_EQ(gone.status, 125) << gone;
        EXPECT_TRUE(contains(gone.err, "no such container")) << gone;
        EXPECT_EQ(ctrun({"logs", "--log", log(driver), "box"}).out, said.out);
        fs::remove(log_path());
        fs::remove(root() / "data/go");
    }
}

TEST_F(CtrunLogsTest, OfASavedContainerIsReadAfterItsEnd) {
    ctrun({"create", "box", "--root", root().string(), "--new", "mount,pid", "--default-mounts", "--", "/bin/sh", "-c",
           "echo hello; exit 4"});
    Said said = ctrun({"logs", "box"});
    EXPECT_EQ(said.status, 125);
    EXPECT_TRUE(contains(said.err, "it was never started")) << said;
    said = ctrun({"start", "box", "--log", log()});
    EXPECT_EQ(said.status, 0) << said;
    EXPECT_EQ(ctrun({"logs", "-f", "box"}).out, "hello\n");
    reap();
    EXPECT_EQ(ctrun({"logs", "box"}).out, "hello\n");
    EXPECT_EQ(json_value(ctrun({"list", "--json"}).out, "code"), "4") << "who has started it knows how it ended";
    ctrun({"start", "box"});
    EXPECT_TRUE(contains(ctrun({"logs", "box"}).err, "its output is not logged"));
}

TEST_F(CtrunLogsTest, AFailedStartLeavesNothing) {
    Said said = run_detached("true", {"--log", log(), "--bind", "/nowhere:/data"});
    EXPECT_EQ(said.status, 125) << said;
    EXPECT_TRUE(contains(said.err, "/nowhere")) << said;
    EXPECT_EQ(said.out, "");
    said = ctrun({"run", "-d", "--name", "box", "--log", log(), "--", "/no/such/program"});
    EXPECT_EQ(said.status, 127) << said;
    said = ctrun({"run", "-d", "--name", "box", "--log", "k8s-file:/no/such/log", "--", "true"});
    EXPECT_EQ(said.status, 125) << said;
    EXPECT_TRUE(contains(said.err, "open the log")) << said;
    EXPECT_FALSE(fs::exists(log_path()));
    reap();
    EXPECT_EQ(ctrun({"list", "--json"}).out, "[]\n");
    if (fs::exists("/run/systemd/journal/socket")) return;
    said = run_detached("true", {"--log", "journald"});
    EXPECT_EQ(said.status, 125) << said;
    EXPECT_TRUE(contains(said.err, "nobody serves it")) << said;
}

TEST_F(CtrunLogsTest, AJournalIsReadBack) {
    const char* const journald = "/lib/systemd/systemd-journald";
    if (!fs::exists(journald)) GTEST_SKIP() << "systemd is not installed";
    if (!fs::exists("/etc/machine-id") || fs::is_empty("/etc/machine-id")) GTEST_SKIP() << "it has no machine id";
    // With a /run of its own, which nobody else sees.
    const fs::path script = make_file("journal", R"sh(
        mount --make-rprivate / && mount -t tmpfs test /run && mkdir -p /run/systemd/journal /run/log || exit 77
        $1 & journald=$!
        while ! [ -S /run/systemd/journal/socket ]; do kill -0 $journald || exit 77; done
        $2 run -d --name box --log journald --new pid -- \
            /bin/sh -c 'echo one; echo two >&2; printf thr; sleep 0.2; echo ee'
        $2 logs -f box
        while [ "$($2 list --json)" != "[]" ]; do :; done
        until $2 logs --log journald box | grep -q three; do :; done # it writes a moment later
        echo again
        $2 logs --log journald --tail 2 --since 1h box
        kill $journald
        wait $journald
    )sh");
    auto [read_end, write_end] = pipe();
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::dup2(write_end.get(), STDOUT_FILENO);
        ::setenv("XDG_RUNTIME_DIR", runtime().c_str(), 1);
        ::execl("/usr/bin/unshare", "unshare", "--mount", "/bin/sh", script.c_str(), journald, program_path().c_str(),
                nullptr);
        ::_exit(99);
    }
    write_end.close();
    const std::string out = read_all(read_end.get());
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no journal can run here";
    EXPECT_TRUE(contains(out, "again\n")) << out;
    const std::string again = out.substr(out.find("again\n"));
    EXPECT_TRUE(contains(again, "three\n")) << out;
    reap();
}

TEST_F(CtrunLogsTest, SinceTailAndTimestamps) {
    const std::string file = make_file("log", "2024-02-29T10:00:01Z stdout F one\n"
                                              "2024-02-29T10:00:02+01:00 stdout P t\n"
                                              "2024-02-29T10:00:03Z stdout F wo\n"
                                              "2024-02-29T10:00:04.5Z stdout F three\n");
    const auto shown = [&](const Words& options) {
        Words words{"logs", "--log", "k8s-file:" + file, "any"};
        words.insert(words.end(), options.begin(), options.end());
        const Said said = ctrun(words);
        return said.status == 0 ? said.out : said.err;
    };
    EXPECT_EQ(shown({}), "one\ntwo\nthree\n");
    EXPECT_EQ(shown({"--tail", "2"}), "two\nthree\n");
    EXPECT_EQ(shown({"--tail", "0"}), "");
    EXPECT_EQ(shown({"--since", "2024-02-29T10:00:03Z"}), "wo\nthree\n");
    EXPECT_EQ(shown({"--since", "2024-02-29T11:00:04+01:00"}), "three\n");
    EXPECT_EQ(shown({"--since", "10m"}), "");
    EXPECT_EQ(shown({"--since", "10000d", "--tail", "1", "-t"}), "2024-02-29T10:00:04.500000000Z three\n");
    EXPECT_EQ(shown({"--timestamps", "--tail", "2"}),
              "2024-02-29T09:00:02.000000000Z two\n2024-02-29T10:00:04.500000000Z three\n");
    for (const char* wrong : {"", "m", "10x", "10m5", "-10m", "2024-02-30T10:00:03Z", "99999999999999999999s"})
        EXPECT_TRUE(contains(shown({"--since", wrong}), "--since")) << wrong;
    EXPECT_TRUE(contains(shown({"--tail", "all"}), "--tail"));
    EXPECT_TRUE(contains(ctrun({"logs", "--since", "1h", "--log", "plain:" + file, "x"}).err, "it has no times"));
    EXPECT_TRUE(contains(ctrun({"logs", "--log", "syslog", "x"}).err, "the system log cannot be read back"));
    EXPECT_TRUE(contains(ctrun({"logs", "--log", file, "x"}).err, "is no log that can be read"));
}

TEST_F(CtrunLogsTest, TwoFollowersSeeEverythingAcrossRotations) {
    make_fifo();
    make_fifo("on");
    // The output is as long as ten files; of these all are kept.
    const Said run = run_detached("read x </data/go; seq 1 2000; read x </data/on; seq 2001 4000",
                                  {"--log", log(), "--log-rotate", "16K:20"});
    ASSERT_EQ(run.status, 0) << run;
    Ctrun first = start({"logs", "-f", "box"});
    Ctrun second = start({"logs", "-f", "box"});
    go();
    for (const Ctrun* follower : {&first, &second}) {
        std::string seen;
        EXPECT_TRUE(read_until(follower->out.get(), seen, "\n2000\n"));
    }
    Ctrun third = start({"logs", "--follow", "--tail", "3", "box"});
    std::string tail;
    EXPECT_TRUE(read_until(third.out.get(), tail, "2000\n"));
    go("on");
    std::string expected;
    for (int i = 2001; i <= 4000; ++i) expected += std::to_string(i) + "\n";
    for (Ctrun* follower : {&first, &second, &third}) {
        const Said said = finish(*follower);
        EXPECT_EQ(said.status, 0) << said.err;
        EXPECT_EQ(said.err, "");
        EXPECT_TRUE(said.out == expected) << said.out.size() << " bytes";
    }
    EXPECT_EQ(tail, "1998\n1999\n2000\n");
    EXPECT_TRUE(fs::exists(log_path() + ".5"));
    reap();
    EXPECT_EQ(lines(ctrun({"logs", "--log", log(), "box"}).out).size(), 4000U);
    EXPECT_EQ(ctrun({"logs", "--tail", "1500", "--log", log(), "box"}).out, expected.substr(expected.find("2501\n")));
}

TEST_F(CtrunLogsTest, AFollowerEndsWhenNobodyReadsIt) {
    run_detached("while :; do echo x; sleep 0.01; done");
    Ctrun follower = start({"logs", "-f", "box"});
    std::string out;
    EXPECT_TRUE(read_until(follower.out.get(), out, "x\n"));
    follower.out.close();
    EXPECT_EQ(follower.wait(), 0);
    EXPECT_EQ(content(follower.err), "");
}

TEST_F(CtrunLogsTest, TheMonitorHasNothingOfItsCallers) {
    auto [read_end, write_end] = pipe();
    const int lent = write_end.get();
    Ctrun run = start(shell({"-d", "--name", "box", "--log", log()}, "echo on; sleep 1000"),
                      [&] { ::fcntl(lent, F_SETFD, 0); });
    EXPECT_EQ(finish(run).out, "box\n"); // and so its standard output was closed
    write_end.close();
    EXPECT_TRUE(reaches_end(read_end.get())) << "it keeps what ctrun was given";
    const pid_t monitor = owner();
    ASSERT_GT(monitor, 0);
    EXPECT_EQ(::getsid(monitor), monitor);
    EXPECT_EQ(fs::read_symlink("/proc/" + std::to_string(monitor) + "/cwd"), "/");
    EXPECT_EQ(::kill(monitor, SIGPIPE), 0);
    EXPECT_EQ(::kill(monitor, SIGTERM), 0); // is handed on; the first process of a pid namespace takes no notice of it
    EXPECT_EQ(ctrun({"exec", "box", "--", "/bin/sh", "-c", "exit 6"}).status, 6);
    EXPECT_EQ(owner(), monitor);
    EXPECT_EQ(ctrun({"kill", "box"}).status, 0);
    reap(); // the monitor ends with its container
}

TEST_F(CtrunLogsTest, AContainerWhoseMonitorWasKilledGoesOn) {
    make_fifo();
    run_detached("echo before; read x </data/go");
    await_content("before");
    Ctrun follower = start({"logs", "-f", "box"});
    std::string out;
    EXPECT_TRUE(read_until(follower.out.get(), out, "before\n"));
    ASSERT_EQ(::kill(owner(), SIGKILL), 0);
    Said said = finish(follower);
    EXPECT_EQ(said.status, 0) << said;
    EXPECT_TRUE(contains(said.err, "container 'box' goes on, but logging has ended")) << said;
    EXPECT_EQ(json_value(ctrun({"list", "--json"}).out, "state"), "\"running\"");
    EXPECT_EQ(owner(), -1);
    EXPECT_EQ(json_value(ctrun({"inspect", "--json", "box"}).out, "logged"), "false");
    said = ctrun({"logs", "box"});
    EXPECT_EQ(said.out, "before\n");
    EXPECT_TRUE(contains(said.err, "logging has ended")) << said;
    EXPECT_EQ(ctrun({"exec", "box", "--", "/bin/sh", "-c", "exit 6"}).status, 6);
    EXPECT_EQ(ctrun({"stop", "--grace", "0", "box"}).status, 0);
    reap();
    EXPECT_EQ(ctrun({"list", "--json"}).out, "[]\n") << "the next session has cleaned up";
}

TEST_F(CtrunLogsTest, StoppingWaitsUntilAllIsLogged) {
    for (int i = 0; i < 5; ++i) {
        fs::remove(log_path());
        ASSERT_EQ(run_detached("trap 'seq 1 20000; exit 0' TERM; echo started; while :; do sleep 0.01; done").status,
                  0);
        await_content("started");
        Ctrun follower = start({"logs", "-f", "box"});
        std::string seen;
        EXPECT_TRUE(read_until(follower.out.get(), seen, "started\n"));
        EXPECT_EQ(ctrun({"stop", "--grace", "60", "box"}).status, 0);
        EXPECT_EQ(lines(content(log_path())).size(), 20001U);
        EXPECT_EQ(lines(finish(follower).out).size(), 20000U);
        reap();
        EXPECT_EQ(ctrun({"list", "--json"}).out, "[]\n");
    }
}

TEST_F(CtrunLogsTest, HostileFilesAreRefused) {
    make_fifo();
    make_fifo("on");
    run_detached("echo one; read x </data/go; echo two; read x </data/on");
    await_content("one");
    Ctrun follower = start({"logs", "-f", "box"});
    std::string out;
    EXPECT_TRUE(read_until(follower.out.get(), out, "one\n"));
    fs::rename(log_path(), log_path() + ".1");
    fs::create_symlink("/etc/shadow", log_path());
    Said said = finish(follower);
    EXPECT_EQ(said.status, 125) << said;
    EXPECT_TRUE(contains(said.err, "it is a symbolic link")) << said;
    EXPECT_EQ(said.out, "");
    EXPECT_EQ(ctrun({"logs", "box"}).status, 125);
    fs::remove(log_path());
    ASSERT_EQ(::mkfifo(log_path().c_str(), 0600), 0);
    said = ctrun({"logs", "box"});
    EXPECT_EQ(said.status, 125) << said;
    EXPECT_TRUE(contains(said.err, "it is no regular file")) << said;
    fs::remove(log_path());
    go();
    EXPECT_TRUE(await([&] { return contains(content(log_path() + ".1"), "two"); }));
    go("on");
    reap();
}

TEST_F(CtrunLogsTest, WhatIsMissingIsToldInTheForeground) {
    const fs::path disk = dir() / "disk";
    mount_tmpfs(disk, "size=64k");
    const std::string target = "plain:" + (disk / "log").string();
    Said said = ctrun(shell({"--log", target}, "echo small; exit 3"));
    EXPECT_EQ(said.status, 3) << said;
    EXPECT_EQ(said.err, "");
    said = ctrun(shell({"--log", target}, "yes | head -c 1000000; exit 4"));
    EXPECT_EQ(said.status, 4) << said;
    ASSERT_EQ(lines(said.err).size(), 1U) << said;
    const std::size_t logged = fs::file_size(disk / "log") - 6;
    EXPECT_LE(logged, 64UL * 1024);
    EXPECT_TRUE(contains(said.err, std::to_string((1000000 - logged) / 2) + " lines or parts of lines, ")) << said;
    EXPECT_TRUE(contains(said.err, std::to_string(1000000 - logged) + " bytes, are missing in the log '" + target))
        << said;
}

TEST_F(CtrunLogsTest, ALogNeedsAFile) {
    for (const Words& words : {Words{"run", "--log", "plain:", "--", "true"}, Words{"logs", "--log", "k8s-file:", "x"},
                               Words{"start", "x", "--log", "json-file:"}}) {
        const Said said = ctrun(words);
        EXPECT_EQ(said.status, 125) << said;
        EXPECT_TRUE(contains(said.err, "--log: it names no file")) << said;
    }
}

TEST_F(CtrunLogsTest, AFullDiskStopsNobody) {
    mount_tmpfs(dir() / "full", "size=64k");
    const std::string path = dir() / "full/log";
    make_fifo();
    run_detached("yes | head -c 200000; read x </data/go; echo end", {"--log", "k8s-file:" + path});
    EXPECT_TRUE(await([&] { return fs::file_size(path) >= 60'000; }));
    Ctrun follower = start({"logs", "-f", "box"});
    std::string seen;
    EXPECT_TRUE(read_until(follower.out.get(), seen, "y\ny\n")); // it has found the container
    go();
    const Said said = finish(follower);
    EXPECT_EQ(said.status, 0) << said.err;
    reap();
}

} // namespace
} // namespace ct::test
