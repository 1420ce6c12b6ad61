// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "area/overlay_view.hpp"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "area/dir_chain.hpp"

namespace ct::internal {
namespace {

namespace fs = std::filesystem;
using enum ChangeKind;

/// Layers as an overlay leaves them, made without one.
struct OverlayViewTest : ::testing::Test {
    fs::path top;
    OverlayView view;

    void SetUp() override {
        std::string name = fs::temp_directory_path() / "libct-unit-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        top = name;
        view.upper_shown = "upper";
        view.user_xattr = true;
        view.upper = layer("upper");
        view.lower.push_back(layer("one"));
        view.lower.push_back(layer("two"));
    }
    void TearDown() override { fs::remove_all(top); }

    UniqueFd layer(const char* name) const {
        fs::create_directory(top / name);
        return UniqueFd(::open((top / name).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    }
    void make(const char* path) const {
        fs::create_directories((top / path).parent_path());
        std::ofstream(top / path) << path;
    }
};

TEST_F(OverlayViewTest, LooksThroughAllLayers) {
    make("two/dir/old");
    make("one/dir/newer");
    make("upper/dir/old");
    make("upper/dir/newer");
    make("upper/dir/newest");
    EXPECT_EQ(list_changes(view),
              (std::vector<Change>{{"/dir/newer", Modified}, {"/dir/newest", Added}, {"/dir/old", Modified}}));
}

TEST_F(OverlayViewTest, PutsTheTargetInFront) {
    view.target = "/srv";
    make("upper/file");
    EXPECT_EQ(list_changes(view), (std::vector<Change>{{"/srv/file", Added}}));
}

TEST_F(OverlayViewTest, HonoursTheMarksOfItsOwnKindOnly) {
    make("two/dir/old");
    make("upper/dir/new");
    const std::string directory = (top / "upper/dir").string();
    if (::setxattr(directory.c_str(), "user.overlay.opaque", "y", 1, 0) != 0) {
        GTEST_SKIP() << "no user attributes in " << top;
    }
    EXPECT_EQ(list_changes(view),
              (std::vector<Change>{{"/dir", Modified}, {"/dir/new", Added}, {"/dir/old", Deleted}}));
    view.user_xattr = false;
    EXPECT_EQ(list_changes(view), (std::vector<Change>{{"/dir/new", Added}}));
}

TEST_F(OverlayViewTest, ListsNothingThatNoPathCanName) {
    const std::string name(250, 'n');
    const fs::path before = fs::current_path();
    fs::current_path(top / "upper");
    for (int i = 0; i < 20; ++i) {
        ASSERT_EQ(::mkdir(name.c_str(), 0755), 0);
        ASSERT_EQ(::chdir(name.c_str()), 0); // fs::current_path() takes absolute ones
    }
    fs::current_path(before);
    const std::vector<Change> changes = list_changes(view);
    EXPECT_EQ(changes.size(), 16U);
    EXPECT_LT(changes.back().path.size(), 4096U);
    remove_contents(view.upper.get(), "upper"); // fs::remove_all() takes paths
}

TEST_F(OverlayViewTest, KnowsItsKinds) {
    EXPECT_EQ(to_string(Added), "added");
    EXPECT_EQ(to_string(Modified), "modified");
    EXPECT_EQ(to_string(Deleted), "deleted");
}

} // namespace
} // namespace ct::internal
