// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/mount.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

struct RootPlan : ::testing::Test {
    Spec spec;

    [[nodiscard]] std::unique_ptr<Plan> plan() const {
        auto plan = std::make_unique<Plan>();
        plan_root(*plan, spec, {}, {});
        return plan;
    }
    void make(Namespace kind) { spec.namespaces[kind] = NewNamespace{}; }
};

TEST_F(RootPlan, NothingAskedNothingDone) {
    EXPECT_TRUE(plan()->steps.empty());
}

TEST_F(RootPlan, WithoutAMountNamespaceItIsChroot) {
    spec.root = Root{.path = "/srv/root"};
    const auto made = plan();
    EXPECT_THAT(listed(made->steps), ElementsAre(Op::ChangeRoot));
    EXPECT_STREQ(args<PathArgs>(made->steps, Op::ChangeRoot).path, "/srv/root");
    EXPECT_EQ(sentence(made->steps, Op::ChangeRoot), "chroot to '/srv/root'");
}

TEST_F(RootPlan, WithAMountNamespaceItIsPivotRoot) {
    make(Namespace::Mount);
    spec.root = Root{.path = "/srv/root"};
    const auto made = plan();
    EXPECT_THAT(listed(made->steps), ElementsAre(Op::SlavePropagation, Op::AttachRoot, Op::PivotRoot));
    const auto attach = args<AttachRootArgs>(made->steps, Op::AttachRoot);
    EXPECT_STREQ(attach.source, "/srv/root");
    EXPECT_STREQ(attach.root, "/srv/root");
    EXPECT_TRUE(attach.recursive);
    EXPECT_EQ(sentence(made->steps, Op::PivotRoot), "pivot_root to '/srv/root'");
}

TEST_F(RootPlan, WithoutARootTargetsAreInThePresentOne) {
    make(Namespace::Mount);
    spec.mounts = {{.source = "", .target = "/tmp", .type = "tmpfs"}};
    EXPECT_THAT(listed(plan()->steps), ElementsAre(Op::SlavePropagation, Op::OpenRoot, Op::Mount));
}

TEST_F(RootPlan, JoinedMountNamespaceIsLeftAsItIs) {
    spec.namespaces[Namespace::Mount] = NamespacePath{"/run/ns"};
    EXPECT_TRUE(plan()->steps.empty());
}

TEST_F(RootPlan, ReadOnlyRootIsMadeSoAfterTheMounts) {
    make(Namespace::Mount);
    spec.root = Root{.path = "/srv/root", .read_only = true};
    spec.mounts = {{.source = "", .target = "/tmp", .type = "tmpfs"}};
    EXPECT_THAT(listed(plan()->steps),
                ElementsAre(Op::SlavePropagation, Op::AttachRoot, Op::Mount, Op::ReadOnlyRoot, Op::PivotRoot));
}

TEST_F(RootPlan, PrivateAreaIsMountedBeforeEverythingElse) {
    make(Namespace::Mount);
    spec.root = Root{.path = "/srv/root"};
    spec.private_area = BindDir{.source = "/tmp", .target = "/data", .read_only = true};
    spec.mounts = {{.source = "", .target = "/data/run", .type = "tmpfs"}};
    const auto made = plan();
    EXPECT_THAT(listed(made->steps),
                ElementsAre(Op::SlavePropagation, Op::AttachRoot, Op::Mount, Op::Mount, Op::PivotRoot));
    const auto area = all_args<MountArgs>(made->steps, Op::Mount).at(0);
    EXPECT_STREQ(area.source, "/tmp");
    EXPECT_STREQ(area.target, "/data");
    EXPECT_EQ(area.type, nullptr);
    EXPECT_FALSE(area.recursive);
    EXPECT_EQ(area.attributes, std::uint64_t{MOUNT_ATTR_RDONLY});
}

TEST_F(RootPlan, PrivateAreaOverTheRootTakesItsPlace) {
    make(Namespace::Mount);
    spec.root = Root{.path = "/srv/root"};
    spec.private_area = BindDir{.source = "/tmp", .target = "/"};
    const auto made = plan();
    EXPECT_THAT(listed(made->steps), ElementsAre(Op::SlavePropagation, Op::AttachRoot, Op::PivotRoot));
    const auto attach = args<AttachRootArgs>(made->steps, Op::AttachRoot);
    EXPECT_STREQ(attach.source, "/tmp");
    EXPECT_STREQ(attach.root, "/srv/root");
    EXPECT_FALSE(attach.recursive);
    EXPECT_EQ(sentence(made->steps, Op::AttachRoot), "bind the private area '/tmp' on '/srv/root'");
    BindDir area{.source = "/tmp", .target = "/", .read_only = true};
    spec.private_area = area;
    EXPECT_TRUE(ordered(plan()->steps, Op::ReadOnlyRoot, Op::PivotRoot));
    area.target = "//."; // the same place
    spec.private_area = area;
    EXPECT_TRUE(ordered(plan()->steps, Op::ReadOnlyRoot, Op::PivotRoot));
    area.target = "/data"; // only the area is read-only then
    spec.private_area = area;
    EXPECT_THAT(listed(plan()->steps), Not(Contains(Op::ReadOnlyRoot)));
}

TEST_F(RootPlan, DevicesComeBetweenDefaultAndOwnMounts) {
    make(Namespace::Mount);
    spec.root = Root{.path = "/srv/root"};
    spec.default_mounts = true;
    spec.mounts = {{.source = "/dev/null", .target = "/dev/zero"}, {.source = "", .target = "/run", .type = "tmpfs"}};
    std::vector<std::string> paths;
    const auto made = plan();
    for (std::size_t i = 0; i < made->steps.steps().size(); ++i) paths.emplace_back(made->steps.info(i).path);
    EXPECT_THAT(paths,
                ElementsAre("", "/srv/root", "/proc", "/sys", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev",
                            "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/fd",
                            "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/ptmx", "/dev/zero", "/run", "/srv/root"));
}

TEST_F(RootPlan, PropagationIsSetAtOnceOrInTheEnd) {
    spec.namespaces[Namespace::Mount] = NewNamespace{};
    spec.root = Root{.path = "/srv/root"};
    EXPECT_EQ(count(plan()->steps, Op::RootPropagation), 0U);
    spec.root->propagation = Propagation::Private;
    const auto early = plan();
    EXPECT_TRUE(ordered(early->steps, Op::AttachRoot, Op::RootPropagation));
    EXPECT_TRUE(ordered(early->steps, Op::RootPropagation, Op::PivotRoot));
    EXPECT_FALSE(args<PropagationArgs>(early->steps, Op::RootPropagation).pivoted);
    spec.root->propagation = Propagation::Shared;
    const auto late = plan();
    EXPECT_TRUE(ordered(late->steps, Op::PivotRoot, Op::RootPropagation));
    EXPECT_TRUE(args<PropagationArgs>(late->steps, Op::RootPropagation).pivoted);
}

} // namespace
} // namespace ct::internal
