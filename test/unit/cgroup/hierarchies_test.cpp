// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cgroup/hierarchies.hpp"

namespace ct::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view Controllers = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"
                                         "cpuset\t3\t1\t1\n"
                                         "cpu\t1\t1\t1\n"
                                         "cpuacct\t1\t1\t1\n"
                                         "blkio\t7\t1\t1\n"
                                         "memory\t4\t27\t1\n"
                                         "devices\t5\t1\t1\n"
                                         "freezer\t6\t1\t1\n"
                                         "net_cls\t2\t1\t1\n"
                                         "perf_event\t0\t1\t1\n"
                                         "net_prio\t2\t1\t1\n"
                                         "hugetlb\t0\t1\t1\n"
                                         "pids\t8\t1\t1\n"
                                         "debug\t0\t1\t1\n";

/// A host as its files in /proc show it.
struct Host {
    std::string mounts;
    std::string groups;
    std::map<std::string, std::string> version_2 = {}; ///< cgroup.controllers by directory.
    std::string_view controllers = Controllers;

    [[nodiscard]] Hierarchies detect() const {
        return Hierarchies(mounts, controllers, groups, [&](const std::string& directory) {
            const auto found = version_2.find(directory);
            return found == version_2.end() ? std::string{} : found->second;
        });
    }
};

std::string place_of(const Hierarchies& hierarchies, Controller controller) {
    const Hierarchy* const found = hierarchies.find(controller);
    return found == nullptr ? "nowhere" : std::to_string(found->version) + " " + found->mount_point;
}

const std::string Version1Mounts =
    "20 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
    "31 20 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/systemd rw,nosuid shared:9 - cgroup cgroup "
    "rw,xattr,release_agent=/lib/systemd/systemd-cgroups-agent,name=systemd\n"
    "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "34 31 0:31 / /sys/fs/cgroup/net_cls,net_prio rw - cgroup cgroup rw,net_cls,net_prio\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "36 31 0:33 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n"
    "37 31 0:34 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,clone_children,freezer\n";
const std::string Version1Groups = "6:freezer:/\n5:blkio:/\n4:memory:/user.slice\n3:net_cls,net_prio:/\n"
                                   "2:cpu,cpuacct:/user.slice/session\n1:name=systemd:/user.slice/session\n";

TEST(Hierarchies, CoMountedControllersOfVersion1ShareAHierarchy) {
    const Hierarchies found = Host{Version1Mounts, Version1Groups}.detect();
    EXPECT_EQ(found.all().size(), 6U);
    EXPECT_EQ(found.unified(), nullptr);
    EXPECT_EQ(place_of(found, Controller::Cpu), "1 /sys/fs/cgroup/cpu,cpuacct");
    EXPECT_EQ(found.find(Controller::Cpu), found.find(Controller::Cpuacct));
    EXPECT_EQ(found.find(Controller::NetCls), found.find(Controller::NetPrio));
    EXPECT_EQ(found.find(Controller::NetCls)->name, "net_cls,net_prio");
    EXPECT_EQ(place_of(found, Controller::Io), "1 /sys/fs/cgroup/blkio");
    EXPECT_EQ(place_of(found, Controller::Pids), "nowhere");
}

TEST(Hierarchies, ANamedHierarchyHasNoControllers) {
    const Hierarchies found = Host{Version1Mounts, Version1Groups}.detect();
    EXPECT_EQ(found.all().front().name, "name=systemd");
    EXPECT_THAT(found.all().front().controllers, IsEmpty());
}

TEST(Hierarchies, OptionsThatAreNoControllersAreNotPartOfTheName) {
    const Hierarchies found = Host{Version1Mounts, Version1Groups}.detect();
    EXPECT_EQ(found.find(Controller::Freezer)->name, "freezer");
}

TEST(Hierarchies, AControllerThatIsNotUsedIsPartOfTheName) {
    const Hierarchies found = Host{"35 31 0:32 / /cg rw - cgroup cgroup rw,pids,debug\n", "7:pids,debug:/a\n"}.detect();
    EXPECT_EQ(found.find(Controller::Pids)->name, "pids,debug");
    EXPECT_EQ(found.find(Controller::Pids)->own_group, "/a");
}

TEST(Hierarchies, OfTwoVersionsEachControllerIsWhereItWasMounted) {
    const Hierarchies found = Host{
        Version1Mounts + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n",
        Version1Groups + "0::/\n",
        {{"/sys/fs/cgroup/unified",
          "hugetlb pids\n"}}}.detect();
    EXPECT_EQ(place_of(found, Controller::Memory), "1 /sys/fs/cgroup/memory");
    EXPECT_EQ(place_of(found, Controller::Freezer), "1 /sys/fs/cgroup/freezer");
    EXPECT_EQ(place_of(found, Controller::Hugetlb), "2 /sys/fs/cgroup/unified");
    EXPECT_EQ(place_of(found, Controller::Pids), "2 /sys/fs/cgroup/unified");
    EXPECT_EQ(place_of(found, Controller::PerfEvent), "2 /sys/fs/cgroup/unified");
    EXPECT_EQ(place_of(found, Controller::Devices), "2 /sys/fs/cgroup/unified");
    ASSERT_NE(found.unified(), nullptr);
    EXPECT_TRUE(found.unified()->ns_delegate);
}

TEST(Hierarchies, AnEmptyListOfVersion2LeavesWhatNeedsNoController) {
    const Hierarchies found = Host{"41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/\n"}.detect();
    EXPECT_FALSE(found.unified()->ns_delegate);
    EXPECT_THAT(found.unified()->controllers,
                ElementsAre(Controller::Cpuacct, Controller::Devices, Controller::Freezer, Controller::PerfEvent));
}

TEST(Hierarchies, Version2AloneHasAllOfItsControllers) {
    const Hierarchies found = Host{"41 31 0:38 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
                                   "0::/system.slice/x.service\n",
                                   {{"/sys/fs/cgroup", "cpuset cpu io memory hugetlb pids rdma misc later\n"}}}
                                  .detect();
    for (const Controller controller : {Controller::Cpu, Controller::Io, Controller::Memory, Controller::Misc})
        EXPECT_EQ(place_of(found, controller), "2 /sys/fs/cgroup");
    EXPECT_EQ(found.unified()->own_group, "/system.slice/x.service");
    EXPECT_THAT(found.missing(Controller::NetCls), HasSubstr("mount -t cgroup -o net_cls"));
}

TEST(Hierarchies, AMountThatShowsTheOwnGroupAsItsRootHasItThere) {
    const Hierarchies found =
        Host{"35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", "4:memory:/docker/abc\n"}
            .detect();
    EXPECT_EQ(found.find(Controller::Memory)->own_group, "");
    EXPECT_EQ(found.find(Controller::Memory)->root, "/docker/abc");
}

TEST(Hierarchies, AGroupBelowTheRootOfAMountIsFoundThere) {
    const Hierarchies found =
        Host{"35 31 0:32 /docker/abc /m rw - cgroup cgroup rw,memory\n", "4:memory:/docker/abc/in/it\n"}.detect();
    EXPECT_EQ(found.find(Controller::Memory)->own_group, "/in/it");
}

TEST(Hierarchies, AGroupWhoseNameOnlyBeginsLikeTheRootIsNotInTheMount) {
    const Hierarchies found =
        Host{"35 31 0:32 /docker/abc /m rw - cgroup cgroup rw,memory\n", "4:memory:/docker/abcdef\n"}.detect();
    EXPECT_EQ(found.find(Controller::Memory)->own_group, std::nullopt);
}

TEST(Hierarchies, WhatLiesOutsideTheCgroupNamespaceHasNoName) {
    const Hierarchies outer = Host{"35 31 0:32 /../.. /m rw - cgroup cgroup rw,memory\n", "4:memory:/\n"}.detect();
    EXPECT_EQ(outer.find(Controller::Memory)->own_group, std::nullopt);
    const Hierarchies moved = Host{"35 31 0:32 / /m rw - cgroup cgroup rw,memory\n", "4:memory:/../other\n"}.detect();
    EXPECT_EQ(moved.find(Controller::Memory)->own_group, std::nullopt);
    const Hierarchies dots = Host{"35 31 0:32 / /m rw - cgroup cgroup rw,memory\n", "4:memory:/..group\n"}.detect();
    EXPECT_EQ(dots.find(Controller::Memory)->own_group, "/..group");
}

TEST(Hierarchies, PathsWithWhiteSpaceAreUnescaped) {
    const Hierarchies found =
        Host{"35 31 0:32 /a\\040b /mnt/c\\011d\\134e rw - cgroup cgroup rw,memory\n", ""}.detect();
    EXPECT_EQ(found.find(Controller::Memory)->root, "/a b");
    EXPECT_EQ(found.find(Controller::Memory)->mount_point, "/mnt/c\td\\e");
}

TEST(Hierarchies, OfSeveralMountsTheFirstThatIsWritableIsUsed) {
    const Hierarchies found = Host{"35 31 0:32 / /first ro - cgroup cgroup rw,memory\n"
                                   "36 31 0:32 / /second rw - cgroup cgroup ro,memory\n"
                                   "37 31 0:32 / /third rw - cgroup cgroup rw,memory\n"
                                   "38 31 0:32 / /fourth rw - cgroup cgroup rw,memory\n",
                                   ""}
                                  .detect();
    EXPECT_EQ(found.all().size(), 1U);
    EXPECT_EQ(place_of(found, Controller::Memory), "1 /third");
    EXPECT_TRUE(found.find(Controller::Memory)->writable);
}

TEST(Hierarchies, OfSeveralMountsOneThatShowsTheOwnGroupIsPreferred) {
    const Hierarchies found = Host{"35 31 0:32 /other /first rw - cgroup cgroup rw,memory\n"
                                   "36 31 0:32 /mine /second rw - cgroup cgroup rw,memory\n",
                                   "4:memory:/mine\n"}
                                  .detect();
    EXPECT_EQ(place_of(found, Controller::Memory), "1 /second");
}

TEST(Hierarchies, AReadOnlyMountIsNotWritable) {
    const Hierarchies found = Host{"35 31 0:32 / /m ro - cgroup2 cgroup2 rw\n", ""}.detect();
    EXPECT_FALSE(found.unified()->writable);
}

TEST(Hierarchies, AMountUnderAnotherIsNotUsed) {
    const Hierarchies found =
        Host{Version1Mounts + "50 35 0:50 / /sys/fs/cgroup/memory rw - fuse.lxcfs lxcfs rw\n", Version1Groups}.detect();
    EXPECT_EQ(place_of(found, Controller::Memory), "nowhere");
    EXPECT_THAT(found.missing(Controller::Memory), HasSubstr("/sys/fs/cgroup/memory is hidden"));
    EXPECT_EQ(place_of(found, Controller::Freezer), "1 /sys/fs/cgroup/freezer");
}

TEST(Hierarchies, WhatIsMountedOverTheDirectoryOfAllHidesThemAll) {
    const Hierarchies found = Host{Version1Mounts + "50 31 0:50 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
                                                    "51 50 0:51 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n",
                                   Version1Groups}
                                  .detect();
    EXPECT_EQ(found.all().size(), 1U);
    EXPECT_EQ(place_of(found, Controller::Pids), "1 /sys/fs/cgroup/pids");
}

TEST(Hierarchies, WhatIsMountedOverAParentDirectoryHidesTheMount) {
    const Hierarchies found = Host{"20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
                                   "35 20 0:32 / /a/b/c rw - cgroup cgroup rw,memory\n"
                                   "36 20 0:33 / /a/b rw - tmpfs tmpfs rw\n"
                                   "37 20 0:34 / /a/b/cc rw - cgroup cgroup rw,pids\n"
                                   "38 20 0:35 / /a/bb rw - cgroup cgroup rw,cpu\n",
                                   ""}
                                  .detect();
    EXPECT_EQ(place_of(found, Controller::Memory), "nowhere");
    EXPECT_EQ(place_of(found, Controller::Pids), "nowhere");
    EXPECT_EQ(place_of(found, Controller::Cpu), "1 /a/bb");
}

TEST(Hierarchies, AMountOverAnotherOfTheSameKindIsUsed) {
    const Hierarchies found = Host{"35 31 0:32 / /m ro - cgroup2 cgroup2 rw\n"
                                   "36 35 0:32 /a /m rw - cgroup2 cgroup2 rw\n",
                                   ""}
                                  .detect();
    ASSERT_EQ(found.all().size(), 1U);
    EXPECT_EQ(found.unified()->root, "/a");
}

TEST(Hierarchies, AControllerSwitchedOffAtBootIsSaidToBe) {
    const Hierarchies found = Host{"", "", {}, "memory\t0\t1\t0\nblkio\t0\t1\t0\n"}.detect();
    EXPECT_THAT(found.missing(Controller::Memory), HasSubstr("switched off on the kernel's command line"));
    EXPECT_THAT(found.missing(Controller::Io), HasSubstr("switched off"));
    EXPECT_THAT(found.missing(Controller::Pids), HasSubstr("no cgroup mount in /proc/self/mountinfo has it"));
}

TEST(Hierarchies, WhatIsNotListedInVersion2SaysWhereItWasLookedFor) {
    const Hierarchies found =
        Host{"41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "", {{"/sys/fs/cgroup", "cpu"}}}.detect();
    EXPECT_THAT(found.missing(Controller::Memory), HasSubstr("/sys/fs/cgroup/cgroup.controllers does not list it"));
}

TEST(Hierarchies, MalformedLinesAreSkipped) {
    const Hierarchies found = Host{"\n35 31 0:32 / /m rw cgroup cgroup rw,memory\n"
                                   "35 31 - cgroup cgroup rw,cpu\n"
                                   "35 31 0:32 / /m rw -  \n"
                                   "35 31 0:32 / /m rw - cgroup\n"
                                   " - \n"
                                   "36 31 0:33 / /p rw - cgroup  rw,pids",
                                   "\n:\n4:pids\n::\nx\n",
                                   {},
                                   "pids\n\nmemory 1 2\n# 1 1 1\n"}
                                  .detect();
    EXPECT_EQ(found.all().size(), 1U);
    EXPECT_EQ(place_of(found, Controller::Pids), "1 /p");
    EXPECT_EQ(found.find(Controller::Pids)->own_group, std::nullopt);
}

TEST(Hierarchies, AHostWithoutAnyHasNone) {
    const Hierarchies found = Host{"", "", {}, ""}.detect();
    EXPECT_THAT(found.all(), IsEmpty());
    EXPECT_EQ(found.find(Controller::Memory), nullptr);
}

} // namespace
} // namespace ct::internal
