// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class RootDirectory : public ContainerTest {
protected:
    std::string inode_of(const fs::path& path) {
        struct stat status {};
        EXPECT_EQ(::stat(path.c_str(), &status), 0);
        return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) + "\n";
    }

    Container chrooted() { return plain().set_root(image().string()); }
};

TEST_F(RootDirectory, IsPivotedIntoWithAMountNamespace) {
    Container container = isolated();
    EXPECT_EQ(run(container, program({"ls", "/"})).out, "bin\n");
    EXPECT_EQ(run(container, program({"inode", "/"})).out, inode_of(image()));
    EXPECT_EQ(run(container, program({"inode", "/.."})).out, inode_of(image()));
}

TEST_F(RootDirectory, IsTheOnlyMountThatIsLeft) {
    Container container = isolated().add_mount({.source = "proc", .target = "/proc", .type = "proc", .options = {}});
    const Finished finished = run(container, program({"cat", "/proc/self/mountinfo"}));
    ASSERT_TRUE(succeeded(finished));
    const std::vector<std::string> mounts = lines(finished.out);
    ASSERT_EQ(mounts.size(), 2U) << finished.out;
    EXPECT_TRUE(contains(mounts[0], " / "));
    EXPECT_TRUE(contains(mounts[1], " /proc "));
}

TEST_F(RootDirectory, PassesNoMountToTheHost) {
    const std::string before = host_mounts();
    Container container = isolated().add_default_mounts();
    const Process process = start_ready(container, program({"pause"}));
    EXPECT_EQ(host_mounts(), before);
    const Finished finished = run_entered(container, program({"mount", "tmpfs", "/bin"}));
    EXPECT_TRUE(succeeded(finished));
    EXPECT_EQ(host_mounts(), before);
    container.kill();
    container.wait();
}

TEST_F(RootDirectory, IsChangedIntoWithoutAMountNamespace) {
    const std::string before = host_mounts();
    Container container = chrooted();
    EXPECT_EQ(run(container, program({"ls", "/"})).out, "bin\n");
    EXPECT_EQ(run(container, program({"inode", "/"})).out, inode_of(image()));
    EXPECT_TRUE(contains(run(container, program({"status"})).out, "cwd /\n"));
    const Process process = start_ready(container, program({"pause"}));
    EXPECT_EQ(namespace_of(process.pid(), Namespace::Mount), namespace_of(::getpid(), Namespace::Mount));
    EXPECT_EQ(host_mounts(), before);
    container.kill();
    container.wait();
}

TEST_F(RootDirectory, OfTheHostProcessStaysTheSame) {
    const std::string before = inode_of("/");
    Container container = chrooted();
    EXPECT_TRUE(succeeded(run(container, program({"exit", "0"}))));
    EXPECT_EQ(inode_of("/"), before);
}

TEST_F(RootDirectory, IsWritableUnlessAskedOtherwise) {
    Container container = isolated();
    EXPECT_TRUE(succeeded(run(container, program({"write", "/file", "text"}))));
    EXPECT_EQ(content(image() / "file"), "text");
}

TEST_F(RootDirectory, IsReadOnlyOnRequest) {
    make_dir("image/tmp");
    Container container = isolated()
                              .set_root(Root{.path = image().string(), .read_only = true})
                              .add_mount({.source = "tmpfs", .target = "/tmp", .type = "tmpfs", .options = {}});
    const Finished finished = run(container, program({"write", "/file", "text"}));
    EXPECT_TRUE(exited(finished.status, 1));
    EXPECT_TRUE(contains(finished.err, "EROFS"));
    EXPECT_TRUE(succeeded(run(container, program({"write", "/tmp/file", "text"}))));
    EXPECT_FALSE(fs::exists(image() / "file"));
    // The mount was read-only, not the file system.
    EXPECT_NO_THROW(make_file("image/host-file"));
}

TEST_F(RootDirectory, IsReadOnlyWithMissingMountPointsToo) {
    Container container = isolated().set_root(Root{.path = image().string(), .read_only = true}).add_default_mounts();
    EXPECT_TRUE(exited(run(container, program({"mkdir", "/x"})).status, 1));
    EXPECT_TRUE(succeeded(run(container, program({"write", "/dev/shm/file", "text"}))));
}

TEST_F(RootDirectory, MayLieOnAReadOnlyFileSystem) {
    const fs::path target = make_dir("disk");
    mount_tmpfs(target);
    make_image(target / "root");
    for (const char* name : {"proc", "sys", "dev"}) fs::create_directory(target / "root" / name);
    ASSERT_EQ(::mount(nullptr, target.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
    Container container = isolated().set_root((target / "root").string()).add_default_mounts();
    EXPECT_EQ(run(container, program({"ls", "/"})).out, "bin\ndev\nproc\nsys\n");
    EXPECT_EQ(run(container, program({"read-device", "/dev/zero"})).out, "8\n");
}

TEST_F(RootDirectory, OnAReadOnlyFileSystemCannotGetNewMountPoints) {
    const fs::path target = make_dir("disk");
    mount_tmpfs(target);
    make_image(target / "root");
    ASSERT_EQ(::mount(nullptr, target.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
    Container container = isolated().set_root((target / "root").string()).add_default_mounts();
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::read_only_file_system, {"container 'box': mount proc on '/proc': Read-only file system"}));
}

TEST_F(RootDirectory, MayBeAMountPoint) {
    const fs::path target = make_dir("disk");
    mount_tmpfs(target);
    make_image(target);
    Container container = isolated().set_root(target.string()).add_default_mounts();
    EXPECT_EQ(run(container, program({"ls", "/"})).out, "bin\ndev\nproc\nsys\n");
}

TEST_F(RootDirectory, BringsItsSubmountsAlong) {
    mount_tmpfs(make_dir("image/data"));
    make_file("image/data/file");
    Container container = isolated();
    EXPECT_EQ(run(container, program({"ls", "/data"})).out, "file\n");
}

TEST_F(RootDirectory, MayBeTheHostsOwn) {
    const std::string before = host_mounts();
    Container container = isolated().set_root("/");
    EXPECT_EQ(run(container, host_program({"inode", image().string()})).out, inode_of(image()));
    EXPECT_EQ(host_mounts(), before);
}

TEST_F(RootDirectory, IsFoundThroughASymbolicLinkOfTheHost) {
    fs::create_directory_symlink(image(), dir() / "link");
    Container container = isolated().set_root((dir() / "link").string());
    EXPECT_EQ(run(container, program({"ls", "/"})).out, "bin\n");
    Container other = plain("other").set_root((dir() / "link").string());
    EXPECT_EQ(run(other, program({"ls", "/"})).out, "bin\n");
}

TEST_F(RootDirectory, IsTheSameForACallable) {
    for (Container container : {isolated("pivoted"), plain("chrooted").set_root(image().string())}) {
        const Finished finished =
            run(container, {}, [] { return ::access(InitPath, X_OK) == 0 && ::access("/proc", F_OK) != 0 ? 0 : 1; });
        EXPECT_TRUE(succeeded(finished)) << container.name();
    }
}

TEST_F(RootDirectory, ThatIsMissingIsReported) {
    const std::string path = (dir() / "missing").string();
    for (Container container : {isolated("pivoted").set_root(path), plain("chrooted").set_root(path)}) {
        EXPECT_TRUE(fails(
            [&] {
                container.start(program({"exit", "0"}));
            },
            std::errc::no_such_file_or_directory, {"container '" + container.name() + "': ", path}));
    }
}

TEST_F(RootDirectory, ThatIsAFileIsReported) {
    const std::string path = make_file("file").string();
    for (Container container : {isolated("pivoted").set_root(path), plain("chrooted").set_root(path)}) {
        EXPECT_TRUE(fails(
            [&] {
                container.start(program({"exit", "0"}));
            },
            std::errc::not_a_directory, {"container '" + container.name() + "': ", path}));
    }
}

TEST_F(RootDirectory, KeepsMountPointsThatWereMade) {
    Container container = isolated().add_mount({.source = "tmpfs", .target = "/a/b", .type = "tmpfs", .options = {}});
    EXPECT_TRUE(succeeded(run(container, program({"exit", "0"}))));
    EXPECT_TRUE(fs::is_directory(image() / "a" / "b"));
    EXPECT_EQ(fs::status(image() / "a").permissions(), fs::perms{0755});
}

TEST_F(RootDirectory, LosesMountPointsOfAFailedStart) {
    make_dir("image/old");
    const std::string before = tree(image());
    Container container = isolated()
                              .add_mount({.source = "tmpfs", .target = "/old/a/b", .type = "tmpfs", .options = {}})
                              .add_mount({.source = image().string() + InitPath, .target = "/new/c", .options = {}});
    EXPECT_TRUE(fails([&] { container.start({.argv = {"/missing"}}); }, std::errc::no_such_file_or_directory,
                      {"container 'box': ", "'/missing'"}));
    EXPECT_EQ(tree(image()), before);
}

} // namespace
} // namespace ct::test
