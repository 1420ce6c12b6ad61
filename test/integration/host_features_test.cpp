// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <cstddef>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

HostFeature find(const std::vector<HostFeature>& features, std::string_view name) {
    const auto found = std::find_if(features.begin(), features.end(),
                                    [&](const HostFeature& feature) { return feature.name == name; });
    return found == features.end() ? HostFeature{.name = "not listed", .detail = {}, .remedy = {}} : *found;
}

/// From now on \p number fails with ENOSYS, as on an old kernel.
void take_away(long number) {
    const std::array filter{
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{filter.size(), const_cast<sock_filter*>(filter.data())};
    ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ASSERT_EQ(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), 0);
}

class HostFeatures : public ContainerTest {};

TEST_F(HostFeatures, WhatTheTestsUseIsThere) {
    const auto features = session().capabilities();
    for (const char* name : {"namespace.user",      "namespace.user.ranges", "namespace.mnt",
                             "namespace.pid",       "namespace.net",         "namespace.uts",
                             "namespace.ipc",       "namespace.cgroup",      "namespace.time",
                             "mount.open_tree",     "mount.move_mount",      "mount.fsopen",
                             "mount.mount_setattr", "mount.idmapped",        "filesystem.overlay",
                             "filesystem.tmpfs",    "device.loop",           "cgroup",
                             "seccomp.filter",      "seccomp.notify",        "process.pidfd_getfd",
                             "process.reaper"}) {
        const HostFeature feature = find(features, name);
        EXPECT_EQ(feature.name, name);
        EXPECT_TRUE(feature.available) << name << ": " << feature.detail;
    }
}

TEST_F(HostFeatures, WhatIsMissingSaysWhyAndHowToGetIt) {
    for (const HostFeature& feature : session().capabilities()) {
        EXPECT_EQ(feature.remedy.empty(), feature.available) << feature.name;
        EXPECT_TRUE(feature.available || !feature.detail.empty()) << feature.name;
    }
}

TEST_F(HostFeatures, AnOrdinaryUserHasNamespacesTogetherWithAUserNamespace) {
    CT_REQUIRE(Privilege::SetUser);
    CT_REQUIRE(Privilege::UserNamespaces);
    EXPECT_TRUE(passes_in_child([] {
        become_unprivileged();
        Session session;
        const auto features = session.capabilities();
        EXPECT_TRUE(find(features, "namespace.user").available);
        EXPECT_EQ(find(features, "namespace.mnt").detail, "together with a user namespace");
        EXPECT_FALSE(find(features, "mount.idmapped").available);
        EXPECT_FALSE(find(features, "device.loop").available);
        EXPECT_TRUE(contains(find(features, "process.capabilities").detail, "without any"));
    }));
}

TEST_F(HostFeatures, ACallThatAFilterTakesAwayIsMissing) {
    EXPECT_TRUE(passes_in_child([] {
        take_away(SYS_fsopen);
        take_away(SYS_pidfd_getfd);
        Session session;
        const auto features = session.capabilities();
        EXPECT_FALSE(find(features, "mount.fsopen").available);
        EXPECT_EQ(find(features, "mount.fsopen").detail, "Function not implemented");
        EXPECT_TRUE(contains(find(features, "mount.fsopen").remedy, "5.2"));
        EXPECT_FALSE(find(features, "process.pidfd_getfd").available);
        EXPECT_TRUE(find(features, "mount.open_tree").available);
    }));
}

TEST_F(HostFeatures, AKernelWithoutUserNamespacesIsTold) {
    EXPECT_TRUE(passes_in_child([] {
        take_away(SYS_clone3);
        Session session;
        const auto features = session.capabilities();
        EXPECT_FALSE(find(features, "namespace.user").available);
        EXPECT_FALSE(find(features, "namespace.user").remedy.empty());
    }));
}

} // namespace
} // namespace ct::test
