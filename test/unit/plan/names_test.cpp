// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/mount.h>

#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

using ::testing::ElementsAre;

TEST(NamesPlan, IsNothingUnlessAskedFor) {
    Plan plan;
    plan_names(plan, {});
    EXPECT_TRUE(plan.steps.empty());
}

TEST(NamesPlan, MakesEachFileAndBindsIt) {
    Plan plan;
    Spec spec;
    spec.hostname = "web";
    spec.network.names = Names{.servers = {"192.0.2.1"}};
    plan_names(plan, spec);
    EXPECT_THAT(listed(plan.steps),
                ElementsAre(Op::MakeNameFiles, Op::BindNameFile, Op::BindNameFile, Op::BindNameFile));
    const auto made = args<NameFilesArgs>(plan.steps, Op::MakeNameFiles);
    ASSERT_EQ(made.count, 3U);
    EXPECT_STREQ(made.files[0].name, "resolv.conf");
    EXPECT_EQ(std::string_view(made.files[0].text, made.files[0].length), "nameserver 192.0.2.1\n");
    EXPECT_STREQ(made.files[2].name, "hostname");
    EXPECT_EQ(std::string_view(made.files[2].text, made.files[2].length), "web\n");
    const auto bound = all_args<NameFileArgs>(plan.steps, Op::BindNameFile);
    EXPECT_STREQ(bound[1].name, "hosts");
    EXPECT_STREQ(bound[1].target, "/etc/hosts");
    EXPECT_NE(bound[1].attributes & MOUNT_ATTR_RDONLY, 0U);
    EXPECT_FALSE(bound[1].last);
    EXPECT_TRUE(bound[2].last);
    EXPECT_EQ(plan.steps.info(1).path, "/etc/resolv.conf"); // by which a created mount point is found again
}

TEST(NamesPlan, LeavesThemWritableIfAskedTo) {
    Plan plan;
    Spec spec;
    spec.network.names = Names{.servers = {"192.0.2.1"}, .writable = true};
    plan_names(plan, spec);
    for (const auto& bound : all_args<NameFileArgs>(plan.steps, Op::BindNameFile)) EXPECT_EQ(bound.attributes, 0U);
}

} // namespace
} // namespace ct::internal
