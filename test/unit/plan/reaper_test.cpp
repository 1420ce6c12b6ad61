// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/capability.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

Start reaped() {
    Start start;
    start.process.init = Init::Reaper;
    start.fds = layout_of({{0, 0}});
    start.fds.reaper = {{0, 9}, {1, 9}, {2, 9}, {3, 10}, {4, 11}};
    return start;
}

TEST(ReaperPlan, IsEmptyWithoutOne) {
    const auto plan = Start{}.compile();
    EXPECT_TRUE(plan->reaper.empty());
    EXPECT_THAT(listed(plan->steps), ::testing::Not(::testing::Contains(Op::StartReaper)));
}

TEST(ReaperPlan, ProcessIsSetUpInTheReapersChild) {
    Start start = reaped();
    start.process.new_session = true;
    start.process.user = User{1, 1};
    const auto plan = start.compile();
    for (const Op op : {Op::NewSession, Op::MapFds, Op::SetCredentials, Op::ParentDeathSignal, Op::Exec})
        EXPECT_TRUE(ordered(plan->steps, Op::StartReaper, op)) << static_cast<unsigned>(op);
    EXPECT_TRUE(ordered(plan->steps, Op::RestoreUmask, Op::StartReaper)) << "files are set up by the first process";
    const auto args = internal::args<ReaperArgs>(plan->steps, Op::StartReaper);
    EXPECT_EQ(args.steps.count, plan->reaper.steps().size());
    EXPECT_THAT(listed(plan->reaper), ElementsAre(Op::MapFds, Op::DropBoundingSet, Op::SetCapabilities,
                                                  Op::NoNewPrivileges, Op::ParentDeathSignal, Op::ExecReaper));
    EXPECT_EQ(internal::args<CapabilitySetsArgs>(plan->reaper, Op::SetCapabilities).permitted, 1ULL << CAP_KILL);
    EXPECT_EQ(low_fd_limit(start.fds), 12);
}

TEST(ReaperPlan, TakesNoPrivilegeThatTheHostLacks) {
    Start start = reaped();
    start.host.capabilities = 0;
    const auto plan = start.compile();
    EXPECT_THAT(listed(plan->reaper), ElementsAreArray({Op::MapFds, Op::SetCapabilities, Op::NoNewPrivileges,
                                                        Op::ParentDeathSignal, Op::ExecReaper}));
    EXPECT_EQ(internal::args<CapabilitySetsArgs>(plan->reaper, Op::SetCapabilities).permitted, 0U);
}

TEST(ReaperPlan, PassesOnTheParentDeathSignal) {
    Start start = reaped();
    start.process.parent_death_signal = 15;
    const auto plan = start.compile();
    EXPECT_EQ(internal::args<NumberArgs>(plan->reaper, Op::ParentDeathSignal).value, 15U);
}

} // namespace
} // namespace ct::internal
