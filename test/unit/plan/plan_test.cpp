// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "plan/plan.hpp"

#include <cstdint>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Plan, OwnsTextAndArrays) {
    Plan plan;
    std::string source = "text";
    std::vector<int> numbers{1, 2, 3};
    const char* const text = plan.text(source);
    const int* const array = plan.array(numbers);
    source.assign("xxxx");
    numbers.assign(3, 0);
    EXPECT_STREQ(text, "text");
    EXPECT_STREQ(plan.text("a", std::string("b"), std::string_view("cd").substr(1)), "abd");
    EXPECT_THAT(std::vector<int>(array, array + 3), ElementsAre(1, 2, 3));
}

TEST(Plan, StringsEndWithNull) {
    Plan plan;
    const char* const* strings = plan.strings(std::vector<std::string>{"a", "", "c"});
    EXPECT_STREQ(strings[0], "a");
    EXPECT_STREQ(strings[1], "");
    EXPECT_STREQ(strings[2], "c");
    EXPECT_EQ(strings[3], nullptr);
    EXPECT_EQ(plan.strings(std::vector<std::string_view>{})[0], nullptr);
}

TEST(Plan, CopiesArgumentsAligned) {
    Plan plan;
    (void)plan.text("1"); // puts what follows at an odd place
    {
        const LimitArgs limit{7, {1, 2}};
        plan.steps.add(Op::ResourceLimit, limit, {Stage::Limits, "limit"});
    }
    plan.steps.add(Op::ResetSignals, {Stage::Launch, "reset"});
    const auto* const copy = static_cast<const LimitArgs*>(plan.steps.steps()[0].args);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(copy) % alignof(LimitArgs), 0U);
    EXPECT_EQ(copy->resource, 7);
    EXPECT_EQ(copy->limit[1], 2U);
    EXPECT_EQ(plan.steps.steps()[1].args, nullptr);
}

TEST(Plan, ListsStepsInOrderWithTheirSentences) {
    Plan plan;
    EXPECT_TRUE(plan.steps.empty());
    plan.steps.add(Op::NewSession, {Stage::Process, "setsid"});
    plan.steps.add(Op::PivotRoot, {Stage::Root, "pivot_root to", "/srv"});
    EXPECT_EQ(plan.steps.list().count, 2U);
    EXPECT_EQ(plan.steps.list().steps, plan.steps.steps().data());
    EXPECT_THAT(listed(plan.steps), ElementsAre(Op::NewSession, Op::PivotRoot));
    EXPECT_EQ(plan.steps.info(1).stage, Stage::Root);
    EXPECT_EQ(plan.steps.info(1).path, "/srv");
    EXPECT_THROW((void)plan.steps.info(2), std::out_of_range);
    EXPECT_THAT(listed(plan.joins), IsEmpty());
}

} // namespace
} // namespace ct::internal
