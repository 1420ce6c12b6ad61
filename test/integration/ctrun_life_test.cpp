// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// The subcommands of ctrun for containers that outlive it.
#include <chrono>

#include "ctrun_fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class CtrunLifeTest : public CtrunTest {
protected:
    /// Orphans of containers become children of the test.
    void TearDown() override {
        ctrun({"rm", "-f", "box", "second"});
        while (::waitpid(-1, nullptr, 0) > 0) continue;
        CtrunTest::TearDown();
    }

    /// `ctrun SUBCOMMAND NAME OPTIONS -- sh -c SCRIPT` of a container in the busybox root.
    [[nodiscard]] Words create(const std::string& name, const std::string& script, const Words& options = {}) const {
        Words words{"create", name, "--root", root().string(), "--new", "mount,pid,uts,ipc", "--default-mounts"};
        words.insert(words.end(), options.begin(), options.end());
        for (const std::string& word : {std::string("--"), std::string("/bin/sh"), std::string("-c"), script})
            words.push_back(word);
        return words;
    }
    [[nodiscard]] std::string log_file() const { return dir() / "log"; }

    /// Runs until it gets SIGTERM, then says so.
    static constexpr const char* Service =
        "trap 'echo stopping; exit 3' TERM; echo started; while :; do sleep 0.01; done";

    /// Until the service has set its trap.
    void await_start() {
        EXPECT_TRUE(await([&] { return contains(content(log_file()), "started"); }));
    }
};

TEST_F(CtrunLifeTest, ASavedContainerIsStartedStoppedAndRemoved) {
    EXPECT_EQ(ctrun(create("box", Service)).status, 0);
    Said said = ctrun({"list"});
    EXPECT_TRUE(contains(said.out, "NAME  PID  STARTED  STATE    COMMAND\nbox   -    -        stopped  -\n")) << said;
    EXPECT_TRUE(contains(ctrun(create("box", "true")).err, "it is a saved one"));
    said = ctrun({"start", "box", "--log", log_file()});
    EXPECT_EQ(said.status, 0) << said;
    EXPECT_EQ(json_value(ctrun({"list", "--json"}).out, "state"), "\"running\"");
    await_start();
    said = ctrun({"start", "box"});
    EXPECT_EQ(said.status, 125);
    EXPECT_TRUE(contains(said.err, "it is running and has to be stopped")) << said;
    said = ctrun({"rm", "box"});
    EXPECT_EQ(said.status, 125);
    EXPECT_TRUE(contains(said.err, "container 'box': remove")) << said;
    EXPECT_EQ(ctrun({"exec", "box", "--", "/bin/sh", "-c", "exit 6"}).status, 6);
    EXPECT_EQ(ctrun({"stop", "--grace", "60", "box"}).status, 0);
    EXPECT_EQ(content(log_file()), "started\nstopping\n");
    said = ctrun({"list"});
    EXPECT_TRUE(contains(said.out, "stopped, ")) << said;
    EXPECT_EQ(ctrun({"rm", "box"}).status, 0);
    EXPECT_EQ(ctrun({"list", "--json"}).out, "[]\n");
}

TEST_F(CtrunLifeTest, AttachesToAStart) {
    ctrun(create("box", "cat; exit 4"));
    Ctrun box = start({"start", "-a", "box"});
    write_all(box.in.get(), "through");
    const Said said = finish(box);
    EXPECT_EQ(said.out, "through") << said;
    EXPECT_EQ(said.status, 4);
    EXPECT_EQ(ctrun({"start", "-a", "nobody"}).status, 125);
    EXPECT_TRUE(contains(ctrun({"list"}).out, "stopped, exited with code 4"));
}

TEST_F(CtrunLifeTest, SavesPathsThatHoldInAnyDirectory) {
    make_file("shared/file", "shared");
    make_file("private/file", "private");
    const auto here = [this] { ASSERT_EQ(::chdir(dir().c_str()), 0); };
    const Said said = ctrun({"create", "box", "--root", "root", "--new", "mount,pid", "--private", "./private:/data",
                             "--bind", "shared:/tmp", "--mount", "type=tmpfs,source=name,target=/dev", "--", "/bin/cat",
                             "/data/file", "/tmp/file"},
                            here);
    EXPECT_EQ(said.status, 0) << said;
    EXPECT_EQ(json_value(ctrun({"inspect", "--json", "box"}).out, "path"), '"' + root().string() + '"');
    EXPECT_EQ(ctrun({"start", "-a", "box"}, [] { ASSERT_EQ(::chdir("/"), 0); }).out, "privateshared");
    EXPECT_TRUE(contains(ctrun({"inspect", "--json", "box"}).out, "\"name\""));
    EXPECT_EQ(
        ctrun({"run", "--root", "root", "--bind", "shared:/tmp", "--new", "mount", "--", "/bin/cat", "/tmp/file"}, here)
            .out,
        "shared");
}

TEST_F(CtrunLifeTest, RunsDetached) {
    Said said = ctrun(shell({"-d", "--name", "box", "--log", log_file()}, Service));
    EXPECT_EQ(said.out, "box\n") << said;
    await_start();
    EXPECT_EQ(json_value(ctrun({"list", "--json"}).out, "owner"), "null");
    EXPECT_EQ(ctrun({"kill", "-s", "TERM", "box"}).status, 0);
    while (::waitpid(-1, nullptr, 0) > 0) continue;
    EXPECT_EQ(ctrun({"list", "--json"}).out, "[]\n"); // it was not saved
    EXPECT_EQ(content(log_file()), "started\nstopping\n");
    EXPECT_EQ(ctrun(create("box", "true", {"-t"})).status, 0);
    said = ctrun({"start", "box"});
    EXPECT_EQ(said.status, 125);
    EXPECT_TRUE(contains(said.err, "a detached container cannot have a terminal")) << said;
}

TEST_F(CtrunLifeTest, RunsDetachedWhatEndsAtOnce) {
    for (int i = 0; i < 20; ++i) {
        const Said said = ctrun({"run", "-d", "--name", "box", "--", "/bin/true"});
        EXPECT_EQ(said.status, 0) << said;
        EXPECT_EQ(said.out, "box\n") << said;
        while (::waitpid(-1, nullptr, 0) > 0) continue;
    }
    EXPECT_EQ(ctrun({"list", "--json"}).out, "[]\n");
}

TEST_F(CtrunLifeTest, ForcesAnEnd) {
    ctrun(shell({"-d", "--name", "box"}, "sleep 1000"));
    EXPECT_EQ(ctrun({"kill", "box"}).status, 0);
    while (::waitpid(-1, nullptr, 0) > 0) continue;
    ctrun(shell({"-d", "--name", "box"}, "sleep 1000"));
    const Said said = ctrun({"rm", "--force", "nobody", "box"});
    EXPECT_EQ(said.status, 125);
    EXPECT_TRUE(contains(said.err, "container 'nobody': open: no such container")) << said;
    EXPECT_EQ(ctrun({"list", "--json"}).out, "[]\n");
}

TEST_F(CtrunLifeTest, ShowsAContainerAndItsProcesses) {
    ctrun(create("box", "sleep 1000 & echo started; wait", {"--hostname", "inner", "--env", "A=\xff"}));
    ctrun({"start", "box", "--log", log_file()});
    await_start();
    Said said = ctrun({"inspect", "box"});
    for (const char* part : {"name  ", "state  ", "running", "spec.hostname", "inner", "process.argv"})
        EXPECT_TRUE(contains(said.out, part)) << said;
    said = ctrun({"inspect", "--json", "box"});
    EXPECT_EQ(json_value(said.out, "hostname"), "\"inner\"") << said;
    EXPECT_EQ(json_value(said.out, "hex"), "\"ff\"") << said;
    said = ctrun({"ps", "box"});
    EXPECT_TRUE(said.out.starts_with("PID")) << said;
    EXPECT_TRUE(contains(said.out, "  1       0     /bin/sh -c sleep 1000")) << said;
    EXPECT_TRUE(contains(said.out, "sleep 1000\n")) << said;
    said = ctrun({"ps", "--json", "box"});
    EXPECT_EQ(json_value(said.out, "inside"), "1") << said;
    ctrun({"rm", "-f", "box"});
    EXPECT_EQ(ctrun({"ps", "box"}).status, 125);
}

TEST_F(CtrunLifeTest, ShowsAndKeepsChanges) {
    make_dir("upper");
    make_dir("work");
    Words words{"run",
                "--new",
                "mount,pid",
                "--root",
                root().string(),
                "--overlay",
                "upper=" + (dir() / "upper").string() + ",work=" + (dir() / "work").string(),
                "-d",
                "--name",
                "box",
                "--log",
                log_file(),
                "--",
                "/bin/sh",
                "-c",
                "echo x >/new; rm /bin/wc; echo started; sleep 1000"};
    const Said run = ctrun(words);
    ASSERT_EQ(run.status, 0) << run;
    await_start();
    Said said = ctrun({"diff", "box"});
    EXPECT_TRUE(contains(said.out, "added    /new\n")) << said;
    EXPECT_TRUE(contains(said.out, "deleted  /bin/wc\n")) << said;
    EXPECT_TRUE(contains(ctrun({"diff", "--json", "box"}).out, "\"/new\""));
    said = ctrun({"commit", "box", (dir() / "committed").string()});
    EXPECT_EQ(said.status, 0) << said;
    EXPECT_EQ(content(dir() / "committed/new"), "x\n");
}

TEST_F(CtrunLifeTest, EachSubcommandExplainsItself) {
    for (const char* name :
         {"run", "create", "start", "exec", "list", "inspect", "ps", "diff", "commit", "kill", "stop", "rm"}) {
        const Said said = ctrun({name, "--help"});
        EXPECT_EQ(said.status, 0) << said;
        EXPECT_TRUE(contains(said.out, std::string("Usage: ctrun ") + name + " [OPTION]...")) << said;
    }
    EXPECT_TRUE(contains(ctrun({"commit", "--help"}).out, "NAME DIRECTORY\n"));
    EXPECT_TRUE(contains(ctrun({"rm", "--help"}).out, "NAME...\n"));
    EXPECT_EQ(ctrun({"list", "--", "true"}).status, 125);
    EXPECT_EQ(ctrun({"create", "box"}).status, 125);
    EXPECT_EQ(ctrun({"stop"}).status, 125);
}

TEST_F(CtrunLifeTest, NeverHandsControlCharactersToTheTerminal) {
    ctrun(create("box", "sleep 1000 '\x1b[31m'"));
    ctrun({"start", "box"});
    const Said said = ctrun({"list"});
    EXPECT_FALSE(contains(said.out, "\x1b")) << said;
    EXPECT_TRUE(contains(said.out, "?[31m")) << said;
}

TEST_F(CtrunLifeTest, WorksForAnOrdinaryUser) {
    CT_REQUIRE(Privilege::UserNamespaces);
    fs::permissions(runtime(), fs::perms{0777});
    EXPECT_EQ(ctrun(create("mine", "sleep 1000", {"--map-root"}), become_unprivileged).status, 0);
    EXPECT_EQ(ctrun({"start", "mine"}, become_unprivileged).status, 0);
    EXPECT_EQ(ctrun({"exec", "mine", "--", "/bin/id", "-u"}, become_unprivileged).out, "0\n");
    EXPECT_TRUE(contains(ctrun({"list"}).err, "it belongs to user 1000"));
    EXPECT_EQ(ctrun({"stop", "--grace", "0", "mine"}, become_unprivileged).status, 0);
    EXPECT_EQ(ctrun({"rm", "mine"}, become_unprivileged).status, 0);
}

} // namespace
} // namespace ct::test
