// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/sched.h>
#include <sys/syscall.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

using ::testing::IsEmpty;

Start in_groups() {
    Start start;
    start.fds.groups = {.used = true, .directory = 11, .directory_path = "/v2/box", .tasks = {{12, "/cpu/box/tasks"}}};
    return start;
}

TEST(GroupPlan, NoGroupsCostNothing) {
    const auto plan = Start{}.compile();
    EXPECT_EQ(plan->group, -1);
    EXPECT_THAT(all_args<FdArgs>(plan->steps, Op::JoinGroup), IsEmpty());
    EXPECT_FALSE(plan->needs_vfork);
}

TEST(GroupPlan, VersionTwoIsBornInVersionOneJoinsFirst) {
    const auto plan = in_groups().compile();
    EXPECT_EQ(plan->group, 11);
    EXPECT_EQ(plan->group_path, "/v2/box");
    const auto steps = listed(plan->steps);
    EXPECT_EQ(steps.at(1), Op::JoinGroup);
    EXPECT_EQ(steps.at(1).sentence, "join the cgroup by '/cpu/box/tasks'");
    EXPECT_EQ(all_args<FdArgs>(plan->steps, Op::JoinGroup).at(0).fd, 12);
    EXPECT_EQ(steps.at(2), Op::UnshareFds) << "the file is in the host's descriptor table";
}

TEST(GroupPlan, ACgroupNamespaceIsMadeInTheGroups) {
    Start start = in_groups();
    start.make(Namespace::Cgroup);
    start.make(Namespace::Uts);
    const auto plan = start.compile();
    EXPECT_EQ(plan->new_namespaces, std::uint64_t{CLONE_NEWUTS});
    const auto steps = listed(plan->steps);
    EXPECT_EQ(steps.at(2).sentence, "make a cgroup namespace");
    EXPECT_EQ(all_args<CallArgs>(plan->steps, Op::Call).at(0).number, SYS_unshare);
    Start elsewhere;
    elsewhere.make(Namespace::Cgroup);
    EXPECT_EQ(elsewhere.compile()->new_namespaces, std::uint64_t{CLONE_NEWCGROUP});
}

TEST(GroupPlan, WhoIsInAMemoryGroupOnlyBorrowsTheMemoryOfTheHost) {
    Start start = in_groups();
    start.fds.groups.limits_memory = true;
    EXPECT_TRUE(start.compile()->needs_vfork);
    start.callable = true;
    EXPECT_FALSE(start.compile()->needs_vfork) << "a callable has a copy";
}

TEST(GroupPlan, WhoEntersJoinsTheCgroupNamespaceLast) {
    const Start start = in_groups();
    const auto plan = start.compile_entering({9, CLONE_NEWNS | CLONE_NEWCGROUP, -1, {}, 20});
    const auto early = all_args<JoinArgs>(plan->joins, Op::JoinNamespace);
    ASSERT_EQ(early.size(), 1U);
    EXPECT_EQ(early.at(0).kinds, unsigned{CLONE_NEWNS});
    const auto late = all_args<JoinArgs>(plan->steps, Op::JoinNamespace);
    ASSERT_EQ(late.size(), 1U);
    EXPECT_EQ(late.at(0).kinds, unsigned{CLONE_NEWCGROUP});
    EXPECT_EQ(late.at(0).fd, 20) << "opened by the host";
}

} // namespace
} // namespace ct::internal
