// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/magic.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/defaults.hpp"
#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

using ::testing::ElementsAre;

MaskArgs masked(Plan& plan, Spec spec, const std::string& path) {
    spec.masked_paths = {path};
    plan_masks(plan, spec);
    return args<MaskArgs>(plan.steps, Op::MaskPath);
}

TEST(MasksPlan, ReadOnlyPathsComeBeforeMaskedOnes) {
    Plan plan;
    Spec spec;
    spec.masked_paths = {"/a", "/b"};
    spec.read_only_paths = {"/c"};
    plan_masks(plan, spec);
    EXPECT_THAT(listed(plan.steps), ElementsAre(Op::ReadOnlyPath, Op::MaskPath, Op::MaskPath));
    EXPECT_EQ(sentence(plan.steps, Op::ReadOnlyPath), "make read-only the path '/c'");
    EXPECT_EQ(sentence(plan.steps, Op::MaskPath), "mask '/a'mask '/b'");
}

TEST(MasksPlan, OnlyTheImagesOwnFilesAreLookedForFromTheRoot) {
    Plan plan;
    const MaskArgs args = masked(plan, {}, "//etc/./secret/");
    EXPECT_STREQ(args.path, "/etc/secret");
    EXPECT_EQ(args.base, nullptr);
}

TEST(MasksPlan, ProcHasToBeThereIfItIsMounted) {
    Spec spec;
    spec.default_mounts = true;
    Plan plan;
    const MaskArgs args = masked(plan, spec, "/proc/sys/kernel");
    EXPECT_STREQ(args.base, "/proc");
    EXPECT_STREQ(args.below, "sys/kernel");
    EXPECT_EQ(args.magic, std::uint32_t{PROC_SUPER_MAGIC});
    EXPECT_FALSE(args.base_may_be_missing);
}

TEST(MasksPlan, ProcMayBeMissingIfNothingIsMountedThere) {
    Plan plan;
    EXPECT_TRUE(masked(plan, {}, "/proc/sys").base_may_be_missing);
}

TEST(MasksPlan, AnotherMountOnProcIsTakenAsItIs) {
    Spec spec;
    spec.default_mounts = true;
    spec.mounts = {{.source = "/srv", .target = "/proc/"}};
    Plan plan;
    EXPECT_EQ(masked(plan, spec, "/proc/sys").base, nullptr);
    spec.mounts = {{.source = "proc", .target = "/proc", .type = "proc"}};
    Plan other;
    EXPECT_STREQ(masked(other, spec, "/proc/sys").base, "/proc");
}

TEST(MasksPlan, NamesThatOnlyBeginAlikeAreNotProc) {
    for (const char* path : {"/proc", "/process/x", "/system/x"}) {
        Plan plan;
        EXPECT_EQ(masked(plan, {}, path).base, nullptr) << path;
    }
}

TEST(MasksPlan, DefaultMasksAreAllInProcAndSys) {
    Spec spec;
    add_default_masks(spec);
    EXPECT_FALSE(spec.masked_paths.empty());
    EXPECT_FALSE(spec.read_only_paths.empty());
    Plan plan;
    plan_masks(plan, spec);
    for (const MaskArgs& args : all_args<MaskArgs>(plan.steps, Op::MaskPath))
        EXPECT_NE(args.base, nullptr) << args.path;
}

} // namespace
} // namespace ct::internal
