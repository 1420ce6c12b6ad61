// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// What ctrun shows of cgroups, and shows containers of them.
#include "cgroup/hierarchies.hpp"
#include "ctrun_fixture.hpp"

namespace ct::test {
namespace {

class CtrunStatsTest : public CtrunTest {
protected:
    void SetUp() override {
        CtrunTest::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        const auto hierarchies = internal::Hierarchies::detect();
        const auto* const pids = hierarchies.find(Controller::Pids);
        if (pids == nullptr) GTEST_SKIP() << "no pids controller on this host";
        is_version_1_ = pids->version == 1;
    }
    bool is_version_1_ = false;
    /// The groups of ctrun's containers have their names.
    const std::string name_ = "ct-test-" + std::to_string(::getpid());
};

TEST_F(CtrunStatsTest, TableAndJson) {
    Ctrun running =
        start(boxed({"--name", name_, "--cgroup-value", "pids:pids.max=9"}, {"sh", "-c", "echo on; read line"}));
    std::string out;
    ASSERT_TRUE(read_until(running.out.get(), out, "on\n"));
    const Said table = ctrun({"stats", name_});
    EXPECT_EQ(table.status, 0) << table;
    const auto shown = lines(table.out);
    ASSERT_EQ(shown.size(), 2U) << table;
    EXPECT_TRUE(contains(shown[0], "NAME")) << table;
    EXPECT_TRUE(contains(shown[1], name_)) << table;
    const std::string json = ctrun({"stats", "--json", name_}).out;
    EXPECT_EQ(json_value(json, "name"), '"' + name_ + '"');
    const std::string pids = json.substr(json.find("\"pids\""));
    EXPECT_EQ(json_value(pids, "current"), "1");
    EXPECT_EQ(json_value(pids, "max"), "9");
    EXPECT_EQ(json_value(pids, "refused"), "0");
    if (is_version_1_) { // of version 2 others may have enabled more
        EXPECT_EQ(json_value(json, "io"), "null");
        EXPECT_TRUE(contains(shown[1], " - ")) << "it has no memory controller: " << table;
    }
    (void)finish(running); // read fails at the end of its input
}

TEST_F(CtrunStatsTest, WithoutGroupsItSaysSo) {
    Ctrun running = start(boxed({"--name", name_}, {"sh", "-c", "echo on; cat"}));
    std::string out;
    ASSERT_TRUE(read_until(running.out.get(), out, "on\n"));
    const Said said = ctrun({"stats", name_});
    EXPECT_EQ(said.status, 125) << said;
    EXPECT_TRUE(contains(said.err, "the container has no cgroups")) << said;
    EXPECT_EQ(finish(running).status, 0);
}

TEST_F(CtrunStatsTest, ContainersSeeTheirGroups) {
    const char* const look = "echo /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max; "
                             "cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null";
    const Said said = ctrun(boxed(
        {"--name", name_, "--new", "mount,pid,cgroup", "--cgroup-value", "pids:pids.max=9", "--cgroup-mount", "ro"},
        {"sh", "-c", look}));
    EXPECT_TRUE(contains(said.out, "\n9\n")) << said;
    EXPECT_TRUE(contains(ctrun(boxed({"--cgroup-mount", "yes"}, {"true"})).err, "is not ro or rw"));
    EXPECT_TRUE(contains(ctrun(boxed({"--cgroup-mount", "rw"}, {"true"})).err, "lest the container"));
}

TEST_F(CtrunStatsTest, GroupsAreBelowTheParentThatIsNamed) {
    const Said said = ctrun(boxed({"--name", name_, "--controller", "pids", "--cgroup-parent", cgroup_parent() + "/in"},
                                  {"cat", "/proc/self/cgroup"}));
    EXPECT_EQ(said.status, 0) << said;
    EXPECT_TRUE(contains(said.out, cgroup_parent() + "/in/" + name_)) << said;
    const Said slice = ctrun(boxed({"--cgroup-manager", "systemd", "--cgroup-parent", "/in"}, {"true"}));
    EXPECT_EQ(slice.status, 125) << slice;
    EXPECT_TRUE(contains(slice.err, "the slice '/in' is no name that ends with .slice")) << slice;
}

} // namespace
} // namespace ct::test
