// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

std::vector<std::string> strings(const char* const* array) {
    std::vector<std::string> result;
    for (; *array != nullptr; ++array) result.emplace_back(*array);
    return result;
}

/// What the child is given; copied out of the plan.
struct Executed {
    std::vector<std::string> candidates;
    std::vector<std::string> argv;
    std::vector<std::string> environment;
    std::string sentence;
};

Executed executed(const ProcessSpec& process) {
    Plan plan;
    plan_exec(plan, process, false);
    const auto exec = args<ExecArgs>(plan.steps, Op::Exec);
    EXPECT_EQ(strings(exec.candidates), plan.exec_candidates);
    EXPECT_THAT(listed(plan.steps), ElementsAre(Op::UnblockSignals, Op::Exec));
    return {plan.exec_candidates, strings(exec.argv), strings(exec.envp), sentence(plan.steps, Op::Exec)};
}

/// The paths tried for `tool` in that environment.
std::vector<std::string> looked_for(std::vector<std::string> environment) {
    return executed({.argv = {"tool"}, .environment = std::move(environment)}).candidates;
}

TEST(ExecPlan, PathIsExecutedAsItIs) {
    for (const char* path : {"/bin/tool", "./tool", "bin/tool"}) {
        const Executed exec = executed({.argv = {path, "-v", ""}, .environment = {{"PATH=/a"}}});
        EXPECT_THAT(exec.candidates, ElementsAre(path));
        EXPECT_THAT(exec.argv, ElementsAre(path, "-v", ""));
        EXPECT_EQ(exec.sentence, "exec '" + std::string(path) + "'");
    }
}

TEST(ExecPlan, SearchPathStandsInForThatOfTheEnvironment) {
    const Executed exec = executed({.argv = {"tool"}, .search_path = "/c", .environment = {{"PATH=/a:/b"}}});
    EXPECT_THAT(exec.candidates, ElementsAre("/c/tool"));
    EXPECT_THAT(exec.environment, ElementsAre("PATH=/a:/b"));
}

TEST(ExecPlan, ExecutableStandsInForTheFirstArgument) {
    const Executed exec =
        executed({.argv = {"-sh"}, .executable = "/bin/sh", .environment = std::vector<std::string>{}});
    EXPECT_THAT(exec.candidates, ElementsAre("/bin/sh"));
    EXPECT_THAT(exec.argv, ElementsAre("-sh"));
    EXPECT_EQ(exec.sentence, "exec '/bin/sh'");
    EXPECT_THAT(executed({.argv = {"/x/y"}, .executable = "tool", .environment = {{"PATH=/a:/b"}}}).candidates,
                ElementsAre("/a/tool", "/b/tool"));
}

TEST(ExecPlan, NameIsLookedForAlongPath) {
    EXPECT_THAT(looked_for({"PATH=/a:/b/c"}), ElementsAre("/a/tool", "/b/c/tool"));
    EXPECT_THAT(looked_for({"PATH=/a", "XPATH=/x", "PATHX=/y"}), ElementsAre("/a/tool"));
}

TEST(ExecPlan, EmptyEntryOfPathIsTheWorkingDirectory) {
    EXPECT_THAT(looked_for({"PATH=/a::/b"}), ElementsAre("/a/tool", "tool", "/b/tool"));
    EXPECT_THAT(looked_for({"PATH=:/a"}), ElementsAre("tool", "/a/tool"));
    EXPECT_THAT(looked_for({"PATH=/a:"}), ElementsAre("/a/tool", "tool"));
}

TEST(ExecPlan, WithoutPathTheUsualDirectoriesAreSearched) {
    EXPECT_THAT(looked_for({}), ElementsAre("/usr/local/sbin/tool", "/usr/local/bin/tool", "/usr/sbin/tool",
                                            "/usr/bin/tool", "/sbin/tool", "/bin/tool"));
}

TEST(ExecPlan, PathIsTheProcessesOwn) {
    EXPECT_THAT(
        executed({.argv = {"tool"}, .environment = {{"PATH=/a"}}, .add_environment = {{"PATH", "/b"}}}).candidates,
        ElementsAre("/b/tool"));
    EXPECT_THAT(executed({.argv = {"tool"}, .add_environment = {{"PATH", "/only/here"}}}).candidates,
                ElementsAre("/only/here/tool"));
}

TEST(ExecPlan, EnvironmentIsReplacedAndAddedTo) {
    const Executed exec = executed(
        {.argv = {"/bin/tool"}, .environment = {{"A=1", "B=2", "AB=3"}}, .add_environment = {{"B", "x=y"}, {"C", ""}}});
    EXPECT_THAT(exec.environment, ElementsAre("A=1", "AB=3", "B=x=y", "C="));
}

TEST(ExecPlan, EmptyEnvironmentIsEmpty) {
    EXPECT_THAT(executed({.argv = {"/bin/tool"}, .environment = std::vector<std::string>{}}).environment,
                ElementsAre());
}

TEST(ExecPlan, EnvironmentIsInherited) {
    ASSERT_EQ(::setenv("CT_UNIT_KEPT", "1", 1), 0);
    ASSERT_EQ(::setenv("CT_UNIT_REPLACED", "1", 1), 0);
    const auto environment =
        executed({.argv = {"/bin/tool"}, .add_environment = {{"CT_UNIT_REPLACED", "2"}}}).environment;
    ::unsetenv("CT_UNIT_KEPT");
    ::unsetenv("CT_UNIT_REPLACED");
    EXPECT_THAT(environment, Contains("CT_UNIT_KEPT=1"));
    EXPECT_THAT(environment, Contains("CT_UNIT_REPLACED=2"));
    EXPECT_THAT(environment, Not(Contains("CT_UNIT_REPLACED=1")));
}

TEST(CallablePlan, EnvironmentIsTheHostsUnlessSetOtherwise) {
    Plan plan;
    plan_callable(plan, {});
    EXPECT_THAT(listed(plan.steps), ElementsAre(Op::UnblockSignals));
    EXPECT_EQ(plan.environment, nullptr);

    Plan replaced;
    plan_callable(replaced, {.environment = {{"A=1", "B=2"}}, .add_environment = {{"B", "3"}}});
    EXPECT_THAT(strings(replaced.environment), ElementsAre("A=1", "B=3"));

    Plan emptied;
    plan_callable(emptied, {.environment = std::vector<std::string>{}});
    EXPECT_THAT(strings(emptied.environment), ElementsAre());

    ASSERT_EQ(::setenv("CT_UNIT_KEPT", "1", 1), 0);
    Plan added;
    plan_callable(added, {.add_environment = {{"CT_UNIT_ADDED", "2"}}});
    ::unsetenv("CT_UNIT_KEPT");
    EXPECT_THAT(strings(added.environment), Contains("CT_UNIT_KEPT=1"));
    EXPECT_THAT(strings(added.environment), Contains("CT_UNIT_ADDED=2"));
}

} // namespace
} // namespace ct::internal
