// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/unique_fd.hpp"
#include "launch/failure.hpp"

/// What a failed child has created in a root is taken away again, and nothing else.
namespace ct::internal {
namespace {

namespace fs = std::filesystem;

struct RemoveCreated : ::testing::Test {
    fs::path root;
    UniqueFd lock;
    Plan plan;
    std::vector<CreatedEntry> created;

    void SetUp() override {
        std::string name = fs::temp_directory_path() / "libct-unit-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        root = name;
        lock = UniqueFd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        ASSERT_EQ(::flock(lock.get(), LOCK_SH), 0);
    }
    void TearDown() override { fs::remove_all(root); }

    [[nodiscard]] fs::path in_root(std::string_view path) const { return root / path.substr(1); }
    void make_dir(std::string_view path) const { fs::create_directory(in_root(path)); }
    void make_file(std::string_view path, std::string_view text = "") const { std::ofstream(in_root(path)) << text; }
    [[nodiscard]] bool exists(std::string_view path) const { return fs::exists(fs::symlink_status(in_root(path))); }

    std::uint32_t add_mount(std::string_view target) {
        MountArgs args{};
        args.target = plan.text(target);
        plan.steps.add(Op::Mount, args, {Stage::Mounts, "mount on", args.target});
        return static_cast<std::uint32_t>(plan.steps.steps().size()) - 1;
    }
    /// Says that the child has made \p path for the mount of \p step.
    void record(std::uint32_t step, std::string_view path) {
        struct stat status {};
        ASSERT_EQ(::lstat(in_root(path).c_str(), &status), 0);
        created.push_back({.step = step,
                           .length = static_cast<std::uint16_t>(path.size()),
                           .type = static_cast<std::uint16_t>(status.st_mode & S_IFMT),
                           .inode = status.st_ino,
                           .device_major = ::major(status.st_dev),
                           .device_minor = ::minor(status.st_dev)});
    }
    void remove() { remove_created(plan, created, lock.get(), {}); }
};

TEST_F(RemoveCreated, TakesAwayAllLevelsAndFiles) {
    const std::uint32_t dir = add_mount("/a/b/c");
    const std::uint32_t file = add_mount("/f");
    for (const char* path : {"/a", "/a/b", "/a/b/c"}) {
        make_dir(path);
        record(dir, path);
    }
    make_file("/f");
    record(file, "/f");
    remove();
    EXPECT_TRUE(fs::is_empty(root));
}

TEST_F(RemoveCreated, FindsInAnUpperDirectoryWhatWasMadeInTheOverlay) {
    const std::uint32_t dir = add_mount("/a");
    make_dir("/a");
    record(dir, "/a");
    created[0].device_minor += 1; // the overlay's own
    remove();
    EXPECT_TRUE(exists("/a"));
    OverlayArgs args{};
    args.place = {"/srv", "/"};
    plan.steps.add(Op::AttachOverlay, args, {Stage::Root, "mount the overlay on", "/srv"});
    remove();
    EXPECT_FALSE(exists("/a"));
}

TEST_F(RemoveCreated, KeepsWhatWasThereBefore) {
    make_dir("/a");
    make_dir("/a/b");
    record(add_mount("/a/b"), "/a/b");
    remove();
    EXPECT_TRUE(exists("/a"));
    EXPECT_FALSE(exists("/a/b"));
}

TEST_F(RemoveCreated, KeepsWhatIsInUseByNow) {
    make_dir("/a");
    record(add_mount("/a"), "/a");
    make_file("/a/kept");
    make_file("/f");
    record(add_mount("/f"), "/f");
    make_file("/f", "text");
    remove();
    EXPECT_TRUE(exists("/a/kept"));
    EXPECT_TRUE(exists("/f"));
}

TEST_F(RemoveCreated, KeepsAnotherOneOfThatName) {
    make_dir("/a");
    record(add_mount("/a"), "/a");
    make_dir("/new"); // while the old one still has its inode
    fs::rename(in_root("/new"), in_root("/a"));
    remove();
    EXPECT_TRUE(exists("/a"));
}

TEST_F(RemoveCreated, KeepsAllAsLongAsAnotherContainerUsesTheRoot) {
    const UniqueFd other(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_EQ(::flock(other.get(), LOCK_SH), 0);
    make_dir("/a");
    record(add_mount("/a"), "/a");
    remove();
    EXPECT_TRUE(exists("/a"));
    ASSERT_EQ(::flock(other.get(), LOCK_UN), 0);
    remove();
    EXPECT_FALSE(exists("/a"));
}

TEST_F(RemoveCreated, DoesNothingWithoutALock) {
    make_dir("/a");
    record(add_mount("/a"), "/a");
    remove_created(plan, created, -1, {});
    EXPECT_TRUE(exists("/a"));
}

TEST_F(RemoveCreated, IsNotLedOutOfTheRoot) {
    make_dir("/inside");
    make_dir("/inside/a");
    make_dir("/outside");
    make_dir("/outside/a");
    record(add_mount("/inside/a"), "/inside/a");
    struct stat status {};
    ASSERT_EQ(::lstat(in_root("/outside/a").c_str(), &status), 0);
    created[0].inode = status.st_ino;
    // The image's link now leads to the very directory that was recorded, but out of the root.
    fs::rename(in_root("/inside"), in_root("/moved"));
    fs::create_directory_symlink(in_root("/outside"), in_root("/inside"));
    remove();
    EXPECT_TRUE(exists("/outside/a"));
}

TEST_F(RemoveCreated, TakesAwayNodesAndLinks) {
    fs::create_symlink("/nowhere", in_root("/link"));
    ASSERT_EQ(::mkfifo(in_root("/fifo").c_str(), 0600), 0);
    for (const char* path : {"/link", "/fifo"}) {
        record(add_mount(path), path);
        created.back().length = CreatedEntry::WholePath;
    }
    remove();
    EXPECT_TRUE(fs::is_empty(root));
}

TEST_F(RemoveCreated, LooksInDirectoriesThatWereBoundBelow) {
    make_dir("/root");
    make_dir("/bound");
    make_dir("/bound/a");
    const std::uint32_t step = add_mount("/mnt/a");
    record(step, "/bound/a");
    created.back().length = CreatedEntry::WholePath;
    const UniqueFd inside(::open(in_root("/root").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const UniqueFd bound(::open(in_root("/bound").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const FilesRoot elsewhere{"/mn", bound.get(), bound.get()};
    remove_created(plan, created, inside.get(), {&elsewhere, 1});
    EXPECT_TRUE(exists("/bound/a"));
    const FilesRoot there{"/mnt", bound.get(), bound.get()};
    remove_created(plan, created, inside.get(), {&there, 1});
    EXPECT_FALSE(exists("/bound/a"));
}

} // namespace
} // namespace ct::internal
