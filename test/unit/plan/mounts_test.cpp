// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/mount.h>

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

using ::testing::ElementsAre;

void plan_mounts(Plan& plan, const std::vector<Mount>& mounts) {
    internal::plan_mounts(plan, mounts, {{}, {}});
}

/// The arguments of the one mount; \p plan owns what they point to.
MountArgs planned(Plan& plan, const Mount& mount) {
    plan_mounts(plan, {mount});
    return args<MountArgs>(plan.steps, Op::Mount);
}

TEST(MountsPlan, BindOfADirectory) {
    Plan plan;
    const MountArgs args = planned(plan, {.source = "/tmp", .target = "/a", .recursive = true});
    EXPECT_STREQ(args.source, "/tmp");
    EXPECT_STREQ(args.target, "/a");
    EXPECT_EQ(args.type, nullptr);
    EXPECT_EQ(args.option_count, 0U);
    EXPECT_TRUE(args.recursive);
    EXPECT_FALSE(args.target_is_file);
    EXPECT_EQ(args.attributes, 0U);
    EXPECT_EQ(sentence(plan.steps, Op::Mount), "bind '/tmp' on '/a'");
    EXPECT_EQ(plan.steps.info(0).stage, Stage::Mounts);
}

TEST(MountsPlan, BindOfAFile) {
    Plan plan;
    EXPECT_TRUE(planned(plan, {.source = "/dev/null", .target = "/a"}).target_is_file);
}

TEST(MountsPlan, MissingSourceIsFoundBeforeAnythingIsTouched) {
    Plan plan;
    try {
        plan_mounts(plan, {{.source = "/nowhere/at/all", .target = "/a"}});
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "bind on '/a' from '/nowhere/at/all': No such file or directory");
        EXPECT_EQ(error.stage(), Stage::Mounts);
        EXPECT_EQ(error.path(), "/nowhere/at/all");
    }
}

TEST(MountsPlan, EveryFlagIsAnAttribute) {
    const auto attributes = [](const Mount& mount) {
        Plan plan;
        return planned(plan, mount).attributes;
    };
    EXPECT_EQ(attributes({.source = "/", .target = "/a", .read_only = true}), std::uint64_t{MOUNT_ATTR_RDONLY});
    EXPECT_EQ(attributes({.source = "/", .target = "/a", .no_suid = true}), std::uint64_t{MOUNT_ATTR_NOSUID});
    EXPECT_EQ(attributes({.source = "/", .target = "/a", .no_dev = true}), std::uint64_t{MOUNT_ATTR_NODEV});
    EXPECT_EQ(attributes({.source = "/", .target = "/a", .no_exec = true}), std::uint64_t{MOUNT_ATTR_NOEXEC});
    EXPECT_EQ(
        attributes(
            {.target = "/a", .type = "tmpfs", .read_only = true, .no_suid = true, .no_dev = true, .no_exec = true}),
        std::uint64_t{MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC});
}

TEST(MountsPlan, FlagsAreThereForMountToo) {
    Plan plan;
    const MountArgs args = planned(plan, {.source = "/",
                                          .target = "/a",
                                          .read_only = true,
                                          .no_symlinks = true,
                                          .access_time = AccessTime::Never,
                                          .no_directory_access_time = true,
                                          .propagation = Propagation::Private});
    EXPECT_EQ(args.attributes,
              std::uint64_t{MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSYMFOLLOW | MOUNT_ATTR_NOATIME | MOUNT_ATTR_NODIRATIME});
    EXPECT_EQ(args.cleared, std::uint64_t{MOUNT_ATTR__ATIME});
    EXPECT_EQ(args.flags, 1U | 256U | 1024U | 2048U);
    EXPECT_EQ(args.propagation, 1U << 18U);
}

TEST(MountsPlan, AccessTimesAreSetOnlyIfAskedFor) {
    const auto cleared = [](AccessTime time) {
        Plan plan;
        return planned(plan, {.source = "/", .target = "/a", .access_time = time}).cleared;
    };
    EXPECT_EQ(cleared(AccessTime::Default), 0U);
    for (const AccessTime time : {AccessTime::Relative, AccessTime::Strict, AccessTime::Never}) {
        EXPECT_EQ(cleared(time), std::uint64_t{MOUNT_ATTR__ATIME});
    }
}

TEST(MountsPlan, PreparedTreeIsTaken) {
    Plan plan;
    const std::map<internal::MountKey, int> trees{{{"/b", 0}, 7}};
    internal::plan_mounts(plan, {{.source = "/", .target = "/a"}, {.source = "/", .target = "/b"}}, {trees, {}});
    const auto args = all_args<MountArgs>(plan.steps, Op::Mount);
    EXPECT_EQ(args.at(0).tree, -1);
    EXPECT_EQ(args.at(1).tree, 7);
}

TEST(MountsPlan, HooksStandAroundTheirMount) {
    Plan plan;
    const HookTable hooks{
        {{"/b", 0}, {.before = {HookCommand{.argv = {"/bin/one", "x"}}}, .after = {[] { return 3; }}}}};
    internal::plan_mounts(plan, {{.target = "/a", .type = "tmpfs"}, {.target = "/b", .type = "tmpfs"}}, {{}, hooks});
    EXPECT_THAT(listed(plan.steps), ElementsAre(Op::Mount, Op::RunCommand, Op::Mount, Op::RunCallable));
    EXPECT_EQ(sentence(plan.steps, Op::RunCommand), "run '/bin/one' before the mount on '/b'");
    EXPECT_EQ(sentence(plan.steps, Op::RunCallable), "run a callable after the mount on '/b'");
    const auto command = args<CommandArgs>(plan.steps, Op::RunCommand);
    EXPECT_STREQ(command.candidates[0], "/bin/one");
    EXPECT_STREQ(command.argv[1], "x");
    EXPECT_EQ(command.directory, nullptr);
    const auto callable = args<CallableArgs>(plan.steps, Op::RunCallable);
    EXPECT_EQ(callable.call(callable.callable), 3);
    EXPECT_TRUE(has_callables(hooks));
    EXPECT_FALSE(has_callables({{{"/b", 0}, {.before = {HookCommand{.argv = {"x"}}}}}}));
}

TEST(MountsPlan, StackedMountsHaveTheirOwnTreesAndHooks) {
    Plan plan;
    const std::map<internal::MountKey, int> trees{{{"/a", 0}, 7}, {{"/a", 2}, 9}};
    const HookTable hooks{{{"/a", 1}, {.before = {HookCommand{.argv = {"/bin/one"}}}, .after = {}}}};
    const Mount mount{.source = "/", .target = "/a"};
    internal::plan_mounts(plan, {mount, mount, mount}, {trees, hooks});
    EXPECT_THAT(listed(plan.steps), ElementsAre(Op::Mount, Op::RunCommand, Op::Mount, Op::Mount));
    const auto args = all_args<MountArgs>(plan.steps, Op::Mount);
    EXPECT_EQ(args.at(0).tree, 7);
    EXPECT_EQ(args.at(1).tree, -1);
    EXPECT_EQ(args.at(2).tree, 9);
}

TEST(MountsPlan, OptionsAreFlagsAndValues) {
    Plan plan;
    const MountArgs args = planned(
        plan, {.source = "scratch", .target = "/a", .type = "tmpfs", .options = {"noswap", "size=1m", "x=", "y=a=b"}});
    EXPECT_STREQ(args.source, "scratch");
    EXPECT_STREQ(args.type, "tmpfs");
    ASSERT_EQ(args.option_count, 4U);
    EXPECT_STREQ(args.data, "noswap,size=1m,x=,y=a=b");
    EXPECT_STREQ(args.options[0].key, "noswap");
    EXPECT_EQ(args.options[0].value, nullptr);
    EXPECT_STREQ(args.options[1].key, "size");
    EXPECT_STREQ(args.options[1].value, "1m");
    EXPECT_STREQ(args.options[2].key, "x");
    EXPECT_STREQ(args.options[2].value, "");
    EXPECT_STREQ(args.options[3].key, "y");
    EXPECT_STREQ(args.options[3].value, "a=b");
    EXPECT_EQ(sentence(plan.steps, Op::Mount), "mount tmpfs on '/a'");
}

TEST(MountsPlan, OptionWithACommaIsOnlyForTheNewInterface) {
    Plan plan;
    const MountArgs args = planned(plan, {.target = "/a", .type = "overlay", .options = {"a=1", "lowerdir=/x,y"}});
    EXPECT_EQ(args.data, nullptr);
    EXPECT_STREQ(args.options[1].value, "/x,y");
}

TEST(MountsPlan, RelativeSourceIsThatOfTheHostsDirectory) {
    Plan plan;
    const std::string expected = std::filesystem::current_path() / ".";
    EXPECT_EQ(planned(plan, {.source = ".", .target = "/a"}).source, expected);
    EXPECT_EQ(sentence(plan.steps, Op::Mount), "bind '.' on '/a'");
}

TEST(MountsPlan, FileSystemWithoutASourceShowsItsType) {
    Plan plan;
    EXPECT_STREQ(planned(plan, {.source = "", .target = "/a", .type = "tmpfs"}).source, "tmpfs");
}

TEST(MountsPlan, KeepsTheOrder) {
    Plan plan;
    plan_mounts(
        plan,
        {{.target = "/b", .type = "tmpfs"}, {.target = "/a", .type = "tmpfs"}, {.target = "/b/c", .type = "tmpfs"}});
    std::vector<std::string> targets;
    for (const MountArgs& args : all_args<MountArgs>(plan.steps, Op::Mount)) targets.emplace_back(args.target);
    EXPECT_THAT(targets, ElementsAre("/b", "/a", "/b/c"));
}

} // namespace
} // namespace ct::internal
