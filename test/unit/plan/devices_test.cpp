// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/mount.h>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

struct DevicesPlan : ::testing::Test {
    Spec spec;
    FdLayout fds;

    [[nodiscard]] std::unique_ptr<Plan> plan() const {
        auto plan = std::make_unique<Plan>();
        plan_devices(*plan, spec, fds);
        return plan;
    }
};

TEST_F(DevicesPlan, NothingAskedNothingDone) {
    fds.terminal_path = "/dev/null";
    EXPECT_TRUE(plan()->steps.empty());
}

TEST_F(DevicesPlan, DefaultMountsBringThem) {
    spec.default_mounts = true;
    EXPECT_EQ(count(plan()->steps, Op::MakeNode), 6U);
    spec.default_devices = true;
    EXPECT_EQ(count(plan()->steps, Op::MakeNode), 6U);
}

TEST_F(DevicesPlan, NodesAreMadeWithoutAUserNamespace) {
    spec.default_devices = true;
    const auto made = plan();
    const auto nodes = all_args<NodeArgs>(made->steps, Op::MakeNode);
    ASSERT_EQ(nodes.size(), 6U);
    EXPECT_TRUE(ordered(made->steps, Op::OpenDirectory, Op::MakeNode));
    EXPECT_STREQ(args<DirectoryArgs>(made->steps, Op::OpenDirectory).path, "/dev");
    EXPECT_STREQ(nodes[0].name, "null");
    EXPECT_EQ(nodes[0].mode, unsigned{S_IFCHR | 0666});
    EXPECT_EQ(nodes[0].major, 1U);
    EXPECT_EQ(nodes[0].minor, 3U);
    EXPECT_EQ(listed(made->steps).at(1).sentence, "make the device '/dev/null'");
    EXPECT_EQ(made->steps.info(1).stage, Stage::Devices);
    EXPECT_EQ(count(made->steps, Op::Mount), 0U);
}

TEST_F(DevicesPlan, HostsDevicesAreBoundInAUserNamespace) {
    spec.default_devices = true;
    for (const NamespaceSource& source : {NamespaceSource(NewNamespace{}), NamespaceSource(NamespacePath{"/run/ns"})}) {
        spec.namespaces[Namespace::User] = source;
        const auto made = plan();
        EXPECT_EQ(count(made->steps, Op::MakeNode), 0U);
        const auto binds = all_args<MountArgs>(made->steps, Op::Mount);
        ASSERT_EQ(binds.size(), 6U);
        for (const MountArgs& bind : binds) {
            EXPECT_STREQ(bind.source, bind.target);
            EXPECT_EQ(bind.type, nullptr);
            EXPECT_TRUE(bind.target_is_file);
            EXPECT_EQ(bind.attributes, std::uint64_t{MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC})
                << "nodev would disable it";
        }
        EXPECT_STREQ(binds[5].target, "/dev/tty");
        EXPECT_TRUE(ordered(made->steps, Op::Mount, Op::OpenDirectory));
    }
}

TEST_F(DevicesPlan, LinksLeadToTheProcessesOwnDescriptors) {
    spec.default_devices = true;
    const auto made = plan();
    EXPECT_TRUE(ordered(made->steps, Op::OpenDirectory, Op::MakeSymlink));
    std::vector<std::string> links;
    for (const SymlinkArgs& link : all_args<SymlinkArgs>(made->steps, Op::MakeSymlink)) {
        links.push_back(concat(link.name, " -> ", link.content));
    }
    EXPECT_THAT(links,
                ::testing::ElementsAre("fd -> /proc/self/fd", "stdin -> /proc/self/fd/0", "stdout -> /proc/self/fd/1",
                                       "stderr -> /proc/self/fd/2", "ptmx -> pts/ptmx"));
}

TEST_F(DevicesPlan, TerminalIsTheConsole) {
    spec.default_devices = true;
    EXPECT_EQ(count(plan()->steps, Op::Mount), 0U);
    fds.terminal_path = "/dev/null";
    const auto made = plan();
    const auto console = args<MountArgs>(made->steps, Op::Mount);
    EXPECT_STREQ(console.source, "/dev/null");
    EXPECT_STREQ(console.target, "/dev/console");
    EXPECT_TRUE(console.target_is_file);
}

TEST_F(DevicesPlan, OwnOnesAreMadeInTheirDirectory) {
    spec.devices = {{.path = "//dev//fuse/", .major = 10, .minor = 229, .mode = 0640, .uid = 3, .gid = 4},
                    {.path = "/disk", .type = DeviceType::Block, .major = 8}};
    const auto made = plan();
    const auto nodes = all_args<NodeArgs>(made->steps, Op::MakeNode);
    const auto directories = all_args<DirectoryArgs>(made->steps, Op::OpenDirectory);
    ASSERT_EQ(nodes.size(), 2U);
    ASSERT_EQ(directories.size(), 2U);
    EXPECT_STREQ(directories[0].path, "/dev");
    EXPECT_STREQ(nodes[0].name, "fuse");
    EXPECT_EQ(nodes[0].mode, unsigned{S_IFCHR | 0640});
    EXPECT_EQ(nodes[0].uid, 3U);
    EXPECT_EQ(nodes[0].gid, 4U);
    EXPECT_TRUE(nodes[0].owned);
    EXPECT_STREQ(directories[1].path, "/");
    EXPECT_STREQ(nodes[1].name, "disk");
    EXPECT_EQ(nodes[1].mode, unsigned{S_IFBLK | 0666});
}

TEST_F(DevicesPlan, OwnOnesAreBoundInAUserNamespace) {
    spec.namespaces[Namespace::User] = NewNamespace{};
    spec.devices = {{.path = "/dev/zero", .major = 1, .minor = 5}};
    const auto made = plan();
    const auto bind = args<BindNodeArgs>(made->steps, Op::BindNode);
    EXPECT_STREQ(bind.source, "/dev/zero");
    EXPECT_STREQ(bind.target, "/dev/zero");
    EXPECT_EQ(bind.type, unsigned{S_IFCHR});
    EXPECT_EQ(sentence(made->steps, Op::BindNode), "bind the device '/dev/zero' on '/dev/zero'");
    spec.devices = {{.path = "/dev/zero", .major = 4000, .minor = 5}};
    EXPECT_THROW((void)plan(), Error);
}

TEST(DevicesInAnImage, AreRemembered) {
    const auto passing = [](Start start) {
        return args<DirectoryArgs>(start.compile()->steps, Op::OpenDirectory).passing;
    };
    Start start;
    start.spec.namespaces[Namespace::Mount] = NewNamespace{};
    start.spec.root = Root{.path = "/"};
    start.spec.default_devices = true;
    EXPECT_FALSE(passing(start));
    start.spec.default_mounts = true;
    EXPECT_TRUE(passing(start));
    start.spec.mounts.push_back({.source = "/dev", .target = "/dev/", .options = {}});
    EXPECT_FALSE(passing(start));
    start.spec.mounts.back().type = "tmpfs";
    EXPECT_TRUE(passing(start));
    start.spec.default_mounts = false;
    EXPECT_TRUE(passing(start));
}

} // namespace
} // namespace ct::internal
