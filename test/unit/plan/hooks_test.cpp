// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "launch/failure.hpp"
#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::EndsWith;

struct HooksPlan : ::testing::Test {
    Spec spec;
    Plan plan;

    HooksPlan() {
        for (const HookPoint point : {HookPoint::Poststop, HookPoint::CreateContainer, HookPoint::CreateRuntime}) {
            spec.hooks.push_back(
                {.point = point, .command = {.argv = {"/bin/hook", "x"}}, .time_limit = milliseconds(7)});
        }
        plan.hook_state = "{\"pid\":";
        plan.parent_tasks.push_back({Await::Mounted, [](const WaitingChild&) {}});
    }
};

TEST_F(HooksPlan, RunOnceAllIsMountedAndBeforeTheRootIsChanged) {
    spec.namespaces[Namespace::Mount] = NewNamespace{};
    spec.root = Root{.path = "/srv", .read_only = true};
    spec.mounts = {{.source = "tmpfs", .target = "/tmp", .type = "tmpfs"}};
    plan_root(plan, spec, {}, {});
    EXPECT_THAT(listed(plan.steps), ElementsAre(Op::SlavePropagation, Op::AttachRoot, Op::Mount, Op::AwaitParent,
                                                Op::RunCommand, Op::ReadOnlyRoot, Op::PivotRoot));
    EXPECT_EQ(args<AwaitArgs>(plan.steps, Op::AwaitParent).moment, Await::Mounted);
    const auto command = args<CommandArgs>(plan.steps, Op::RunCommand);
    EXPECT_STREQ(command.argv[1], "x");
    EXPECT_EQ(std::string_view(command.state, command.state_length), "{\"pid\":");
    EXPECT_EQ(command.time_limit, 7'000'000);
    EXPECT_EQ(sentence(plan.steps, Op::RunCommand), "run createContainer hook '/bin/hook'");
}

TEST_F(HooksPlan, RunBeforeChrootAndWithoutAnyRoot) {
    spec.root = Root{.path = "/srv"};
    plan_root(plan, spec, {}, {});
    EXPECT_THAT(listed(plan.steps), ElementsAre(Op::AwaitParent, Op::RunCommand, Op::ChangeRoot));
    Plan other;
    plan_root(other, {}, {}, {});
    EXPECT_TRUE(other.steps.empty());
}

TEST(HookHint, TellsTheEndAndTheLastWords) {
    const ExitStatus three{ExitStatus::Kind::Exited, 3, false};
    EXPECT_EQ(hook_hint({}, three, ""), "it exited with code 3");
    EXPECT_EQ(hook_hint({}, three, " \n"), "it exited with code 3");
    EXPECT_EQ(hook_hint({}, three, "one\n\ttwo\n"), "it exited with code 3; it wrote: one two");
    EXPECT_EQ(hook_hint(milliseconds(2000), three, ""), "it was killed after its time limit of 2 s");
    EXPECT_EQ(hook_hint(milliseconds(1500), three, ""), "it was killed after its time limit of 1500 ms");
    const std::string cut = hook_hint({}, three, std::string(4000, 'x') + "\xc3\xa4" + std::string(511, 'y'));
    EXPECT_THAT(cut, EndsWith("; it wrote: ..." + std::string(511, 'y'))) << "no half of a character";
}

} // namespace
} // namespace ct::internal
