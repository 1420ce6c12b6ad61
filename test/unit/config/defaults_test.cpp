// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "config/defaults.hpp"

#include <algorithm>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ct::internal {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

struct DefaultMounts : ::testing::Test {
    Spec spec;
    bool host_has_mqueue = true;

    void SetUp() override {
        make(Namespace::Mount);
        spec.default_mounts = true;
    }
    void make(Namespace kind) { spec.namespaces[kind] = NewNamespace{}; }
    void make_user_namespace(std::vector<IdRange> groups = {{0, 1000, 1}}) {
        make(Namespace::User);
        spec.uid_map = {{0, 1000, 1}};
        spec.gid_map = std::move(groups);
    }
    [[nodiscard]] MountOrder order() const { return order_mounts(spec, host_has_mqueue); }
    [[nodiscard]] Mount on(std::string_view target) const {
        for (const Mount& mount : order().before_devices) {
            if (mount.target == target) return mount;
        }
        throw std::out_of_range("no mount on " + std::string(target));
    }
};

std::vector<std::string> targets(const std::vector<Mount>& mounts) {
    std::vector<std::string> result;
    for (const Mount& mount : mounts) result.push_back(mount.target);
    return result;
}

TEST_F(DefaultMounts, ComeParentFirst) {
    EXPECT_THAT(targets(order().before_devices),
                ElementsAre("/proc", "/sys", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"));
    EXPECT_THAT(order().after_devices, IsEmpty());
}

TEST_F(DefaultMounts, AreNotThereUnasked) {
    spec.default_mounts = false;
    spec.mounts = {{.source = "/a", .target = "/a"}, {.source = "/b", .target = "/dev/b"}};
    EXPECT_THAT(order().before_devices, IsEmpty());
    EXPECT_EQ(order().after_devices, spec.mounts);
}

TEST_F(DefaultMounts, DevicesGoIntoAnOwnDev) {
    spec.default_mounts = false;
    spec.default_devices = true;
    spec.mounts = {
        {.source = "/a", .target = "/a"}, {.target = "//dev/", .type = "tmpfs"}, {.source = "/b", .target = "/b"}};
    EXPECT_THAT(targets(order().before_devices), ElementsAre("/a", "//dev/"));
    EXPECT_THAT(targets(order().after_devices), ElementsAre("/b"));
}

TEST_F(DefaultMounts, TargetIsTheSameInAnySpelling) {
    spec.mounts = {{.target = "//proc/.", .type = "tmpfs"}};
    EXPECT_THAT(targets(order().before_devices),
                ElementsAre("//proc/.", "/sys", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"));
    EXPECT_THAT(order().after_devices, IsEmpty());
}

TEST_F(DefaultMounts, AreRestricted) {
    for (const char* target : {"/proc", "/sys", "/dev/shm", "/dev/mqueue"}) {
        const Mount mount = on(target);
        EXPECT_TRUE(mount.no_suid && mount.no_dev && mount.no_exec) << target;
    }
    EXPECT_TRUE(on("/sys").read_only);
    EXPECT_FALSE(on("/proc").read_only);
    EXPECT_EQ(on("/dev"), (Mount{.source = "tmpfs",
                                 .target = "/dev",
                                 .type = "tmpfs",
                                 .options = {"mode=755", "size=64k"},
                                 .no_suid = true}));
    EXPECT_EQ(on("/dev/pts"), (Mount{.source = "devpts",
                                     .target = "/dev/pts",
                                     .type = "devpts",
                                     .options = {"ptmxmode=0666", "mode=0620", "gid=5"},
                                     .no_suid = true,
                                     .no_exec = true}));
    EXPECT_THAT(on("/dev/shm").options, ElementsAre("mode=1777", "size=64m"));
}

TEST_F(DefaultMounts, OwnMountTakesThePlaceOfADefaultOne) {
    const Mount dev{.source = "", .target = "/dev", .type = "tmpfs", .options = {"size=1m"}};
    const Mount data{.source = "/data", .target = "/data"};
    const Mount run{.source = "", .target = "/run", .type = "tmpfs"};
    spec.mounts = {data, dev, run};
    EXPECT_THAT(targets(order().before_devices),
                ElementsAre("/proc", "/sys", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"));
    EXPECT_EQ(on("/dev"), dev);
    EXPECT_THAT(order().after_devices, ElementsAre(data, run));
}

TEST_F(DefaultMounts, OwnMountsKeepTheirOrder) {
    spec.mounts = {
        {.source = "/b", .target = "/b"}, {.source = "/a", .target = "/a"}, {.source = "/c", .target = "/c"}};
    EXPECT_EQ(order().after_devices, spec.mounts);
}

TEST_F(DefaultMounts, UserNamespaceWithItsOwnNetAndIpcMountsFreshOnes) {
    make_user_namespace();
    make(Namespace::Net);
    make(Namespace::Ipc);
    host_has_mqueue = false;
    EXPECT_EQ(on("/sys").type, "sysfs");
    EXPECT_FALSE(on("/sys").recursive);
    EXPECT_EQ(on("/dev/mqueue").type, "mqueue");
}

TEST_F(DefaultMounts, UserNamespaceWithoutItsOwnNetBindsSys) {
    make_user_namespace();
    make(Namespace::Ipc);
    EXPECT_EQ(on("/sys"), (Mount{.source = "/sys",
                                 .target = "/sys",
                                 .recursive = true,
                                 .read_only = true,
                                 .no_suid = true,
                                 .no_dev = true,
                                 .no_exec = true}));
    EXPECT_EQ(on("/dev/mqueue").type, "mqueue");
}

TEST_F(DefaultMounts, UserNamespaceWithoutItsOwnIpcBindsMqueueIfThereIsOne) {
    make_user_namespace();
    make(Namespace::Net);
    EXPECT_EQ(on("/sys").type, "sysfs");
    EXPECT_EQ(on("/dev/mqueue").type, "");
    EXPECT_EQ(on("/dev/mqueue").source, "/dev/mqueue");
    host_has_mqueue = false;
    EXPECT_THAT(targets(order().before_devices), ElementsAre("/proc", "/sys", "/dev", "/dev/pts", "/dev/shm"));
}

TEST_F(DefaultMounts, JoinedNetIsNotTheUserNamespacesOwn) {
    make_user_namespace();
    spec.namespaces[Namespace::Net] = NamespacePath{"/run/netns/a"};
    EXPECT_EQ(on("/sys").type, "");
}

TEST_F(DefaultMounts, WithoutAUserNamespaceSharedOnesAreFresh) {
    host_has_mqueue = false;
    EXPECT_EQ(on("/sys").type, "sysfs");
    EXPECT_EQ(on("/dev/mqueue").type, "mqueue");
}

TEST_F(DefaultMounts, TerminalGroupIsSetOnlyIfMapped) {
    make_user_namespace({{0, 1000, 5}});
    EXPECT_THAT(on("/dev/pts").options, Not(Contains("gid=5")));
    make_user_namespace({{0, 1000, 5}, {5, 3000, 1}});
    EXPECT_THAT(on("/dev/pts").options, Contains("gid=5"));
    make_user_namespace({{6, 1000, 100}});
    EXPECT_THAT(on("/dev/pts").options, Not(Contains("gid=5")));
}

TEST(DefaultDevices, AreTheKernelsNumbers) {
    const auto has = [](const char* name, unsigned major, unsigned minor) {
        return std::any_of(DefaultDevices.begin(), DefaultDevices.end(), [&](const DefaultDevice& device) {
            return std::string_view(device.name) == name && device.major == major && device.minor == minor;
        });
    };
    EXPECT_TRUE(has("null", 1, 3) && has("zero", 1, 5) && has("full", 1, 7));
    EXPECT_TRUE(has("random", 1, 8) && has("urandom", 1, 9) && has("tty", 5, 0));
    EXPECT_EQ(DefaultDevices.size(), 6U);
}

TEST_F(DefaultMounts, ProcCanBeTheHosts) {
    EXPECT_EQ(on("/proc").type, "proc");
    spec.proc_mode = ProcMode::BindHost;
    const Mount proc = on("/proc");
    EXPECT_EQ(proc.type, "");
    EXPECT_EQ(proc.source, "/proc");
    EXPECT_TRUE(proc.recursive && proc.no_suid && proc.no_dev && proc.no_exec);
}

} // namespace
} // namespace ct::internal
