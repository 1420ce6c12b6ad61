// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "oom_watch.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <sstream>

#include <gtest/gtest.h>

#include "scratch.hpp"
#include "support/privileges.hpp"

namespace ctmon {
namespace {

using ct::internal::Loop;
namespace fs = std::filesystem;

TEST(FindMemoryGroup, OfVersion2IsThatOfItsHierarchyAlone) {
    const std::string_view text = "10:memory:/old\n1:name=systemd:/s:0::/x\n0::/a/b:c\n";
    EXPECT_EQ(find_memory_group(text, true), (MemoryGroup{"/sys/fs/cgroup/a/b:c", true}));
    EXPECT_EQ(find_memory_group("0::/\n", true, "/r"), (MemoryGroup{"/r/", true}));
    EXPECT_EQ(find_memory_group("10:memory:/old\n", true), std::nullopt);
    EXPECT_EQ(find_memory_group("", true), std::nullopt);
}

TEST(FindMemoryGroup, OfVersion1IsThatOfTheController) {
    const std::string_view text = "0::/unified\n3:name=memory:/n\n2:hugetlb,memory:/a\n";
    EXPECT_EQ(find_memory_group(text, false), (MemoryGroup{"/sys/fs/cgroup/memory/a", false}));
    EXPECT_EQ(find_memory_group("0::/a\n4:memoryx:/b\n", false), std::nullopt);
}

TEST(FindMemoryGroup, HasNoPathAboveTheCgroupNamespace) {
    EXPECT_EQ(find_memory_group("0::/../x\n", true), std::nullopt);
    EXPECT_EQ(find_memory_group("4:memory:/..\n", false), std::nullopt);
    EXPECT_EQ(find_memory_group("0::/..x\n", true, ""), (MemoryGroup{"/..x", true}));
}

class OomWatchTest : public ::testing::Test {
protected:
    OomWatchTest() { fs::create_directories(scratch_.path() / "group"); }

    std::unique_ptr<OomWatch> watch(const MemoryGroup& group) {
        return std::make_unique<OomWatch>(group, files_, loop_, messages_);
    }
    [[nodiscard]] std::string group() const { return scratch_.file("group"); }
    void write_events(int oom, int kills) const {
        std::ostringstream text;
        text << "low 0\nhigh 4\nmax 5\noom " << oom << "\noom_kill " << kills << "\noom_group_kill 0\n";
        scratch_.write("group/memory.events", text.str());
    }
    void dispatch_all() const {
        while (loop_->dispatch() != 0) {
        }
    }
    /// Whether both files are there; removes them.
    [[nodiscard]] bool told() const {
        const bool first = fs::remove(scratch_.path() / "oom");
        const bool second = fs::remove(scratch_.path() / "oom-2");
        EXPECT_EQ(first, second);
        return first;
    }

    Scratch scratch_;
    std::shared_ptr<Loop> loop_ = std::make_shared<Loop>();
    Messages messages_;
    std::vector<std::string> files_{scratch_.file("oom"), scratch_.file("oom-2")};
};

TEST_F(OomWatchTest, Version2TellsEachCounterAndGoesOn) {
    write_events(0, 0);
    const auto watch = this->watch({group(), true});
    dispatch_all();
    EXPECT_FALSE(told());
    write_events(0, 0); // an event, but none of these
    dispatch_all();
    EXPECT_FALSE(told());
    write_events(1, 0);
    dispatch_all();
    EXPECT_TRUE(told());
    write_events(1, 1);
    dispatch_all();
    EXPECT_TRUE(told());
    write_events(1, 1);
    dispatch_all();
    EXPECT_FALSE(told());
    write_events(2, 2);
    dispatch_all();
    EXPECT_TRUE(told());
}

TEST_F(OomWatchTest, Version2LooksOnceMoreAtTheEnd) {
    write_events(0, 0);
    const auto watch = this->watch({group(), true});
    write_events(0, 1);
    watch->look();
    EXPECT_TRUE(told());
    watch->look();
    EXPECT_FALSE(told());
    fs::remove_all(group());
    watch->look();
    dispatch_all();
    EXPECT_FALSE(told());
}

TEST_F(OomWatchTest, Version2TellsWhatWasBefore) {
    write_events(1, 1);
    const auto watch = this->watch({group(), true});
    EXPECT_TRUE(told());
}

TEST_F(OomWatchTest, MakesEmptyFilesThatAreMissing) {
    scratch_.write("oom", "there");
    write_events(1, 1);
    const auto watch = this->watch({group(), true});
    EXPECT_EQ(scratch_.text("oom"), "there");
    struct stat status {};
    ASSERT_EQ(::stat(scratch_.file("oom-2").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & ~022U, S_IFREG | 0644U);
    EXPECT_EQ(status.st_size, 0);
}

TEST_F(OomWatchTest, WarnsOnceOfAFileThatCannotBeMade) {
    files_.front() = scratch_.file("none/oom");
    write_events(0, 0);
    const auto watch = this->watch({group(), true});
    ::testing::internal::CaptureStderr();
    for (int i = 1; i < 5; ++i) {
        write_events(i, i);
        watch->look();
    }
    const std::string text = ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
    EXPECT_TRUE(scratch_.has("oom-2"));
}

TEST_F(OomWatchTest, WhatCannotBeWatchedIsNoError) {
    ::testing::internal::CaptureStderr();
    const auto nothing = watch({group(), true}); // the group of the host, for example: not worth a warning
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
    ::testing::internal::CaptureStderr();
    const auto no_group = watch({scratch_.file("none"), true});
    const auto no_control = watch({group(), false});
    const OomWatch no_process(-1, files_, loop_, messages_);
    const std::string text = ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << text;
    no_control->look();
    nothing->look();
    EXPECT_FALSE(told());
}

/// A fake group of version 1: what is registered can be read, and the test is the kernel.
class OomWatchVersion1 : public OomWatchTest {
protected:
    OomWatchVersion1() {
        scratch_.write("group/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
        scratch_.write("group/cgroup.event_control", "");
        watch_ = watch({group(), false});
        std::istringstream(scratch_.text("group/cgroup.event_control")) >> event_ >> control_;
    }

    void remove_group() const { fs::remove_all(group()); }
    void signal(eventfd_t count = 1) const {
        EXPECT_EQ(::eventfd_write(event_, count), 0);
        dispatch_all();
    }

    std::unique_ptr<OomWatch> watch_;
    int event_ = -1;
    int control_ = -1;
};

TEST_F(OomWatchVersion1, TellsEachNotice) {
    EXPECT_GT(control_, 2);
    dispatch_all();
    EXPECT_FALSE(told());
    signal();
    EXPECT_TRUE(told());
    signal();
    EXPECT_TRUE(told());
    remove_group();
    signal();
    EXPECT_FALSE(told());
}

TEST_F(OomWatchVersion1, TellsANoticeThatComesWithTheRemoval) {
    remove_group();
    signal(2);
    EXPECT_TRUE(told());
}

TEST_F(OomWatchVersion1, TellsANoticeThatIsSeenBetweenTheRemovalAndItsNotice) {
    remove_group();
    signal();
    EXPECT_FALSE(told());
    signal();
    EXPECT_TRUE(told());
}

TEST_F(OomWatchVersion1, LooksOnceMoreAtTheEnd) {
    EXPECT_EQ(::eventfd_write(event_, 1), 0);
    watch_->look();
    EXPECT_TRUE(told());
    watch_->look();
    EXPECT_FALSE(told());
}

/// A real group of version 1.
class OomWatchLive : public OomWatchTest {
protected:
    void SetUp() override {
        CT_REQUIRE(ct::test::Privilege::Root);
        struct statfs status {};
        if (::statfs("/sys/fs/cgroup", &status) < 0 || status.f_type == CGROUP2_SUPER_MAGIC ||
            !fs::exists("/sys/fs/cgroup/memory/memory.oom_control")) {
            GTEST_SKIP() << "needs the memory controller of version 1";
        }
        real_ = "/sys/fs/cgroup/memory/libct-test-oom-" + std::to_string(::getpid());
        fs::create_directory(real_);
        std::ofstream(real_ / "memory.limit_in_bytes") << (16 << 20);
    }
    void TearDown() override {
        if (child_ > 0) end_child();
        if (!real_.empty()) ::rmdir(real_.c_str());
    }

    /// A process in the group, which eats memory without end once it is told to.
    void start_child() {
        ASSERT_EQ(::pipe2(go_.data(), O_CLOEXEC), 0);
        child_ = ::fork();
        if (child_ == 0) {
            char byte = 0;
            ::close(go_[1]);
            if (::read(go_[0], &byte, 1) != 1) ::_exit(0);
            constexpr std::size_t size = std::size_t{64} << 20;
            void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            for (;;) std::memset(memory, 1, size);
        }
        ::close(go_[0]);
        std::ofstream(real_ / "cgroup.procs") << child_;
    }
    void let_it_eat() const { EXPECT_EQ(::write(go_[1], "", 1), 1); }
    int end_child() {
        ::close(go_[1]);
        int status = -1;
        ::waitpid(child_, &status, 0);
        child_ = -1;
        return status;
    }

    fs::path real_;
    pid_t child_ = -1;
    std::array<int, 2> go_{-1, -1};
};

TEST_F(OomWatchLive, TellsThatTheKernelKilled) {
    start_child();
    const OomWatch watch(child_, files_, loop_, messages_);
    EXPECT_EQ(loop_->dispatch(), 0U);
    EXPECT_FALSE(told());
    let_it_eat();
    EXPECT_TRUE(dispatch_until(*loop_, [&] { return scratch_.has("oom-2"); }));
    EXPECT_EQ(WTERMSIG(end_child()), SIGKILL);
    EXPECT_TRUE(told());
}

TEST_F(OomWatchLive, DoesNotTellOfTheEndOfTheGroup) {
    start_child();
    const OomWatch watch(child_, files_, loop_, messages_);
    EXPECT_EQ(end_child(), 0);
    // Who has just ended may still count as a member for a moment.
    const auto removed = [&] { return ::rmdir(real_.c_str()) == 0; };
    EXPECT_TRUE(wait_until(removed));
    EXPECT_EQ(loop_->dispatch_for(std::chrono::seconds(60)), 1U); // the notice of the removal
    EXPECT_FALSE(told());
}

} // namespace
} // namespace ctmon
