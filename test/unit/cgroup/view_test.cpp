// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/view.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/cgroup/fake_groups.hpp"

namespace ct::internal {
namespace {

using ::testing::ElementsAre;
using Tree = CgroupView::Tree;

Hierarchies host(std::string_view mountinfo) {
    return Hierarchies(mountinfo, "", "", [](const std::string&) { return std::string(); });
}

constexpr std::string_view Version2 = "30 1 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
constexpr std::string_view Hybrid = "30 1 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
                                    "31 1 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
                                    "32 1 0:31 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n";

TEST(CgroupView, OfVersion2IsTheGroupItself) {
    FakeGroups fake;
    fake.add("", {});
    const CgroupView view = view_of(fake.groups(), host(Version2));
    EXPECT_FALSE(view.in_tmpfs);
    EXPECT_THAT(view.trees, ElementsAre(Tree{fake.group("unified").string(), "unified", {}}));
}

TEST(CgroupView, OthersHaveADirectoryForEachHierarchy) {
    FakeGroups fake;
    fake.add("cpu,cpuacct", {Controller::Cpu, Controller::Cpuacct});
    fake.add("name=systemd", {});
    fake.add("memory", {Controller::Memory});
    fake.add("", {});
    const CgroupView view = view_of(fake.groups(), host(Hybrid));
    EXPECT_TRUE(view.in_tmpfs);
    EXPECT_THAT(view.trees, ElementsAre(Tree{fake.group("cpu,cpuacct").string(), "cpu,cpuacct", {"cpu", "cpuacct"}},
                                        Tree{fake.group("name=systemd").string(), "systemd", {}},
                                        Tree{fake.group("memory").string(), "memory", {}},
                                        Tree{fake.group("unified").string(), "unified", {}}));
}

TEST(CgroupView, NamedHierarchyDoesNotMakeAHostHybrid) {
    FakeGroups fake;
    fake.add("", {});
    const std::string mounts = std::string(Version2) + "31 1 0:30 / /run/mine rw - cgroup cgroup rw,name=mine\n";
    EXPECT_FALSE(view_of(fake.groups(), host(mounts)).in_tmpfs);
}

} // namespace
} // namespace ct::internal
