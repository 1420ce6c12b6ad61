// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/mount.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

Spec seeing(CgroupMount mount) {
    Spec spec;
    spec.cgroup.mount = mount;
    return spec;
}

const CgroupView Hybrid{
    {{"/cg/cpu,cpuacct/box", "cpu,cpuacct", {"cpu", "cpuacct"}}, {"/cg/unified/box", "unified", {}}}, true};

TEST(CgroupMountPlan, NothingUnlessWanted) {
    Plan plan;
    plan_cgroup_mount(plan, {}, Hybrid);
    EXPECT_TRUE(plan.steps.empty());
}

TEST(CgroupMountPlan, DirectoriesAndLinksInATmpfs) {
    Plan plan;
    plan_cgroup_mount(plan, seeing(CgroupMount::ReadOnly), Hybrid);
    const auto args = internal::args<CgroupMountArgs>(plan.steps, Op::MountCgroups);
    ASSERT_NE(args.tmpfs, nullptr);
    EXPECT_STREQ(args.tmpfs->target, "/sys/fs/cgroup");
    EXPECT_STREQ(args.tmpfs->type, "tmpfs");
    EXPECT_EQ(args.tmpfs->attributes & MOUNT_ATTR_RDONLY, 0U) << "it has to be filled first";
    EXPECT_EQ(args.tmpfs->tree, -1);
    ASSERT_EQ(args.tree_count, 2U);
    EXPECT_STREQ(args.trees[0].source, "/cg/cpu,cpuacct/box");
    EXPECT_STREQ(args.trees[0].name, "cpu,cpuacct");
    EXPECT_STREQ(args.trees[0].place, "/sys/fs/cgroup/cpu,cpuacct");
    EXPECT_STREQ(args.trees[1].place, "/sys/fs/cgroup/unified");
    ASSERT_EQ(args.link_count, 2U);
    EXPECT_STREQ(args.links[1].name, "cpuacct");
    EXPECT_STREQ(args.links[1].content, "cpu,cpuacct");
    EXPECT_EQ(args.attributes,
              std::uint64_t{MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC});
    EXPECT_EQ(sentence(plan.steps, Op::MountCgroups), "mount the container's cgroups on '/sys/fs/cgroup'");
    EXPECT_EQ(plan.steps.info(0).stage, Stage::Cgroup);
}

TEST(CgroupMountPlan, Version2IsMountedItself) {
    Plan plan;
    plan_cgroup_mount(plan, seeing(CgroupMount::Writable), {{{"/cg/box", "unified", {}}}, false});
    const auto args = internal::args<CgroupMountArgs>(plan.steps, Op::MountCgroups);
    EXPECT_EQ(args.tmpfs, nullptr);
    ASSERT_EQ(args.tree_count, 1U);
    EXPECT_STREQ(args.trees[0].place, "/sys/fs/cgroup");
    EXPECT_EQ(args.attributes & MOUNT_ATTR_RDONLY, 0U);
}

TEST(CgroupMountPlan, ComesAfterAllOtherMounts) {
    Spec spec = seeing(CgroupMount::ReadOnly);
    spec.namespaces[Namespace::Mount] = NewNamespace{};
    spec.mounts = {{.target = "/sys", .type = "sysfs"}};
    FdLayout fds;
    fds.groups.view = Hybrid;
    Plan plan;
    plan_root(plan, spec, fds, {});
    EXPECT_TRUE(ordered(plan.steps, Op::Mount, Op::MountCgroups));
}

TEST(CgroupMountPlan, DelegationIsTheParentsBusiness) {
    Plan plan;
    plan_delegation_task(plan, nullptr);
    EXPECT_FALSE(plan.has_tasks(Await::Birth));
    plan_delegation_task(plan, std::make_shared<const Groups>());
    EXPECT_TRUE(plan.has_tasks(Await::Birth));
}

} // namespace
} // namespace ct::internal
