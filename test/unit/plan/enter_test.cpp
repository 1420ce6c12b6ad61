// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/sched.h>
#include <sys/resource.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/plan/start.hpp"

/// Plans for one more process of a running container.
namespace ct::internal {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(EnterPlan, JoinsAllNamespacesOfTheFirstProcessAtOnce) {
    const auto plan = Start{}.compile_entering({.pidfd = 17, .namespaces = CLONE_NEWNS | CLONE_NEWPID, .root_fd = -1});
    EXPECT_THAT(listed(plan->joins), ElementsAre(Op::JoinNamespace));
    const auto join = args<JoinArgs>(plan->joins, Op::JoinNamespace);
    EXPECT_EQ(join.fd, 17);
    EXPECT_EQ(join.kinds, unsigned{CLONE_NEWNS | CLONE_NEWPID});
    EXPECT_EQ(plan->joins.info(0).stage, Stage::Enter);
    EXPECT_THAT(listed(plan->steps), ElementsAre(Op::DieWithParent, Op::UnshareFds, Op::ResetSignals, Op::MapFds,
                                                 Op::ParentDeathSignal, Op::UnblockSignals, Op::Exec));
    EXPECT_EQ(plan->new_namespaces, 0U);
}

TEST(EnterPlan, ContainerWithoutAnythingIsEnteredByAPlainChild) {
    const auto plan = Start{}.compile_entering({.pidfd = 17, .namespaces = 0, .root_fd = -1});
    EXPECT_THAT(listed(plan->joins), IsEmpty());
    EXPECT_TRUE(plan->shares_memory);
    EXPECT_FALSE(plan->hides_memory);
}

TEST(EnterPlan, GoesToTheRootBeforeJoiningAndChrootsAfterwards) {
    const auto plan = Start{}.compile_entering({.pidfd = 17, .namespaces = CLONE_NEWUTS, .root_fd = 18});
    EXPECT_THAT(listed(plan->joins), ElementsAre(Op::EnterDirectory, Op::JoinNamespace));
    EXPECT_EQ(args<FdArgs>(plan->joins, Op::EnterDirectory).fd, 18);
    EXPECT_EQ(args<PathArgs>(plan->steps, Op::ChangeRoot).path, nullptr);
    EXPECT_TRUE(ordered(plan->steps, Op::ChangeRoot, Op::MapFds));
}

TEST(EnterPlan, MakesNothingOfTheContainerAgain) {
    Start start;
    for (const Namespace kind : {Namespace::Mount, Namespace::Pid, Namespace::Uts}) start.make(kind);
    start.make_user_namespace();
    start.spec.root = Root{.path = "/srv/root"};
    start.spec.hostname = "box";
    start.spec.default_mounts = true;
    const auto plan =
        start.compile_entering({.pidfd = 17, .namespaces = CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWUTS, .root_fd = -1});
    EXPECT_THAT(listed(plan->steps), ElementsAre(Op::DieWithParent, Op::UnshareFds, Op::ResetSignals, Op::BecomeRoot,
                                                 Op::MapFds, Op::ParentDeathSignal, Op::UnblockSignals, Op::Exec));
    EXPECT_THAT(plan->parent_tasks, IsEmpty());
}

TEST(EnterPlan, HasTheProcessesOwnAttributes) {
    Start start;
    start.process.user = User{33, 34};
    start.process.limits = {{RLIMIT_CORE, 0, 0}};
    start.process.no_new_privileges = true;
    const auto plan = start.compile_entering({.pidfd = 17, .namespaces = CLONE_NEWNS, .root_fd = -1});
    EXPECT_TRUE(ordered(plan->steps, Op::MapFds, Op::ResourceLimit));
    EXPECT_TRUE(ordered(plan->steps, Op::ResourceLimit, Op::SetCredentials));
    EXPECT_TRUE(ordered(plan->steps, Op::SetCredentials, Op::NoNewPrivileges));
}

TEST(EnterPlan, HidesTheHostsMemoryFromThoseInside) {
    const EnterTarget target{.pidfd = 17, .namespaces = CLONE_NEWPID, .root_fd = -1};
    Start start;
    const auto privileged = start.compile_entering(target);
    EXPECT_TRUE(privileged->shares_memory && privileged->hides_memory);
    EXPECT_THAT(listed(privileged->steps), Not(Contains(Op::NotDumpable)));

    start.host = Unprivileged;
    const auto unprivileged = start.compile_entering(target);
    EXPECT_TRUE(!unprivileged->shares_memory && unprivileged->hides_memory);
    EXPECT_TRUE(ordered(unprivileged->joins, Op::NotDumpable, Op::JoinNamespace));

    start.host = {};
    start.callable = true;
    EXPECT_THAT(listed(start.compile_entering(target)->joins), Contains(Op::NotDumpable));
}

TEST(EnterPlan, TimeNamespaceNeedsACopyOfTheMemory) {
    const auto plan = Start{}.compile_entering({.pidfd = 17, .namespaces = CLONE_NEWTIME, .root_fd = -1});
    EXPECT_FALSE(plan->shares_memory);
    EXPECT_THAT(listed(plan->joins), Contains(Op::NotDumpable));
}

} // namespace
} // namespace ct::internal
