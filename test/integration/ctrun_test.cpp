// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// The program ctrun as its users see it: command lines, exit statuses, signals, terminals, files left behind.
#include <sys/mount.h>

#include "ctrun_fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

TEST_F(CtrunTest, EndsWithTheStatusOfTheCommand) {
    EXPECT_EQ(ctrun({"run", "--", "/bin/sh", "-c", "exit 7"}).status, 7);
    EXPECT_EQ(ctrun(shell({}, "exit 0")).status, 0);
    EXPECT_EQ(ctrun({"run", "--", "/bin/sh", "-c", "kill -9 $$"}).status, 128 + SIGKILL);
}

TEST_F(CtrunTest, HasTheExitStatusesOfAShellForACommandThatCannotRun) {
    Said said = ctrun(boxed({}, {"nosuch"}));
    EXPECT_EQ(said.status, 127) << said;
    EXPECT_TRUE(contains(said.err, "nosuch")) << said;
    said = ctrun(boxed({}, {"/bin"}));
    EXPECT_EQ(said.status, 126) << said;
    make_file("root/script", "echo not executable\n");
    said = ctrun(boxed({}, {"/script"}));
    EXPECT_EQ(said.status, 126) << said;
    EXPECT_TRUE(contains(said.err, "ctrun: ")) << said;
    EXPECT_TRUE(contains(said.err, "/script")) << said;
}

TEST_F(CtrunTest, EndsWith125AndASentenceIfItFailsItself) {
    const std::vector<std::pair<Words, std::string>> wrong{
        {{"run", "--no-such-option", "--", "true"}, "--no-such-option"},
        {{"run", "true"}, "goes after '--'"},
        {{"run", "--"}, "no command"},
        {{"run", "--new", "mounts", "--", "true"}, "'mounts' is not a kind of namespace"},
        {{"run", "--rlimit", "nofiles=3", "--", "true"}, "'nofiles' is not a resource limit"},
        {{"run", "--bind", "/a:/b:rw", "--", "true"}, "'rw' is not a flag"},
        {{"run", "--overlay", "low=/a", "--", "true"}, "'low=/a' is not one of lower=DIR"},
        {{"run", "--overlay", "size=1x", "--", "true"}, "'1x' is not a number"},
        {{"run", "--overlay", "upper=/a", "--root", "/", "--", "true"}, "an upper and a work directory, or neither"},
        {{"run", "--tmpfs-root", "64m", "--", "true"}, "'64m' is not KEY=VALUE"},
        {{"run", "--image", "/a:/b:ro:c", "--", "true"}, "'/a:/b:ro:c' is not FILE[:TARGET[:FLAG,...]]"},
        {{"run", "--fd", "3=777", "--", "true"}, "'777' is not an open descriptor"},
        {{"run", "--umask", "8", "--", "true"}, "'8' is not an octal number"},
        {{"run", "--user", "no-such-user", "--", "true"}, "find user 'no-such-user'"},
        {{"run", "--root", "/no/such/root", "--", "true"}, "/no/such/root"},
        {{"run", "--hostname", "x", "--", "true"}, "host"},
        {{"run", "--name", "../x", "--", "true"}, "../x"},
        {{"exec", "nobody", "--", "true"}, "container 'nobody': open: no such container"},
        {{"run", "--user", "x", "--", "true"}, "find user 'x'"},
        {{"run", "--timeout", "0.5", "--", "true"}, "'0.5' is not a whole number of seconds (see ctrun run --help)"},
        {{"stop", "--grace", "0.2", "box"}, "'0.2' is not a whole number of seconds (see ctrun stop --help)"},
        {{}, "no subcommand was given (see ctrun --help)"},
    };
    for (const auto& [words, part] : wrong) {
        const Said said = ctrun(words);
        EXPECT_EQ(said.status, 125) << part << ": " << said;
        EXPECT_TRUE(said.err.starts_with("ctrun: ")) << said;
        EXPECT_TRUE(contains(said.err, part));
    }
}

TEST_F(CtrunTest, ExplainsItself) {
    const Said said = ctrun({"run", "--help"});
    EXPECT_EQ(said.status, 0);
    for (const char* part :
         {"Usage: ctrun run [OPTION]... -- COMMAND", "Namespaces:", "Files:", "Process:", "Examples:"})
        EXPECT_TRUE(contains(said.out, part));
}

TEST_F(CtrunTest, MakesAContainer) {
    const Said said = ctrun(shell({"--hostname", "box", "--domainname", "test", "--read-only"},
                                  "echo $$ $(hostname); cat /proc/sys/kernel/domainname; touch /x; ls /sys/kernel"));
    EXPECT_TRUE(said.out.starts_with("1 box\ntest\n")) << said;
    EXPECT_TRUE(contains(said.err, "Read-only file system"));
    EXPECT_EQ(ctrun(shell({}, "exec >/dev/null </dev/zero; readlink /dev/fd")).status, 0);
}

TEST_F(CtrunTest, RunsTheCommandUnderAnInit) {
    EXPECT_EQ(ctrun(boxed({"--init"}, {"/bin/sh", "-c", "echo $$"})).out, "2\n");
    EXPECT_EQ(ctrun(boxed({"--init"}, {"/bin/sh", "-c", "kill -TERM $$"})).status, 128 + SIGTERM);
    EXPECT_EQ(ctrun(boxed({}, {"/bin/sh", "-c", "kill -TERM $$; exit 3"})).status, 3); // a first process is immune
}

TEST_F(CtrunTest, ChecksTheHost) {
    const Said table = ctrun({"check"});
    EXPECT_EQ(table.status, 0) << table;
    EXPECT_TRUE(contains(table.out, "namespace.pid ")) << table;
    const Said json = ctrun({"check", "--json"});
    EXPECT_EQ(json.status, 0) << json;
    EXPECT_TRUE(contains(json.out, "\"name\": \"namespace.pid\",\n    \"available\": true")) << json;
}

TEST_F(CtrunTest, PassesTheCommandOnWordForWord) {
    const Words words{"[a,b]", "", "--", "{}", "%%", "--help", "-t"};
    Words command{"/bin/sh", "-c", R"(printf '<%s>' "$@")", "sh"};
    command.insert(command.end(), words.begin(), words.end());
    EXPECT_EQ(ctrun(boxed({}, command)).out, "<[a,b]><><--><{}><%%><--help><-t>");
}

TEST_F(CtrunTest, MountsInTheGivenOrder) {
    make_file("shared/file", "from the host");
    const std::string shared = (dir() / "shared").string();
    const Said said =
        ctrun(shell({"--tmpfs", "/data:size=1m,mode=700,nodev", "--bind", shared + ":/data/a:ro,noexec", "--mount",
                     "type=tmpfs,target=/data/b,ro,size=4k", "--mount", "source=" + shared + ",target=/data/c,nosuid"},
                    "cat /data/a/file; echo; grep -o '/data[^ ]* tmpfs.*' /proc/mounts; touch /data/a/x; "
                    "touch /data/b/x; touch /data/c/x && echo written"));
    EXPECT_TRUE(said.out.starts_with("from the host\n")) << said;
    EXPECT_TRUE(contains(said.out, "size=1024k")) << said;
    EXPECT_TRUE(said.out.ends_with("written\n")) << said;
    EXPECT_TRUE(contains(said.err, "/data/a/x: Read-only")) << said;
    EXPECT_TRUE(contains(said.err, "/data/b/x: Read-only")) << said;
    EXPECT_TRUE(fs::exists(dir() / "shared/x"));
}

TEST_F(CtrunTest, HasAPrivateArea) {
    make_file("private/file", "mine");
    const std::string area = (dir() / "private").string();
    EXPECT_EQ(ctrun(shell({"--private", area + ":/data"}, "cat /data/file")).out, "mine");
    const Said said = ctrun(shell({"--private", area + ":/data:ro"}, "touch /data/file"));
    EXPECT_TRUE(contains(said.err, "Read-only file system")) << said;
}

TEST_F(CtrunTest, TakesChangesIntoAnOverlay) {
    const std::string top = dir().string();
    EXPECT_EQ(ctrun(shell({"--overlay", "size=1m"}, "echo new >/file; cat /file; df -k / | grep -c ' 1024 '")).out,
              "new\n1\n");
    EXPECT_FALSE(fs::exists(dir() / "root/file"));
    make_file("one/file", "one");
    make_file("two/file", "two");
    make_file("two/other", "other");
    make_dir("upper");
    make_dir("work");
    const Said said = ctrun(shell({"--overlay", "lower=" + top + "/one,lower=" + top + "/two,upper=" + top +
                                                    "/upper,work=" + top + "/work,target=/data"},
                                  "cat /data/file /data/other; echo new >/data/file"));
    EXPECT_EQ(said.out, "oneother") << said;
    EXPECT_EQ(content(dir() / "upper/file"), "new\n");
    EXPECT_EQ(content(dir() / "one/file"), "one");
}

TEST_F(CtrunTest, PutsATmpfsOrAnImageOverTheRoot) {
    const std::string root = (dir() / "root").string();
    const Said said = ctrun(shell({"--tmpfs-root", "size=64k,mode=700", "--bind", root + "/bin:/bin"},
                                  "stat -c %a /; df -k / | grep -c ' 64 '; echo >/file"));
    EXPECT_EQ(said.out, "700\n1\n") << said;
    EXPECT_FALSE(fs::exists(dir() / "root/file"));
    const std::string image = (dir() / "image.ext4").string();
    ASSERT_EQ(std::system(("mkfs.ext4 -q -d " + root + " " + image + " 16M >/dev/null").c_str()), 0);
    EXPECT_EQ(ctrun(shell({"--image", image + ":/:type=ext4,commit=7"}, "echo new >/file")).status, 0);
    EXPECT_EQ(ctrun(shell({"--image", image}, "cat /file")).out, "new\n");
    EXPECT_TRUE(contains(ctrun(shell({"--image", image + ":/data:ro"}, "rm /data/file")).err, "Read-only file system"));
    EXPECT_FALSE(fs::exists(dir() / "root/file"));
}

TEST_F(CtrunTest, SetsTheAttributesOfTheProcess) {
    const Words options{"--clear-env",    "--env",  "A=1=2",          "--env",         "PATH", "--workdir",
                        "/tmp",           "--user", "12:34,56",       "--umask",       "027",  "--rlimit",
                        "nofile=100:200", "--cap",  "chown,CAP_KILL", "--no-new-privs"};
    const Said said = ctrun(shell(options, "echo $A $PATH; pwd; id -u; id -G; umask; ulimit -n; ulimit -Hn; "
                                           "grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status; env"));
    EXPECT_TRUE(said.out.starts_with("1=2 /bin:/usr/bin\n/tmp\n12\n34 56\n0027\n100\n200\n")) << said;
    EXPECT_TRUE(contains(said.out, "CapEff:\t0000000000000021")) << said;
    EXPECT_TRUE(contains(said.out, "CapBnd:\t0000000000000021")) << said;
    EXPECT_TRUE(contains(said.out, "NoNewPrivs:\t1")) << said;
    EXPECT_FALSE(contains(said.out, "XDG_RUNTIME_DIR")) << said;
    EXPECT_TRUE(contains(ctrun(shell({"--cap-drop-all"}, "grep CapEff /proc/self/status")).out, "0000000000000000"));
}

TEST_F(CtrunTest, PassesOnDescriptors) {
    auto [read_end, write_end] = pipe();
    const Said said =
        ctrun(shell({"--fd", "7=" + std::to_string(write_end.get()), "--stdout", "null", "--stderr", "stdout"},
                    "echo through >&7; echo lost; echo lost >&2; ls /proc/self/fd >&7"),
              [fd = write_end.get()] { ::fcntl(fd, F_SETFD, 0); });
    write_end.close();
    EXPECT_EQ(said.status, 0) << said;
    EXPECT_EQ(said.out + said.err, "");
    EXPECT_EQ(read_all(read_end.get()), "through\n0\n1\n2\n3\n7\n"); // 3 is the directory that ls reads
}

TEST_F(CtrunTest, WorksWithoutStandardStreams) {
    const auto close_all = [] {
        for (int fd = 0; fd <= 2; ++fd) ::close(fd);
    };
    EXPECT_EQ(ctrun(shell({}, "readlink /proc/self/fd/0 && cat && exit 5"), close_all).status, 5);
}

TEST_F(CtrunTest, WorksForAnOrdinaryUser) {
    CT_REQUIRE(Privilege::UserNamespaces);
    fs::permissions(runtime(), fs::perms{0777});
    const Said said = ctrun(shell({"--map-root", "--hostname", "mine"}, "id -u; hostname; cat /proc/self/uid_map"),
                            become_unprivileged);
    EXPECT_EQ(said.status, 0) << said;
    EXPECT_TRUE(said.out.starts_with("0\nmine\n")) << said;
    EXPECT_TRUE(contains(said.out, "1000          1")) << said;
    EXPECT_EQ(ctrun(shell({"--new", "user", "--uid-map", "0:5000:10", "--gid-map", "0:6000:10", "--setgroups", "deny"},
                          "cat /proc/self/setgroups"))
                  .out,
              "deny\n");
}

TEST_F(CtrunTest, JoinsANamespace) {
    Ctrun donor = start(shell({"--name", "donor", "--hostname", "donor"}, "echo ready; cat"));
    std::string text;
    ASSERT_TRUE(read_until(donor.out.get(), text, "ready\n"));
    const std::string pid = json_value(ctrun({"list", "--json"}).out, "pid");
    ASSERT_FALSE(pid.empty());
    EXPECT_EQ(ctrun({"run", "--join", "uts=/proc/" + pid + "/ns/uts", "--", "hostname"}).out, "donor\n");
    EXPECT_EQ(finish(donor).status, 0);
    EXPECT_EQ(ctrun({"list", "--json"}).out, "[]\n");
}

TEST_F(CtrunTest, ExecRunsACommandInTheContainer) {
    Ctrun box = start(shell({"--name", "box", "--hostname", "box"}, "echo ready; cat; exit 3"));
    std::string text;
    ASSERT_TRUE(read_until(box.out.get(), text, "ready\n"));
    Said said = ctrun({"exec", "--env", "A=b", "--workdir", "/tmp", "--user", "5", "box", "--", "/bin/sh", "-c",
                       "echo $A; pwd; hostname; id -u; cat /proc/1/comm; exit 9"});
    EXPECT_EQ(said.out, "b\n/tmp\nbox\n5\nsh\n") << said;
    EXPECT_EQ(said.status, 9) << said;
    said = ctrun({"exec", "box", "--", "nosuch"});
    EXPECT_EQ(said.status, 127) << said;
    EXPECT_EQ(finish(box).status, 3);
    EXPECT_EQ(ctrun({"exec", "box", "--", "true"}).status, 125);
}

TEST_F(CtrunTest, RefusesANameInUse) {
    Ctrun box = start(shell({"--name", "box"}, "echo ready; cat"));
    std::string text;
    ASSERT_TRUE(read_until(box.out.get(), text, "ready\n"));
    const Said said = ctrun(shell({"--name", "box"}, "true"));
    EXPECT_EQ(said.status, 125);
    EXPECT_TRUE(contains(said.err, "'box': create: record: name already in use; it is running")) << said;
    EXPECT_EQ(finish(box).status, 0);
    EXPECT_EQ(ctrun(shell({"--name", "box"}, "exit 4")).status, 4);
}

TEST_F(CtrunTest, TakesThePlaceOfAKilledOne) {
    Ctrun box = start(shell({"--name", "box", "--pdeathsig", "KILL"}, "echo ready; sleep 1000"));
    std::string text;
    ASSERT_TRUE(read_until(box.out.get(), text, "ready\n"));
    box.signal(SIGKILL);
    EXPECT_EQ(finish(box).status, -SIGKILL); // reads to the end of file, and so until the container is gone
    while (::waitpid(-1, nullptr, 0) > 0) continue;
    EXPECT_TRUE(fs::exists(runtime() / "libct/box"));
    EXPECT_EQ(ctrun({"exec", "box", "--", "true"}).status, 125);
    EXPECT_EQ(ctrun(shell({"--name", "box"}, "exit 4")).status, 4);
}

TEST_F(CtrunTest, RunsUnnamedWithoutAPlaceForRecords) {
    const auto elsewhere = [] { ::setenv("XDG_RUNTIME_DIR", "/no/such/directory", 1); };
    Said said = ctrun(shell({}, "exit 6"), elsewhere);
    EXPECT_EQ(said.status, 6);
    EXPECT_TRUE(contains(said.err, "ctrun: warning: ")) << said;
    said = ctrun(shell({"--name", "box"}, "exit 6"), elsewhere);
    EXPECT_EQ(said.status, 125);
    EXPECT_TRUE(contains(said.err, "XDG_RUNTIME_DIR")) << said;
}

TEST_F(CtrunTest, RunsUnnamedWithoutRoomForRecords) {
    const std::string place = make_dir("place").string();
    fs::create_directory(dir() / "place/libct");
    fs::permissions(dir() / "place/libct", fs::perms{0700});
    for (const char* options : {"mode=700,size=4k", "mode=700,nr_inodes=2", "mode=700,ro"}) {
        if (::mount("tmpfs", (place + "/libct").c_str(), "tmpfs", contains(options, "ro") ? MS_RDONLY : 0,
                    contains(options, "ro") ? "mode=700" : options) != 0)
            GTEST_SKIP() << "needs the right to mount";
        const auto there = [&] { ::setenv("XDG_RUNTIME_DIR", place.c_str(), 1); };
        Said said = ctrun({"run", "--", "sh", "-c", "echo hi; exit 6"}, there);
        EXPECT_EQ(said.status, 6) << options << said;
        EXPECT_EQ(said.out, "hi\n") << options << said;
        EXPECT_TRUE(contains(said.err, "will not find this container: ")) << said;
        said = ctrun({"run", "--name", "box", "--", "true"}, there);
        EXPECT_EQ(said.status, 125) << options << said;
        EXPECT_EQ(::umount2((place + "/libct").c_str(), MNT_DETACH), 0);
    }
}

TEST_F(CtrunTest, FailsIfItsOutputIsLost) {
    const Fd full{::open("/dev/full", O_WRONLY | O_CLOEXEC)};
    for (const Words& words :
         {Words{"list", "--json"}, {"check", "--json"}, {"check"}, {"--help"}, {"run", "--help"}}) {
        const Ctrun lost = spawn(words, full.get(), full.get());
        EXPECT_EQ(lost.wait(), 125) << words.front();
        EXPECT_EQ(content(lost.err), "ctrun: write: No space left on device\n") << words.front();
    }
}

TEST_F(CtrunTest, SaysThatAUserHasNoSubordinateIds) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to be such a user";
    const Said said = ctrun({"run", "--map-subids", "--name", "box", "--", "true"}, [] { (void)::setuid(54321); });
    EXPECT_EQ(said.status, 125) << said;
    EXPECT_TRUE(said.err.starts_with("ctrun: --map-subids: map the subordinate ids of user '54321'")) << said;
}

TEST_F(CtrunTest, SaysWhatWouldHaveNoEffect) {
    const std::vector<std::pair<Words, std::string>> wrong{
        {{"run", "-d", "--timeout", "1", "--", "true"}, "--timeout is not for a detached container"},
        {{"run", "--log", "/x", "--", "true"}, "--log of a file alone is for a detached container; see --detach"},
        {{"start", "box", "--timeout", "1"}, "--timeout is not for a detached container; see --attach"},
        {{"start", "-a", "box", "--log", "/x"}, "--log is not for --attach"},
    };
    for (const auto& [words, part] : wrong) {
        const Said said = ctrun(words);
        EXPECT_EQ(said.status, 125) << said;
        EXPECT_EQ(said.err, "ctrun: " + part + " (see ctrun " + words.front() + " --help)\n");
    }
}

TEST_F(CtrunTest, WarnsOnceOfABadRecord) {
    fs::create_directory(runtime() / "libct");
    fs::permissions(runtime() / "libct", fs::perms{0700});
    make_file("runtime/libct/bad", "");
    const Said said = ctrun({"list"});
    const std::size_t at = said.err.find("libct/bad");
    EXPECT_NE(at, std::string::npos) << said;
    EXPECT_EQ(at, said.err.rfind("libct/bad")) << said;
    fs::remove(runtime() / "libct/bad");
}

TEST_F(CtrunTest, HandsOnSignals) {
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2}) {
        const std::string script =
            "trap 'exit 42' " + std::to_string(number) + "; echo ready; while :; do sleep 0.01; done";
        Ctrun box = start(shell({}, script));
        std::string text;
        ASSERT_TRUE(read_until(box.out.get(), text, "ready\n"));
        box.signal(number);
        EXPECT_EQ(finish(box).status, 42) << number;
    }
}

TEST_F(CtrunTest, LosesNoSignalAroundTheStart) {
    // Blocked and pending when ctrun begins: the earliest that a signal can come.
    const Said said = ctrun({"run", "--", "sleep", "1000"}, [] {
        sigset_t term;
        ::sigemptyset(&term);
        ::sigaddset(&term, SIGTERM);
        ::sigprocmask(SIG_BLOCK, &term, nullptr);
        ::raise(SIGTERM);
    });
    EXPECT_EQ(said.status, 128 + SIGTERM) << said;
}

TEST_F(CtrunTest, EndsTheCommandWhenItsTimeIsOver) {
    EXPECT_EQ(ctrun({"run", "--timeout", "1", "--", "sleep", "1000"}).status, 124);
    EXPECT_EQ(ctrun({"run", "--timeout", "1000", "--", "sh", "-c", "exit 2"}).status, 2);
}

} // namespace
} // namespace ct::test
