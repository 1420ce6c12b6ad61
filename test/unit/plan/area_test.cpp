// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

struct AreaPlan : ::testing::Test {
    Start start;

    AreaPlan() {
        start.spec.namespaces[Namespace::Mount] = NewNamespace{};
        start.spec.root = Root{.path = "/srv/root"};
    }
    [[nodiscard]] std::unique_ptr<Plan> plan(const PrivateArea& area) {
        start.spec.private_area = area;
        return start.compile();
    }
    void in_user_namespace() {
        start.spec.namespaces[Namespace::User] = NewNamespace{};
        start.spec.uid_map = start.spec.gid_map = {{0, 1000, 1}};
    }
};

TEST_F(AreaPlan, OverlayTakesThePlaceOfTheRoot) {
    const auto made = plan(OverlayArea{.lower = {"/a", "/b:,"}, .upper = "/upper", .work = "/work"});
    const auto overlay = args<OverlayArgs>(made->steps, Op::AttachOverlay);
    EXPECT_STREQ(overlay.place.root, "/srv/root");
    ASSERT_EQ(overlay.lower_count, 2U);
    EXPECT_STREQ(overlay.lower[0], "/a");
    EXPECT_STREQ(overlay.lower[1], "/b:,");
    EXPECT_STREQ(overlay.upper, "/upper");
    EXPECT_STREQ(overlay.work, "/work");
    EXPECT_EQ(overlay.size, nullptr);
    EXPECT_FALSE(overlay.user_xattr);
    EXPECT_EQ(sentence(made->steps, Op::AttachOverlay), "mount the overlay on '/srv/root'");
    EXPECT_THAT(listed(made->steps), Not(Contains(Op::AttachRoot)));
    EXPECT_TRUE(ordered(made->steps, Op::AttachOverlay, Op::PivotRoot));
    EXPECT_FALSE(made->has_tasks(Await::SetUp));
}

TEST_F(AreaPlan, OverlayAtATargetComesAfterTheRoot) {
    const auto made = plan(OverlayArea{.size = 4096, .target = "/data"});
    const auto overlay = args<OverlayArgs>(made->steps, Op::AttachOverlay);
    EXPECT_EQ(overlay.place.root, nullptr);
    EXPECT_STREQ(overlay.place.target, "/data");
    EXPECT_EQ(overlay.lower_count, 0U);
    EXPECT_EQ(overlay.upper, nullptr);
    EXPECT_STREQ(overlay.size, "4096");
    EXPECT_EQ(sentence(made->steps, Op::AttachOverlay), "mount the overlay on '/data'");
    EXPECT_TRUE(ordered(made->steps, Op::AttachRoot, Op::AttachOverlay));
}

TEST_F(AreaPlan, AThrowAwayUpperDirectoryIsTakenOnceTheChildHasSetUp) {
    const auto made = plan(OverlayArea{});
    EXPECT_TRUE(made->has_tasks(Await::SetUp));
    EXPECT_EQ(args<AwaitArgs>(made->steps, Op::AwaitParent).moment, Await::SetUp);
    EXPECT_TRUE(ordered(made->steps, Op::AttachOverlay, Op::AwaitParent));
}

TEST_F(AreaPlan, OverlayInAUserNamespaceKeepsItsMarksInUserAttributes) {
    in_user_namespace();
    EXPECT_TRUE(args<OverlayArgs>(plan(OverlayArea{})->steps, Op::AttachOverlay).user_xattr);
}

TEST_F(AreaPlan, TmpfsOverTheRoot) {
    const auto made = plan(TmpfsArea{.size = 8192, .mode = 01777});
    const auto tmpfs = args<MountArgs>(made->steps, Op::AttachFileSystem);
    EXPECT_STREQ(tmpfs.type, "tmpfs");
    EXPECT_STREQ(tmpfs.target, "/srv/root");
    ASSERT_EQ(tmpfs.option_count, 2U);
    EXPECT_STREQ(tmpfs.options[0].key, "mode");
    EXPECT_STREQ(tmpfs.options[0].value, "1777");
    EXPECT_STREQ(tmpfs.options[1].key, "size");
    EXPECT_STREQ(tmpfs.options[1].value, "8192");
    EXPECT_EQ(sentence(made->steps, Op::AttachFileSystem), "mount tmpfs on '/srv/root'");
}

TEST_F(AreaPlan, TmpfsAtATargetIsAMount) {
    const auto made = plan(TmpfsArea{.target = "/data"});
    const auto tmpfs = args<MountArgs>(made->steps, Op::Mount);
    EXPECT_STREQ(tmpfs.target, "/data");
    ASSERT_EQ(tmpfs.option_count, 1U);
    EXPECT_STREQ(tmpfs.options[0].value, "755");
}

TEST_F(AreaPlan, ImageIsAttachedByTheDescriptorOfItsMount) {
    start.fds.area = 7;
    start.fds.lent = {7};
    const auto made = plan(ImageArea{.path = "/img", .target = "/data"});
    const auto tree = args<TreeArgs>(made->steps, Op::AttachTree);
    EXPECT_EQ(tree.fd, 7);
    EXPECT_EQ(tree.place.root, nullptr);
    EXPECT_STREQ(tree.place.target, "/data");
    EXPECT_EQ(sentence(made->steps, Op::AttachTree), "mount the image '/img' on '/data'");
    EXPECT_FALSE(made->has_tasks(Await::Birth));
    in_user_namespace();
    EXPECT_EQ(plan(ImageArea{.path = "/img"})->parent_tasks.size(), 2U); // the id maps, then the ids of the image
    EXPECT_STREQ(args<TreeArgs>(start.compile()->steps, Op::AttachTree).place.root, "/srv/root");
}

} // namespace
} // namespace ct::internal
