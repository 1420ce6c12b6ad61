// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/capability.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

using ::testing::HasSubstr;

struct SeccompPlan : ::testing::Test {
    Start start;

    SeccompPlan() {
        start.process.seccomp.emplace();
        start.process.no_new_privileges = true;
    }
    void deny(std::string name, SeccompAction action) {
        start.process.seccomp->rules.push_back({{std::move(name)}, action});
    }
    [[nodiscard]] std::string refusal() const {
        try {
            (void)start.compile();
        } catch (const Error& error) {
            return error.what();
        }
        return {};
    }
};

TEST_F(SeccompPlan, WithoutAFilterHasNoStepForOne) {
    start.process.seccomp.reset();
    const auto plan = start.compile();
    EXPECT_EQ(count(plan->steps, Op::Seccomp), 0U);
    EXPECT_EQ(count(plan->steps, Op::FindProgram), 0U);
    EXPECT_EQ(plan->filter, nullptr);
}

TEST_F(SeccompPlan, IsLastBeforeExecWithNoNewPrivileges) {
    start.process.user = User{1000, 1000};
    const auto plan = start.compile();
    EXPECT_TRUE(ordered(plan->steps, Op::NoNewPrivileges, Op::Seccomp));
    EXPECT_TRUE(ordered(plan->steps, Op::UnblockSignals, Op::FindProgram));
    EXPECT_TRUE(ordered(plan->steps, Op::FindProgram, Op::Seccomp));
    EXPECT_EQ(plan->steps.steps().back().op, Op::Exec);
    EXPECT_EQ(plan->steps.steps().at(plan->steps.steps().size() - 2).op, Op::Seccomp);
    EXPECT_FALSE(args<SeccompArgs>(plan->steps, Op::Seccomp).awaits_parent);
}

TEST_F(SeccompPlan, ComesBeforeTheChangeOfUserWithoutNoNewPrivileges) {
    start.process.no_new_privileges = false;
    start.process.user = User{1000, 1000};
    start.process.capabilities.emplace();
    const auto plan = start.compile();
    EXPECT_TRUE(ordered(plan->steps, Op::MapFds, Op::Seccomp));
    EXPECT_TRUE(ordered(plan->steps, Op::Seccomp, Op::DropBoundingSet));
    EXPECT_TRUE(ordered(plan->steps, Op::Seccomp, Op::SetCredentials));
    EXPECT_EQ(count(plan->steps, Op::FindProgram), 0U);
}

TEST_F(SeccompPlan, IsLastWhereCapSysAdminIsKept) {
    start.process.no_new_privileges = false;
    start.process.user = User{1000, 1000};
    start.process.capabilities = {"SYS_ADMIN"};
    EXPECT_TRUE(ordered(start.compile()->steps, Op::RaiseAmbient, Op::Seccomp));
    start.process.user.reset();
    start.process.capabilities.reset();
    EXPECT_TRUE(ordered(start.compile()->steps, Op::UnblockSignals, Op::Seccomp));
}

TEST_F(SeccompPlan, ParentWaitsForAListenerAndForACallable) {
    deny("mkdir", SeccompAction::notify());
    auto plan = start.compile();
    EXPECT_TRUE(plan->has_tasks(Await::Filter));
    EXPECT_TRUE(args<SeccompArgs>(plan->steps, Op::Seccomp).awaits_parent);
    EXPECT_FALSE(args<SeccompArgs>(plan->steps, Op::Seccomp).closes_listener); // exec does

    start.callable = true;
    start.process.argv.clear();
    plan = start.compile();
    EXPECT_TRUE(args<SeccompArgs>(plan->steps, Op::Seccomp).closes_listener);
    EXPECT_EQ(plan->steps.steps().back().op, Op::Seccomp);
    deny("close", SeccompAction::kill_process());
    EXPECT_FALSE(args<SeccompArgs>(start.compile()->steps, Op::Seccomp).closes_listener);

    start.process.seccomp->rules.clear();
    plan = start.compile();
    EXPECT_FALSE(plan->has_tasks(Await::Filter));
    EXPECT_TRUE(args<SeccompArgs>(plan->steps, Op::Seccomp).awaits_parent);
    EXPECT_FALSE(args<SeccompArgs>(plan->steps, Op::Seccomp).closes_listener);
}

TEST_F(SeccompPlan, DiesWithTheParentWhileItWaitsIfTheFilterLetsThatBeUndone) {
    start.process.parent_death_signal = 15;
    EXPECT_FALSE(args<SeccompArgs>(start.compile()->steps, Op::Seccomp).dies_with_parent);
    deny("mkdir", SeccompAction::notify());
    const auto waits = args<SeccompArgs>(start.compile()->steps, Op::Seccomp);
    EXPECT_TRUE(waits.dies_with_parent);
    EXPECT_EQ(waits.death_signal, 15U);
    deny("prctl", SeccompAction::fail(1));
    EXPECT_FALSE(args<SeccompArgs>(start.compile()->steps, Op::Seccomp).dies_with_parent);
}

TEST_F(SeccompPlan, FilterThatWouldStopExecIsRefused) {
    deny("execve", SeccompAction::trap());
    EXPECT_THAT(refusal(), HasSubstr("must not kill, trap or notify execve"));
}

TEST_F(SeccompPlan, FilterThatHitsOnlyOtherArgumentsIsNot) {
    start.process.seccomp->rules.push_back({{"execve"}, SeccompAction::kill_process(), {{.argument = 0, .value = 1}}});
    EXPECT_EQ(refusal(), "");
}

TEST_F(SeccompPlan, FilterThatKeepsTheProcessFromEndingIsRefused) {
    deny("exit_group", SeccompAction::fail(1));
    EXPECT_THAT(refusal(), HasSubstr("has to allow exit_group"));
}

TEST_F(SeccompPlan, EarlyFilterMustLetTheRestOfTheSetUpPass) {
    start.process.user = User{1000, 1000};
    for (const char* const name : {"setgroups", "setresgid", "setresuid", "prctl", "rt_sigprocmask", "statx"}) {
        start.process.no_new_privileges = true;
        start.process.seccomp.emplace();
        deny(name, SeccompAction::kill_process());
        EXPECT_EQ(refusal(), "");
        start.process.no_new_privileges = false;
        EXPECT_THAT(refusal(), HasSubstr(name));
        start.process.seccomp.emplace();
        deny(name, SeccompAction::fail(1)); // which is reported
        EXPECT_EQ(refusal(), "");
    }
}

TEST_F(SeccompPlan, EarlyFilterMustLetSingleCallsPass) {
    start.process.no_new_privileges = false;
    start.process.user = User{1000, 1000};
    start.process.session_keyring.emplace();
    deny("keyctl", SeccompAction::fail(1));
    EXPECT_EQ(refusal(), "");
    deny("keyctl", SeccompAction::kill_process());
    EXPECT_EQ(refusal(), ""); // the first rule counts
    start.process.seccomp.emplace();
    deny("keyctl", SeccompAction::kill_process());
    EXPECT_THAT(refusal(), HasSubstr("keyctl"));
    start.process.seccomp.emplace();
    start.process.seccomp->rules = {{{"keyctl"}, SeccompAction::kill_process(), {{.argument = 0, .value = 99}}}};
    EXPECT_EQ(refusal(), "");
}

TEST_F(SeccompPlan, EarlyFilterMustLetTheProgramBeLookedAt) {
    start.spec.root = Root{.path = "/srv"};
    start.process.no_new_privileges = false;
    start.process.capabilities.emplace();
    for (const char* const name : {"openat", "read", "close", "statx"}) {
        start.process.seccomp.emplace();
        deny(name, SeccompAction::fail(1));
        EXPECT_THAT(refusal(), HasSubstr(name));
    }
}

TEST_F(SeccompPlan, EarlyFilterOfACallableMustLetItTellThatItIsReady) {
    start.callable = true;
    start.process.argv.clear();
    deny("futex", SeccompAction::fail(1));
    EXPECT_EQ(refusal(), "");
    start.process.no_new_privileges = false;
    start.process.user = User{1000, 1000};
    EXPECT_THAT(refusal(), HasSubstr("has to allow futex"));
}

TEST_F(SeccompPlan, FilterComesFromTheCache) {
    FilterCache cache;
    start.host.filters = &cache;
    EXPECT_EQ(start.compile()->filter, cache.get(*start.process.seccomp));
}

TEST(LandlockPlan, RulesAreMadeAfterTheUserAndBeforeTheFilter) {
    Start start;
    start.process.no_new_privileges = true;
    start.process.seccomp.emplace();
    start.process.landlock.emplace().paths = {{.path = "/bin", .execute = true}, {.path = "/data", .read = true}};
    std::unique_ptr<Plan> plan;
    try {
        plan = start.compile();
    } catch (const Error& error) {
        GTEST_SKIP() << error.what();
    }
    EXPECT_TRUE(ordered(plan->steps, Op::NoNewPrivileges, Op::LandlockRuleset));
    EXPECT_TRUE(ordered(plan->steps, Op::FindProgram, Op::LandlockRuleset));
    EXPECT_TRUE(ordered(plan->steps, Op::LandlockRuleset, Op::LandlockPath));
    EXPECT_TRUE(ordered(plan->steps, Op::LandlockPath, Op::LandlockEnforce));
    EXPECT_TRUE(ordered(plan->steps, Op::LandlockEnforce, Op::Seccomp));
    const auto paths = all_args<LandlockPathArgs>(plan->steps, Op::LandlockPath);
    ASSERT_EQ(paths.size(), 2U);
    EXPECT_STREQ(paths[0].path, "/bin");
    EXPECT_EQ(paths[0].access, 0b101U);  // execute, read files
    EXPECT_EQ(paths[1].access, 0b1100U); // read files and directories
    const auto ruleset = args<LandlockRulesetArgs>(plan->steps, Op::LandlockRuleset);
    EXPECT_EQ(ruleset.attributes[0] & 0x1fffU, 0x1fffU); // all that every version knows
    EXPECT_EQ(ruleset.attributes[1], 0U);
    EXPECT_EQ(ruleset.attributes[2], 0U);
}

} // namespace
} // namespace ct::internal
