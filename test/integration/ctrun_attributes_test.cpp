// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "ctrun_fixture.hpp"

namespace ct::test {
namespace {

/// ctrun's options for the attributes of a process.
class CtrunAttributes : public CtrunTest {
protected:
    Said probe(const Words& options, const std::string& command) {
        Words words{"--bind", (image() / "bin/test_init").string() + ":/bin/test_init"};
        words.insert(words.end(), options.begin(), options.end());
        return ctrun(boxed(words, {"/bin/test_init", command}));
    }
    /// What ctrun says of an option's value.
    std::string refused(const Words& options) {
        const Said said = ctrun(boxed(options, {"true"}));
        EXPECT_EQ(said.status, 125) << said;
        return said.err;
    }
};

TEST_F(CtrunAttributes, UsersAreTakenByName) {
    make_file("root/etc/passwd", "app:x:12:34::/:\n");
    make_file("root/etc/group", "audio:x:29:app\n");
    EXPECT_EQ(probe({"--user", "app"}, "ids").out, "uid 12 12 12\ngid 34 34 34\ngroups 29 34\n");
    EXPECT_EQ(probe({"--user", "app:audio"}, "ids").out, "uid 12 12 12\ngid 29 29 29\ngroups\n");
    EXPECT_EQ(probe({"--user", "7:audio"}, "ids").out, "uid 7 7 7\ngid 29 29 29\ngroups\n");
    EXPECT_EQ(probe({"--user", "app", "--user", "5"}, "ids").out, "uid 5 5 5\ngid 5 5 5\ngroups\n");
    EXPECT_TRUE(contains(refused({"--user", "nosuch"}), "find user 'nosuch' in the container's '/etc/passwd'"));
    EXPECT_TRUE(contains(refused({"--user", "app:1,2"}), "is not UID:GID"));
}

TEST_F(CtrunAttributes, SetsEachCapabilitySet) {
    const Said said = probe({"--user", "5", "--cap-set", "bounding=chown,kill", "--cap-set", "permitted=kill",
                             "--cap-set", "inheritable=kill", "--cap-set", "ambient=kill", "--cap-set", "effective="},
                            "caps");
    EXPECT_EQ(said.out, "permitted 20\neffective 20\ninheritable 20\nbounding 21\nambient 20\n") << said;
    EXPECT_TRUE(contains(refused({"--cap-set", "some=kill"}), "'some' is not a set of capabilities"));
    EXPECT_TRUE(contains(refused({"--cap-set", "ambient=kill"}), "'kill' is ambient but not permitted"));
}

TEST_F(CtrunAttributes, SetsTheScheduling) {
    const Said said = probe({"--nice", "5", "--sched", "batch,reset-on-fork", "--ioprio", "be:3", "--affinity", "0-0",
                             "--timer-slack", "70000", "--personality", "linux,no-randomize", "--securebits",
                             "noroot,noroot-locked", "--keyring", "ctrun-test"},
                            "attributes");
    EXPECT_TRUE(contains(said.out, "nice 5\npolicy 3\npriority 0\nflags 1\n")) << said;
    EXPECT_TRUE(contains(said.out, "ioprio 2 3\ncpus 0\n")) << said;
    EXPECT_TRUE(contains(said.out, "timerslack 70000\npersonality 40000\nsecurebits 3\n")) << said;
    EXPECT_TRUE(contains(said.out, ";ctrun-test\n")) << said;
    EXPECT_TRUE(contains(probe({"--sched", "rr:7", "--keyring", "-"}, "attributes").out, "policy 2\npriority 7\n"));
    EXPECT_TRUE(contains(probe({"--sched", "deadline:1000:10000:20000,reset-on-fork"}, "attributes").out,
                         "deadline 1000000 10000000 20000000\n"));
    EXPECT_EQ(ctrun(shell({"--oom-score-adj", "250"}, "cat /proc/self/oom_score_adj")).out, "250\n");
}

TEST_F(CtrunAttributes, SaysWhatIsWrongWithAValue) {
    EXPECT_TRUE(contains(refused({"--nice", "20"}), "'20' is not a number from -20 to 19"));
    EXPECT_TRUE(contains(refused({"--sched", "best"}), "'best' is not a scheduler"));
    EXPECT_TRUE(contains(refused({"--sched", "fifo:1:2"}), "is not POLICY[:PRIORITY]"));
    EXPECT_TRUE(contains(refused({"--sched", "deadline:5"}), "in microseconds"));
    EXPECT_TRUE(contains(refused({"--ioprio", "idle:1"}), "is not rt[:LEVEL]"));
    EXPECT_TRUE(contains(refused({"--affinity", "3-1"}), "'3-1' is not a range"));
    EXPECT_TRUE(contains(refused({"--mempolicy", "bind"}), "the memory policy needs nodes"));
    EXPECT_TRUE(contains(refused({"--mempolicy", "bind:0:odd"}), "'odd' is not a flag of a memory policy"));
    EXPECT_TRUE(contains(refused({"--oom-score-adj", "1001"}), "from -1000 to 1000"));
    EXPECT_TRUE(contains(refused({"--personality", "windows"}), "'windows' is not a personality"));
    EXPECT_TRUE(contains(refused({"--securebits", "all"}), "'all' is not noroot"));
}

TEST_F(CtrunAttributes, PassesLabelsOn) {
    if (std::filesystem::exists("/sys/module/apparmor")) GTEST_SKIP() << "this kernel has AppArmor";
    EXPECT_TRUE(contains(refused({"--apparmor", "web"}), "set the AppArmor label 'web'"));
    EXPECT_TRUE(contains(refused({"--selinux", "a:b:c:s0"}), "a:b:c:s0"));
}

} // namespace
} // namespace ct::test
