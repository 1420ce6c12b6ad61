// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/delegation.hpp"

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/cgroup/fake_groups.hpp"

namespace ct::internal {
namespace {

using ::testing::ElementsAre;

TEST(Delegation, FindsWhoIsRootInside) {
    EXPECT_EQ(outside_of_root("         0     100000      65536\n"), 100000U);
    EXPECT_EQ(outside_of_root("         1     100000      65536\n         0       1000          1\n"), 1000U);
    EXPECT_EQ(outside_of_root("         0          0 4294967295\n"), 0U);
}

TEST(Delegation, MapsWithoutRootHaveNone) {
    for (const char* const map : {"", "1 100000 65536\n", "0 100000\n", "0 100000 0\n", "x\n", "-1 5 1\n"}) {
        EXPECT_EQ(outside_of_root(map), std::nullopt) << map;
    }
}

TEST(Delegation, NeverHandsOverLimits) {
    EXPECT_THAT(delegated_files(1, "memory.limit_in_bytes\n"), ElementsAre("cgroup.procs", "tasks"));
    EXPECT_THAT(delegated_files(2, ""), ElementsAre("cgroup.procs", "cgroup.threads", "cgroup.subtree_control"));
    EXPECT_THAT(delegated_files(2, "cgroup.procs\ncgroup.subtree_control\nmemory.oom.group\n../x\n"),
                ElementsAre("cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "memory.oom.group"));
}

TEST(Delegation, ChangesOwnersOfTheDirectoryAndTheseFilesOnly) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
    FakeGroups fake;
    fake.add("memory", {Controller::Memory});
    fake.write("memory/cgroup.procs", "");
    fake.write("memory/memory.limit_in_bytes", "");
    const auto owner_of = [&](const char* file) {
        struct stat status {};
        EXPECT_EQ(::stat((fake.group("memory") / file).c_str(), &status), 0) << file;
        return std::pair(status.st_uid, status.st_gid);
    };
    delegate_groups(fake.groups(), {1001, 1002});
    EXPECT_EQ(owner_of(""), std::pair(1001U, 1002U));
    EXPECT_EQ(owner_of("cgroup.procs"), std::pair(1001U, 1002U));
    EXPECT_EQ(owner_of("memory.limit_in_bytes"), std::pair(0U, 0U));
}

} // namespace
} // namespace ct::internal
