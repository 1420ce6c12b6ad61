// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/sched.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan/id_maps.hpp"
#include "plan/namespace_flags.hpp"
#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

using ::testing::ElementsAre;

const std::vector<std::pair<Namespace, std::uint64_t>> Kinds{
    {Namespace::Mount, CLONE_NEWNS},      {Namespace::Pid, CLONE_NEWPID},  {Namespace::Net, CLONE_NEWNET},
    {Namespace::Uts, CLONE_NEWUTS},       {Namespace::Ipc, CLONE_NEWIPC},  {Namespace::User, CLONE_NEWUSER},
    {Namespace::Cgroup, CLONE_NEWCGROUP}, {Namespace::Time, CLONE_NEWTIME}};

TEST(NamespacesPlan, NewOnesAreCloneFlags) {
    for (const auto& [kind, flag] : Kinds) {
        EXPECT_EQ(namespace_flag(kind), flag);
        Spec spec;
        spec.namespaces[kind] = NewNamespace{};
        Plan plan;
        plan_new_namespaces(plan, spec);
        EXPECT_EQ(plan.new_namespaces, flag);
        EXPECT_TRUE(plan.joins.empty());
    }
}

TEST(NamespacesPlan, JoinsKeepTheirOrderAndCheckTheKind) {
    std::vector<NamespaceJoin> joins;
    for (const auto& [kind, flag] : Kinds) joins.push_back({kind, 40 + static_cast<int>(kind), "/run/ns"});
    Plan plan;
    plan_joins(plan, joins);
    const auto joined = all_args<JoinArgs>(plan.joins, Op::JoinNamespace);
    ASSERT_EQ(joined.size(), Kinds.size());
    for (std::size_t i = 0; i < joined.size(); ++i) {
        EXPECT_EQ(joined[i].kinds, Kinds[i].second);
        EXPECT_EQ(joined[i].fd, 40 + static_cast<int>(Kinds[i].first));
    }
    EXPECT_EQ(plan.new_namespaces, 0U);
}

TEST(NamespacesPlan, JoinsAreNamed) {
    Plan plan;
    plan_joins(plan, {{Namespace::Net, 5, "/run/netns/a"}, {Namespace::Uts, 23, "fd 23"}});
    EXPECT_EQ(listed(plan.joins).at(0).sentence, "join net namespace '/run/netns/a'");
    EXPECT_EQ(listed(plan.joins).at(1).sentence, "join uts namespace 'fd 23'");
    EXPECT_EQ(plan.joins.info(0).stage, Stage::Namespaces);
}

TEST(NamespacesPlan, MixesNewAndJoinedOnes) {
    Start start;
    start.make(Namespace::Pid);
    start.make(Namespace::Mount);
    start.join(Namespace::Net);
    const auto plan = start.compile();
    EXPECT_EQ(plan->new_namespaces, std::uint64_t{CLONE_NEWPID | CLONE_NEWNS});
    EXPECT_EQ(args<JoinArgs>(plan->joins, Op::JoinNamespace).kinds, unsigned{CLONE_NEWNET});
}

TEST(SetgroupsPolicy, IsDeniedWhereAskedOrWhereTheKernelDemandsIt) {
    Start start;
    EXPECT_FALSE(denies_setgroups(start.spec, Unprivileged)) << "without a user namespace nothing is denied";
    start.make_user_namespace();
    EXPECT_FALSE(denies_setgroups(start.spec, {}));
    EXPECT_FALSE(denies_setgroups(start.spec, Unprivileged)) << "newgidmap has the privilege to write such a map";
    start.spec.gid_map = {{0, ::getegid(), 1}};
    EXPECT_TRUE(denies_setgroups(start.spec, Unprivileged));
    start.spec.setgroups = SetGroups::Deny;
    EXPECT_TRUE(denies_setgroups(start.spec, {}));
    start.spec.setgroups = SetGroups::Allow;
    EXPECT_FALSE(denies_setgroups(start.spec, Unprivileged));
}

void run_task(const Plan& plan, pid_t child) {
    const Handshake handshake{};
    plan.parent_tasks.at(0).run({child, -1, handshake});
}

TEST(IdMapPlan, FailureNamesTheMapAndTheFile) {
    Start start;
    start.make_user_namespace();
    start.spec.gid_map.push_back({2000, 2000, 1});
    const auto plan = start.compile();
    ASSERT_EQ(plan->parent_tasks.size(), 1U);
    try {
        run_task(*plan, 0); // there is no /proc/0
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_EQ(error.stage(), Stage::IdMap);
        EXPECT_EQ(error.path(), "/proc/0/gid_map");
        EXPECT_THAT(error.what(),
                    ::testing::StartsWith("write the map \"0 100000 1000...\" to '/proc/0/gid_map': No such file"));
    }
}

TEST(IdMapPlan, DeniesSetgroupsBeforeMapping) {
    Start start{.host = Unprivileged};
    start.make_user_namespace();
    start.spec.gid_map = {{0, ::getegid(), 1}};
    const auto plan = start.compile();
    try {
        run_task(*plan, 0);
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_EQ(error.path(), "/proc/0/setgroups") << "the kernel refuses the gid map otherwise";
    }
}

TEST(IdMapPlan, HelpersAreForWhoMayNotMapOthers) {
    Start start;
    EXPECT_FALSE(uses_map_helpers(start.spec, Unprivileged));
    start.make_user_namespace();
    EXPECT_TRUE(uses_map_helpers(start.spec, Unprivileged));
    EXPECT_FALSE(uses_map_helpers(start.spec, {}));
    start.spec.uid_map = {{0, ::geteuid(), 1}};
    EXPECT_TRUE(uses_map_helpers(start.spec, Unprivileged)) << "for the groups";
    start.spec.gid_map = {{7, ::getegid(), 1}};
    EXPECT_FALSE(uses_map_helpers(start.spec, Unprivileged));
}

TEST(HoldPlan, SetsUpAndFinishesWithoutAProcess) {
    Start start;
    start.make(Namespace::Mount);
    start.make(Namespace::Uts);
    start.join(Namespace::Net);
    start.spec.hostname = "held";
    const auto plan = start.compile_holding();
    EXPECT_EQ(plan->new_namespaces, std::uint64_t{CLONE_NEWNS | CLONE_NEWUTS});
    EXPECT_EQ(plan->joins.steps().size(), 1U);
    const auto& steps = plan->steps.steps();
    EXPECT_EQ(steps.back().op, Op::Finish);
    EXPECT_EQ(steps.at(steps.size() - 2).op, Op::AwaitParent) << "the parent takes the namespaces then";
    EXPECT_TRUE(ordered(plan->steps, Op::HostName, Op::Finish));
    EXPECT_EQ(count(plan->steps, Op::Exec) + count(plan->steps, Op::MapFds), 0U);
}

TEST(TimePlan, OffsetsAreWrittenBeforeTheNamespaceIsEntered) {
    Start start;
    start.make(Namespace::Time);
    EXPECT_EQ(start.compile()->new_namespaces, std::uint64_t{CLONE_NEWTIME});
    start.make_user_namespace();
    start.fds.proc = 9;
    start.spec.time_offsets = {.monotonic = std::chrono::milliseconds(-1500), .boottime = std::chrono::hours(1)};
    const auto plan = start.compile();
    EXPECT_EQ(plan->new_namespaces, std::uint64_t{CLONE_NEWUSER}) << "the child makes it";
    EXPECT_FALSE(plan->shares_memory);
    EXPECT_TRUE(ordered(plan->steps, Op::UnshareTime, Op::WriteProc));
    EXPECT_TRUE(ordered(plan->steps, Op::WriteProc, Op::EnterOwnTime));
    EXPECT_TRUE(ordered(plan->steps, Op::EnterOwnTime, Op::NotDumpable)) << "the file is root's after that";
    EXPECT_TRUE(ordered(plan->steps, Op::EnterOwnTime, Op::BecomeRoot));
    const auto write = args<ProcWriteArgs>(plan->steps, Op::WriteProc);
    EXPECT_STREQ(write.path, "self/timens_offsets");
    EXPECT_STREQ(write.text, "monotonic -2 500000000\nboottime 3600 0\n");
    EXPECT_EQ(write.proc, 9);
}

TEST(SysctlPlan, WritesBelowTheHostsProcAfterTheRootHasChanged) {
    Start start;
    start.make(Namespace::Net);
    start.make(Namespace::Mount);
    start.spec.root = Root{.path = "/srv/root"};
    start.spec.sysctls = {{"net.ipv4.conf.eth0/1.forwarding", "1"}};
    EXPECT_TRUE(needs_proc(start.spec));
    const auto plan = start.compile();
    EXPECT_STREQ(args<ProcWriteArgs>(plan->steps, Op::WriteProc).path, "sys/net/ipv4/conf/eth0.1/forwarding");
    EXPECT_EQ(sentence(plan->steps, Op::WriteProc), "write \"1\" to the sysctl 'net.ipv4.conf.eth0/1.forwarding'");
    EXPECT_TRUE(ordered(plan->steps, Op::PivotRoot, Op::WriteProc));
    EXPECT_FALSE(needs_proc({}));
}

TEST(NamespaceName, IsTheKernels) {
    std::vector<std::string_view> names;
    for (const auto& [kind, flag] : Kinds) names.push_back(to_string(kind));
    EXPECT_THAT(names, ElementsAre("mnt", "pid", "net", "uts", "ipc", "user", "cgroup", "time"));
}

} // namespace
} // namespace ct::internal
