// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <random>
#include <thread>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

/// Files with file systems in them, each with the same contents.
class Image : public ContainerTest {
protected:
    void SetUp() override {
        if (!fs::exists("/dev/loop-control")) GTEST_SKIP() << "this kernel has no loop devices";
        ContainerTest::SetUp();
        if (IsSkipped()) return;
        make_file("image/file", "in the image");
        ASSERT_EQ(::chown((image() / "file").c_str(), 12, 34), 0);
        ASSERT_EQ(::mknod((image() / "zero").c_str(), S_IFCHR | 0666, makedev(1, 5)), 0);
        fs::permissions(image() / "zero", fs::perms{0666});
    }

    void TearDown() override {
        if (!dir().empty()) {
            EXPECT_TRUE(loops_end());
        }
        ContainerTest::TearDown();
    }

    /// \returns its path; the file system is the image's
    std::string make(const std::string& type) {
        const std::string file = (dir() / ("file." + type)).string();
        std::string command = "mkfs." + type + " -q -d " + image().string() + " " + file + " 8M";
        if (type == "squashfs") command = "mksquashfs " + image().string() + " " + file + " -quiet -no-progress";
        if (type == "erofs") command = "mkfs.erofs " + file + " " + image().string();
        fs::remove(file);
        EXPECT_EQ(std::system((command + " >" + (dir() / "log").string() + " 2>&1").c_str()), 0)
            << command << ": " << content(dir() / "log");
        return file;
    }

    /// The loop devices on files of the test.
    std::vector<std::string> loops() const {
        std::vector<std::string> found;
        for (const auto& entry : fs::directory_iterator{"/sys/block"}) {
            const std::string backing = content(entry.path() / "loop/backing_file");
            if (backing.starts_with(dir().string())) found.push_back(entry.path().filename().string() + " " + backing);
        }
        return found;
    }

    /// The kernel takes them away a moment after the last use.
    bool loops_end() const {
        return await([&] { return loops().empty(); });
    }

    ::testing::AssertionResult start_fails(const ImageArea& area, const std::error_code& code,
                                           std::initializer_list<std::string_view> parts) {
        Container container = isolated("failing").set_private(area);
        try {
            container.start(program({"exit", "0"}));
        } catch (const Error& error) {
            if (error.code() != code) return ::testing::AssertionFailure() << error.what();
            for (const std::string_view part : parts)
                if (auto found = contains(error.what(), part); !found) return found;
            return contains(error.what(), "container 'failing': ");
        }
        return ::testing::AssertionFailure() << "it started";
    }
};

class EachImage : public Image, public ::testing::WithParamInterface<const char*> {
protected:
    void SetUp() override {
        if (const std::string type = GetParam(); !contains(content("/proc/filesystems"), "\t" + type + "\n"))
            GTEST_SKIP() << "this kernel has no " << type;
        Image::SetUp();
        if (IsSkipped()) return;
        file_ = make(GetParam());
    }

    std::string file_;
};

TEST_P(EachImage, IsRecognisedAndSeenOverTheRoot) {
    make_file("empty/root");
    Container container = isolated().set_root((dir() / "empty").string()).set_private(ImageArea{.path = file_});
    EXPECT_EQ(run(container, program({"cat", "/file"})).out, "in the image");
    EXPECT_TRUE(loops_end());
    EXPECT_EQ(run(container, program({"cat", "/file"})).out, "in the image"); // again
}

TEST_P(EachImage, IsSeenAtItsTarget) {
    Container container = isolated().set_private(ImageArea{.path = file_, .target = "/made/here"});
    EXPECT_EQ(run(container, program({"cat", "/made/here/file"})).out, "in the image");
}

TEST_P(EachImage, IsSharedReadOnly) {
    const std::string before = content(file_);
    const ImageArea area{.path = file_, .target = "/area", .read_only = true};
    Container first = isolated("first").set_private(area);
    const Process process = start_ready(first, program({"pause"}));
    Container second = isolated("second").set_private(area);
    EXPECT_TRUE(contains(run(second, program({"write", "/area/file", "text"})).err, "EROFS"));
    EXPECT_TRUE(start_fails({.path = file_, .type = "ext4", .target = "/area"}, {EBUSY, std::system_category()},
                            {"lock the image '" + file_ + "'", "another container"}));
    first.kill();
    first.wait();
    EXPECT_TRUE(loops_end());
    EXPECT_EQ(content(file_), before);
}

TEST_P(EachImage, IsNowhereOnTheHostButInItsLoopDevice) {
    const std::string before = host_mounts();
    Container container = isolated().set_private(ImageArea{.path = file_, .target = "/area"});
    const Process process = start_ready(container, program({"pause"}));
    EXPECT_EQ(host_mounts(), before);
    EXPECT_EQ(loops().size(), 1U);
    EXPECT_EQ(run_entered(container, program({"cat", "/area/file"})).out, "in the image");
    for (const auto& entry : fs::directory_iterator{"/proc/self/fd"}) {
        std::error_code error;
        EXPECT_FALSE(contains(fs::read_symlink(entry.path(), error).string(), "loop"));
    }
    container.kill();
    container.wait();
}

TEST_P(EachImage, HasTheIdsOfAUserNamespaceAndNoDevices) {
    if (std::string_view{GetParam()} == "squashfs" && !kernel_is_at_least(6, 2)) {
        GTEST_SKIP() << "squashfs cannot map ids before Linux 6.2";
    }
    Container container = isolated().set_private(ImageArea{.path = file_, .target = "/area"});
    fs::create_directory(image() / "area");
    container.add_namespace(Namespace::User).add_uid_map({0, 100'000, 1000}).add_gid_map({0, 100'000, 1000});
    const auto look = [] {
        struct stat status {};
        if (::stat("/area/file", &status) != 0 || status.st_uid != 12 || status.st_gid != 34) return 1;
        if (::open("/area/zero", O_RDONLY) >= 0 || errno != EACCES) return 2;
        return 0;
    };
    EXPECT_TRUE(succeeded(run(container, {}, look)));
}

TEST_P(EachImage, LeavesNothingWhenTheStartFails) {
    Container container = isolated().set_private(ImageArea{.path = file_});
    EXPECT_TRUE(fails([&] { container.start({.argv = {"/missing"}}); }, std::errc::no_such_file_or_directory, {}));
    EXPECT_TRUE(loops_end());
}

TEST_P(EachImage, ThatIsDamagedIsReported) {
    fs::resize_file(file_, 1536);
    {
        // Of the superblock only what tells the type is left.
        std::fstream file(file_, std::ios::in | std::ios::out | std::ios::binary);
        for (const auto& [from, to] : {std::pair{1028, 1080}, std::pair{1082, 1536}})
            file.seekp(from) << std::string(static_cast<std::size_t>(to - from), '\xff');
    }
    const std::string type = GetParam();
    Container container = isolated().set_private(ImageArea{.path = file_, .target = "/area"});
    try {
        container.start(program({"cat", "/area/file"}));
        ADD_FAILURE() << "it started";
    } catch (const Error& error) {
        EXPECT_TRUE(contains(error.what(), "container 'box': mount as " + type + " the image '" + file_ + "': "));
        EXPECT_NE(error.hint(), "") << error.what();
        EXPECT_EQ(error.stage(), Stage::Root);
    }
    EXPECT_TRUE(loops_end());
}

INSTANTIATE_TEST_SUITE_P(Of, EachImage, ::testing::Values("ext4", "squashfs", "erofs"),
                         [](const auto& type) { return std::string{type.param}; });

TEST_F(Image, TakesWritesOfOneContainer) {
    const ImageArea area{.path = make("ext4")};
    Container container = isolated().set_private(area).add_mount({.target = "/made", .type = "tmpfs"});
    EXPECT_TRUE(succeeded(run(container, program({"write", "/note", "text"}))));
    EXPECT_EQ(run(container, program({"cat", "/note"})).out, "text");
    EXPECT_FALSE(fs::exists(image() / "made"));
    const Process process = start_ready(container, program({"pause"}));
    EXPECT_TRUE(start_fails(area, {EBUSY, std::system_category()}, {"another container uses it"}));
    EXPECT_TRUE(start_fails({.path = area.path, .read_only = true}, {EBUSY, std::system_category()},
                            {"another container writes to it"}));
    container.kill();
    container.wait();
}

TEST_F(Image, KeepsNoMountPointsOfAFailedStart) {
    const ImageArea area{.path = make("ext4")};
    Container container = isolated().set_private(area).add_mount({.target = "/made/here", .type = "tmpfs"});
    EXPECT_THROW(container.start({.argv = {"/missing"}}), Error);
    ASSERT_TRUE(loops_end());
    Container other = isolated("other").set_private(area);
    EXPECT_FALSE(contains(run(other, program({"ls", "/"})).out, "made"));
}

TEST_F(Image, TakesOptionsOfItsFileSystem) {
    const std::string file = make("ext4");
    Container container = isolated().add_default_mounts().set_private(
        ImageArea{.path = file, .type = "ext4", .target = "/area", .options = {"errors=continue", "commit=7"}});
    EXPECT_TRUE(contains(run(container, program({"cat", "/proc/self/mountinfo"})).out, "commit=7"));
    EXPECT_TRUE(start_fails({.path = file, .options = {"unheard=of"}}, {EINVAL, std::system_category()},
                            {"the file system says: ", "unheard"}));
}

TEST_F(Image, MayHaveItsLoopDevicesTakenByOthers) {
    const std::string file = make("squashfs");
    std::vector<std::thread> threads;
    std::atomic<int> good{0};
    for (int i = 0; i < 4; ++i) {
        Container container = isolated("box" + std::to_string(i)).set_private(ImageArea{.path = file});
        threads.emplace_back([container, &good]() mutable {
            for (int round = 0; round < 8; ++round) {
                container.start(program({"exit", "0"}));
                if (container.wait().success()) ++good;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(good, 32);
}

TEST_F(Image, ThatIsNoneIsReported) {
    const std::string text = make_file("text", std::string(4096, 'x')).string();
    const std::error_code unsupported = Errc::Unsupported;
    EXPECT_TRUE(start_fails({.path = text}, unsupported,
                            {"recognise the file system in the image '" + text + "'", "ext4, squashfs and erofs"}));
    const std::string empty = make_file("nothing").string();
    EXPECT_TRUE(start_fails({.path = empty}, unsupported, {empty}));
    const std::string missing = (dir() / "missing").string();
    EXPECT_TRUE(start_fails({.path = missing}, {ENOENT, std::system_category()}, {"open the image '" + missing + "'"}));
    EXPECT_TRUE(start_fails({.path = text, .type = "nosuchfs"}, {ENODEV, std::system_category()},
                            {"this kernel has no file system 'nosuchfs'"}));
    EXPECT_TRUE(loops().empty());
}

TEST_F(Image, ThatIsAFifoDoesNotBlock) {
    const std::string fifo = (dir() / "fifo").string();
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_TRUE(start_fails({.path = fifo}, {EINVAL, std::system_category()}, {"it is not a regular file"}));
    EXPECT_TRUE(start_fails({.path = "/dev/zero"}, {EINVAL, std::system_category()}, {"it is not a regular file"}));
}

TEST_F(Image, NeedsRoot) {
    CT_REQUIRE(Privilege::UserNamespaces);
    const std::string file = make("squashfs");
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session own;
        Container container = own.create("box").set_root(image().string()).set_private(ImageArea{.path = file});
        container.add_namespaces({Namespace::User, Namespace::Mount}).map_root_to_caller();
        EXPECT_TRUE(fails(
            [&] {
                container.start(program({"exit", "0"}));
            },
            std::errc::permission_denied,
            {"for the image '" + file + "' open '/dev/loop-control'", "mounting an image needs CAP_SYS_ADMIN"}));
    }));
}

TEST_F(Image, StaysLockedForAContainerThatOutlivesItsHost) {
    const ImageArea area{.path = make("ext4"), .target = "/area"};
    ::prctl(PR_SET_CHILD_SUBREAPER, 1); // the container becomes a child of the test
    const pid_t host = ::fork();
    ASSERT_GE(host, 0);
    if (host == 0) {
        Session own;
        Container container = own.create("box").set_root(image().string()).set_private(area);
        container.add_namespaces({Namespace::Mount, Namespace::Pid});
        (void)start_ready(container, program({"pause"}));
        ::kill(::getpid(), SIGKILL);
    }
    ASSERT_EQ(::waitpid(host, nullptr, 0), host);
    EXPECT_TRUE(start_fails(area, {EBUSY, std::system_category()}, {"another container uses it"}));
    std::ifstream children{"/proc/thread-self/children"};
    for (pid_t pid = -1; children >> pid;) ::kill(pid, SIGKILL);
    while (::waitpid(-1, nullptr, __WALL) > 0) {
    }
    ::prctl(PR_SET_CHILD_SUBREAPER, 0);
    ASSERT_TRUE(loops_end());
    Container container = isolated().set_private(area);
    EXPECT_TRUE(exited(run(container, program({"exit", "0"})).status, 0));
}

TEST_F(Image, GoesWithAHostThatIsKilled) {
    const std::string file = make("ext4");
    std::minstd_rand random(1);
    for (int i = 0; i < 30; ++i) {
        const pid_t host = ::fork();
        ASSERT_GE(host, 0);
        if (host == 0) {
            Session own;
            Container container = own.create("box").set_root(image().string()).set_private(ImageArea{.path = file});
            container.add_namespaces({Namespace::Mount, Namespace::Pid});
            ProcessSpec process = program({"pause"});
            process.parent_death_signal = SIGKILL;
            process.stdio.out = Stdio::Null;
            for (;;) {
                container.start(process);
                container.kill();
                container.wait();
            }
        }
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
        ASSERT_EQ(::kill(host, SIGKILL), 0);
        ASSERT_EQ(::waitpid(host, nullptr, 0), host);
        ASSERT_TRUE(loops_end()) << i;
    }
}

} // namespace
} // namespace ct::test
