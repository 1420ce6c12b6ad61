// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "fixture.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ct::test {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void give_up(const std::string& what) {
    throw std::system_error{errno, std::system_category(), what};
}

/// See ContainerTest. An unprivileged test program stays where it is.
class OwnNamespaces : public ::testing::Environment {
public:
    void SetUp() override {
        unshare_mounts_and_network();
        // With the first thread glibc installs a signal handler, and ThreadSanitizer makes a thread: not our concern.
        std::thread{[] {}}.join();
    }

private:
    static void unshare_mounts_and_network() {
        if (!has(Privilege::Root)) return;
        if (::unshare(CLONE_NEWNS | CLONE_NEWNET) != 0) give_up("unshare");
        // First private, or else a host with shared mounts would see ours.
        if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) give_up("make mounts private");
        drop_pins();
        if (::mount(nullptr, "/", nullptr, MS_REC | MS_SHARED, nullptr) != 0) give_up("make mounts shared");
    }
    /// Namespaces that somebody else keeps by name at this moment: the kernel takes them away here, too, when he
    /// removes the directory.
    static void drop_pins() {
        std::ifstream mounts{"/proc/self/mountinfo"};
        std::string line;
        while (std::getline(mounts, line)) {
            std::istringstream fields{line};
            std::string path;
            for (int i = 0; i < 5; ++i) fields >> path;
            if (path.starts_with("/run/libct-ns/") || path.starts_with("/run/netns/"))
                (void)::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW); // gone already with the one around it
        }
    }
};

[[maybe_unused]] const ::testing::Environment* const environment =
    ::testing::AddGlobalTestEnvironment(new OwnNamespaces); // owned by gtest

std::string built_init() {
    const char* path = std::getenv("CT_TEST_INIT");
    return path != nullptr ? path : CT_TEST_INIT;
}

} // namespace

bool await(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + Patience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::yield();
    }
    return true;
}

ProcessSpec shell(std::string script) {
    return {.argv = {"/bin/sh", "-c", std::move(script)}};
}

ProcessSpec program(std::vector<std::string> args) {
    args.insert(args.begin(), InitPath);
    return {.argv = std::move(args)};
}

void become_unprivileged() {
    if (::geteuid() != 0) return;
    // setgroups first: it needs the privilege that the others give away.
    if (::setgroups(0, nullptr) != 0 || ::setresgid(1000, 1000, 1000) != 0 || ::setresuid(1000, 1000, 1000) != 0)
        give_up("become user 1000");
    // A host that was started as this user is dumpable; only the change of user makes it not so.
    if (::prctl(PR_SET_DUMPABLE, 1) != 0) give_up("become dumpable");
}

void ContainerTest::SetUp() {
    CT_REQUIRE(Privilege::Root);
    std::string path = (fs::canonical(fs::temp_directory_path()) / "libct-test-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) give_up("mkdtemp " + path);
    dir_ = path;
    fs::permissions(dir_, fs::perms{0755});
    image_ = make_image(dir_ / "image");
    before_ = HostState::capture();
    threads_ = thread_count();
}

void ContainerTest::TearDown() {
    std::error_code error;
    if (!before_) { // SetUp did not get that far
        if (!dir_.empty()) fs::remove_all(dir_, error);
        return;
    }
    session_.reset();
    for (auto path = mounted_.rbegin(); path != mounted_.rend(); ++path) {
        if (::umount2(path->c_str(), UMOUNT_NOFOLLOW) != 0)
            ADD_FAILURE() << "unmount " << *path << ": " << std::generic_category().message(errno);
    }
    EXPECT_TRUE(settle_threads(threads_)) << "threads are left";
    EXPECT_EQ(before_->difference(HostState::capture()), "") << "the container left something behind";
    EXPECT_EQ(processes_left(), "") << "processes are left";
    fs::remove_all(dir_, error);
    EXPECT_FALSE(error) << "remove " << dir_ << ": " << error.message();
}

std::string cgroup_parent() {
    return "/libct-test-" + std::to_string(::getpid());
}

Session& ContainerTest::session() {
    if (!session_) {
        session_.emplace(SessionOptions{.network_directory = dir_ / "network", .cgroup_parent = cgroup_parent()});
    }
    return *session_;
}

fs::path ContainerTest::make_image(const fs::path& path) {
    fs::create_directories(path / "bin");
    const fs::path copy = path / "bin" / "test_init";
    fs::copy_file(built_init(), copy);
    fs::permissions(copy, fs::perms{0755});
    struct stat status {};
    if (::stat(copy.c_str(), &status) != 0) give_up("stat " + copy.string());
    programs_.emplace_back(status.st_dev, status.st_ino);
    return path;
}

fs::path ContainerTest::make_dir(const fs::path& relative) {
    fs::create_directories(dir_ / relative);
    return dir_ / relative;
}

fs::path ContainerTest::make_file(const fs::path& relative, std::string_view text) {
    const fs::path path = dir_ / relative;
    fs::create_directories(path.parent_path());
    std::ofstream file{path};
    file << text;
    if (!file.flush()) throw std::runtime_error{"write " + path.string()};
    return path;
}

ProcessSpec ContainerTest::host_program(std::vector<std::string> args) const {
    args.insert(args.begin(), (image_ / "bin" / "test_init").string());
    return {.argv = std::move(args)};
}

Container ContainerTest::isolated(const std::string& name) {
    return session()
        .create(name)
        .set_root(image_.string())
        .add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::Uts, Namespace::Ipc});
}

Container ContainerTest::plain(const std::string& name) {
    return session().create(name);
}

std::string ContainerTest::host_mounts() {
    return content("/proc/self/mountinfo");
}

void ContainerTest::mount_tmpfs(const fs::path& target, const std::string& options, unsigned long flags) {
    fs::create_directories(target);
    if (::mount("test", target.c_str(), "tmpfs", flags, options.c_str()) != 0)
        give_up("mount tmpfs on " + target.string());
    mounted_.push_back(target);
}

/// By the file they execute, since processes that nobody waits for are not our children any more.
std::string ContainerTest::processes_left() const {
    std::string text;
    for (const fs::directory_entry& entry : fs::directory_iterator{"/proc"}) {
        struct stat status {};
        if (::stat((entry.path() / "exe").c_str(), &status) != 0) continue;
        for (const auto& [device, inode] : programs_)
            if (status.st_dev == device && status.st_ino == inode)
                text += entry.path().string() + ": " + content(entry.path() / "comm");
    }
    return text;
}

} // namespace ct::test
