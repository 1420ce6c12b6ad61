// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/sched.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
        plan_joins(plan, spec);
        EXPECT_EQ(plan.new_namespaces, flag);
        EXPECT_TRUE(plan.joins.empty());
    }
}

TEST(NamespacesPlan, UserIsJoinedFirstAndMountLast) {
    Spec spec;
    for (const auto& [kind, flag] : Kinds)
        spec.namespaces[kind] = NamespacePath{"/run/" + std::string(to_string(kind))};
    Plan plan;
    plan_joins(plan, spec);
    std::vector<std::string> joined;
    for (const JoinArgs& join : all_args<JoinArgs>(plan.joins, Op::JoinNamespace)) joined.emplace_back(join.path);
    EXPECT_THAT(joined, ElementsAre("/run/user", "/run/pid", "/run/net", "/run/uts", "/run/ipc", "/run/time",
                                    "/run/cgroup", "/run/mnt"));
    EXPECT_EQ(plan.new_namespaces, 0U);
}

TEST(NamespacesPlan, JoinsCheckTheKind) {
    for (const auto& [kind, flag] : Kinds) {
        Spec spec;
        spec.namespaces[kind] = NamespacePath{"/run/ns"};
        Plan plan;
        plan_joins(plan, spec);
        EXPECT_EQ(args<JoinArgs>(plan.joins, Op::JoinNamespace).kinds, flag);
    }
}

TEST(NamespacesPlan, PathAndDescriptorAreNamed) {
    Spec spec;
    spec.namespaces[Namespace::Net] = NamespacePath{"/run/netns/a"};
    spec.namespaces[Namespace::Uts] = NamespaceFd{23};
    Plan plan;
    plan_joins(plan, spec);
    EXPECT_EQ(listed(plan.joins).at(0).sentence, "join net namespace '/run/netns/a'");
    EXPECT_EQ(listed(plan.joins).at(1).sentence, "join uts namespace 'fd 23'");
    EXPECT_EQ(plan.joins.info(0).stage, Stage::Namespaces);
    const auto joins = all_args<JoinArgs>(plan.joins, Op::JoinNamespace);
    EXPECT_STREQ(joins.at(0).path, "/run/netns/a");
    EXPECT_EQ(joins.at(1).path, nullptr);
    EXPECT_EQ(joins.at(1).fd, 23);
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
    const auto plan = start.compile();
    try {
        run_task(*plan, 0);
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_EQ(error.path(), "/proc/0/setgroups") << "the kernel refuses the gid map otherwise";
    }
}

TEST(NamespaceName, IsTheKernels) {
    std::vector<std::string_view> names;
    for (const auto& [kind, flag] : Kinds) names.push_back(to_string(kind));
    EXPECT_THAT(names, ElementsAre("mnt", "pid", "net", "uts", "ipc", "user", "cgroup", "time"));
}

} // namespace
} // namespace ct::internal
