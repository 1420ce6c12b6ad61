// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Containers that want more memory than their group of version 1 gives.
#include "attached_fixture.hpp"

#include <algorithm>
#include <csignal>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class Oom : public AttachedTest {
protected:
    void SetUp() override {
        if (!fs::exists("/sys/fs/cgroup/memory/cgroup.event_control")) GTEST_SKIP() << "no memory controller of v1";
        group_ = "/sys/fs/cgroup/memory/libct-test-ctmon-" + std::to_string(::getpid());
        fs::create_directory(group_);
        limit("memory.limit_in_bytes", "16M");
        limit("memory.swappiness", "0");
        // The runtime joins the group, and the container is born there.
        script("runtime", "record call\ncgroup " + group_.string() + "\ncontainer\npidfile\n");
    }
    void TearDown() override {
        AttachedTest::TearDown();
        kill_children();
        if (group_.empty()) return;
        EXPECT_TRUE(await([&] { return ::rmdir(group_.c_str()) == 0 || errno == ENOENT; })) << group_;
    }
    void limit(const char* file, const char* value) const { std::ofstream(group_ / file) << value; }
    static void expect_oom_file(const fs::path& path) {
        struct stat status {};
        ASSERT_EQ(::stat(path.c_str(), &status), 0) << path;
        EXPECT_EQ(status.st_size, 0);
        EXPECT_EQ(status.st_mode & 07777, 0644U);
    }

    fs::path group_;
};

TEST_F(Oom, AKillLeavesFilesBeforeThatOfTheExit) {
    container("memory 64\n");
    created();
    const Happenings files({persist_});
    start();
    EXPECT_EQ(monitor_ends(), 137);
    EXPECT_EQ(content(exits_ / Cid), "137");
    expect_oom_file(persist_ / "oom");
    expect_oom_file(bundle_ / "oom");
    EXPECT_FALSE(fs::exists(root_ / "oom")) << "in the directory of the caller";
    const Words names = files.so_far();
    ASSERT_FALSE(names.empty());
    EXPECT_EQ(names.front(), "+oom");
}

TEST_F(Oom, AKillOfAnotherProcessOfTheContainerIsTold) {
    container("spawn child\nwait more\nexit 3\n");
    script("child", "memory 64\n");
    make_fifo("more");
    created();
    start();
    EXPECT_EQ(awaited(bundle_ / "oom"), "");
    EXPECT_EQ(awaited(persist_ / "oom"), "");
    open_fifo("more");
    EXPECT_EQ(monitor_ends(), 3);
}

TEST_F(Oom, OfAnExecIsToldTooAndOnceIsEnough) {
    std::ofstream(bundle_ / "oom") << "kept";
    container("memory 64\n");
    begin(exec());
    start();
    EXPECT_EQ(monitor_ends(), 137);
    EXPECT_EQ(content(bundle_ / "oom"), "kept");
}

TEST_F(Oom, NoneIsNotTold) {
    container("memory 4\nexit 3\n");
    created();
    start();
    EXPECT_EQ(monitor_ends(), 3);
    EXPECT_FALSE(fs::exists(bundle_ / "oom"));
    EXPECT_FALSE(fs::exists(persist_ / "oom"));
}

TEST_F(Oom, ASignalOfSomebodyElseIsNone) {
    container("signal 9\n");
    created();
    start();
    EXPECT_EQ(monitor_ends(), 137);
    EXPECT_FALSE(fs::exists(bundle_ / "oom"));
}

TEST_F(Oom, RemovalOfTheGroupIsNone) {
    container("cgroup /sys/fs/cgroup/memory\nfile out yes\nwait more\nexit 3\n");
    make_fifo("more");
    created();
    start();
    EXPECT_EQ(awaited(root_ / "out"), "yes");
    EXPECT_TRUE(await([&] { return ::rmdir(group_.c_str()) == 0; }));
    open_fifo("more");
    EXPECT_EQ(monitor_ends(), 3);
    EXPECT_FALSE(fs::exists(bundle_ / "oom"));
    EXPECT_FALSE(fs::exists(persist_ / "oom"));
}

} // namespace
} // namespace ct::test
