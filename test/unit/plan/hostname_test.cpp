// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

TEST(HostnamePlan, SetsWhatIsNamed) {
    Plan plan;
    Spec spec;
    plan_hostname(plan, spec);
    EXPECT_TRUE(plan.steps.empty());
    spec.hostname = "box";
    spec.domainname = "example";
    plan_hostname(plan, spec);
    EXPECT_THAT(listed(plan.steps), ::testing::ElementsAre(Op::HostName, Op::DomainName));
    const auto name = args<TextArgs>(plan.steps, Op::HostName);
    EXPECT_EQ(std::string_view(name.text, name.length), "box");
    EXPECT_EQ(sentence(plan.steps, Op::HostName), "set the host name to 'box'");
    const auto domain = args<TextArgs>(plan.steps, Op::DomainName);
    EXPECT_EQ(std::string_view(domain.text, domain.length), "example");
    EXPECT_EQ(plan.steps.info(1).stage, Stage::Hostname);
}

} // namespace
} // namespace ct::internal
