// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

Mount tmpfs(std::string target, std::vector<std::string> options = {}) {
    return {.source = "tmpfs", .target = std::move(target), .type = "tmpfs", .options = std::move(options)};
}

class Mounts : public ContainerTest {
protected:
    Mount bind(const std::string& source, std::string target) const {
        return {.source = (dir() / source).string(), .target = std::move(target), .options = {}};
    }

    /// data/ with a file, and below it a mount with another file.
    void make_data() {
        make_file("data/file", "data");
        mount_tmpfs(make_dir("data/sub"));
        make_file("data/sub/file", "below");
    }
};

TEST_F(Mounts, BindShowsTheDirectory) {
    make_data();
    Container container = isolated().add_mount(bind("data", "/data"));
    EXPECT_EQ(run(container, program({"cat", "/data/file"})).out, "data");
    EXPECT_TRUE(succeeded(run(container, program({"write", "/data/new", "text"}))));
    EXPECT_EQ(content(dir() / "data/new"), "text");
}

TEST_F(Mounts, StackedOneHidesTheOneBelow) {
    make_data();
    Mount above = bind("data/sub", "/data");
    above.stacked = true;
    Container container = isolated().add_mount(bind("data", "/data")).add_mount(above);
    EXPECT_EQ(run(container, program({"cat", "/data/file"})).out, "below");
}

TEST_F(Mounts, BindLeavesSubmountsOut) {
    make_data();
    Container container = isolated().add_mount(bind("data", "/data"));
    EXPECT_EQ(run(container, program({"ls", "/data/sub"})).out, "");
}

TEST_F(Mounts, RecursiveBindTakesSubmountsAlong) {
    make_data();
    Mount mount = bind("data", "/data");
    mount.recursive = true;
    Container container = isolated().add_mount(mount);
    EXPECT_EQ(run(container, program({"cat", "/data/sub/file"})).out, "below");
    EXPECT_TRUE(succeeded(run(container, program({"write", "/data/sub/new", "text"}))));
}

TEST_F(Mounts, ReadOnlyBindRefusesWrites) {
    make_data();
    Mount mount = bind("data", "/data");
    mount.read_only = true;
    Container container = isolated().add_mount(mount);
    EXPECT_TRUE(contains(run(container, program({"write", "/data/file", "text"})).err, "EROFS"));
    EXPECT_TRUE(contains(run(container, program({"mkdir", "/data/dir"})).err, "EROFS"));
    EXPECT_EQ(run(container, program({"cat", "/data/file"})).out, "data");
    EXPECT_NO_THROW(make_file("data/of-the-host"));
}

TEST_F(Mounts, ReadOnlyRecursiveBindRefusesWritesBelowToo) {
    make_data();
    Mount mount = bind("data", "/data");
    mount.recursive = mount.read_only = true;
    Container container = isolated().add_mount(mount);
    EXPECT_TRUE(contains(run(container, program({"write", "/data/file", "text"})).err, "EROFS"));
    EXPECT_TRUE(contains(run(container, program({"write", "/data/sub/file", "text"})).err, "EROFS"));
    EXPECT_EQ(content(dir() / "data/sub/file"), "below");
}

TEST_F(Mounts, NoExecBindRefusesToExecute) {
    make_image(dir() / "data");
    make_image(make_dir("data/sub"));
    mount_tmpfs(dir() / "data/sub");
    make_image(dir() / "data/sub");
    Mount mount = bind("data", "/data");
    mount.recursive = mount.no_exec = true;
    Container container = isolated().add_mount(mount);
    for (const char* path : {"/data/bin/test_init", "/data/sub/bin/test_init"}) {
        EXPECT_TRUE(contains(run(container, program({"exec", path})).err, "EACCES")) << path;
        EXPECT_TRUE(fails(
            [&] {
                container.start({.argv = {path, "exit", "0"}});
            },
            std::errc::permission_denied, {"container 'box': ", path}));
    }
}

TEST_F(Mounts, NoDevBindRefusesDevices) {
    make_dir("data/sub");
    mount_tmpfs(dir() / "data/sub");
    for (const char* path : {"data/zero", "data/sub/zero"})
        ASSERT_EQ(::mknod((dir() / path).c_str(), S_IFCHR | 0666, makedev(1, 5)), 0);
    Mount mount = bind("data", "/data");
    mount.recursive = true;
    Container open = isolated("open").add_mount(mount);
    EXPECT_EQ(run(open, program({"read-device", "/data/zero"})).out, "8\n");
    mount.no_dev = true;
    Container container = isolated().add_mount(mount);
    for (const char* path : {"/data/zero", "/data/sub/zero"})
        EXPECT_TRUE(contains(run(container, program({"read-device", path})).err, "EACCES")) << path;
}

TEST_F(Mounts, NoSuidBindKeepsTheUser) {
    make_image(dir() / "data");
    fs::permissions(dir() / "data/bin/test_init", fs::perms{04755});
    ProcessSpec spec{.argv = {"/data/bin/test_init", "ids"}};
    spec.user = User{1000, 1000};
    Container open = isolated("open").add_mount(bind("data", "/data"));
    EXPECT_EQ(lines(run(open, spec).out).at(0), "uid 1000 0 0");
    Mount mount = bind("data", "/data");
    mount.no_suid = true;
    Container container = isolated().add_mount(mount);
    EXPECT_EQ(lines(run(container, spec).out).at(0), "uid 1000 1000 1000");
}

TEST_F(Mounts, FlagsOfABindAreShown) {
    make_data();
    Mount mount = bind("data", "/data");
    mount.recursive = mount.read_only = mount.no_suid = mount.no_dev = mount.no_exec = true;
    Container container = isolated().add_mount(mount);
    for (const char* path : {"/data", "/data/sub"})
        EXPECT_TRUE(contains(run(container, program({"statvfs", path})).out, " ro nosuid nodev noexec")) << path;
}

TEST_F(Mounts, BindKeepsTheFlagsOfItsSource) {
    mount_tmpfs(make_dir("data"), "", MS_NOSUID | MS_NODEV | MS_NOEXEC);
    Mount mount = bind("data", "/data");
    mount.read_only = true;
    for (Container container : {isolated("root").add_mount(mount),
                                isolated("user").add_namespace(Namespace::User).map_root_to_caller().add_mount(mount)})
        EXPECT_TRUE(contains(run(container, program({"statvfs", "/data"})).out, " ro nosuid nodev noexec"))
            << container.name();
}

TEST_F(Mounts, FileIsBoundOverAFile) {
    make_file("data/file", "bound");
    make_file("image/file", "covered");
    Container container = isolated().add_mount(bind("data/file", "/file"));
    EXPECT_EQ(run(container, program({"cat", "/file"})).out, "bound");
    EXPECT_EQ(content(image() / "file"), "covered");
}

TEST_F(Mounts, MissingTargetOfAFileIsAFile) {
    make_file("data/file", "bound");
    Container container = isolated().add_mount(bind("data/file", "/etc/app/file"));
    EXPECT_EQ(run(container, program({"cat", "/etc/app/file"})).out, "bound");
    EXPECT_TRUE(fs::is_regular_file(image() / "etc/app/file"));
    EXPECT_EQ(content(image() / "etc/app/file"), "");
}

TEST_F(Mounts, MissingTargetOfADirectoryIsADirectoryWithMode0755) {
    make_dir("data");
    Container container = isolated().add_mount(bind("data", "/srv/app"));
    const mode_t before = ::umask(077);
    EXPECT_TRUE(succeeded(run(container, program({"ls", "/srv/app"}))));
    ::umask(before);
    EXPECT_EQ(fs::status(image() / "srv").permissions(), fs::perms{0755});
    EXPECT_EQ(fs::status(image() / "srv/app").permissions(), fs::perms{0755});
}

TEST_F(Mounts, DirectoryIsNotBoundOverAFile) {
    make_dir("data");
    make_file("image/file");
    Container container = isolated().add_mount(bind("data", "/file"));
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::not_a_directory, {"container 'box': ", "'/file'", "Not a directory"}));
}

TEST_F(Mounts, FileIsNotBoundOverADirectory) {
    make_file("data/file");
    make_dir("image/dir");
    Container container = isolated().add_mount(bind("data/file", "/dir"));
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::is_a_directory, {"container 'box': ", "'/dir': Is a directory"}));
}

TEST_F(Mounts, MissingSourceIsReported) {
    const std::string before = tree(image());
    Container container = isolated().add_mount(bind("missing", "/data"));
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::no_such_file_or_directory,
        {"container 'box': ", (dir() / "missing").string(), "No such file or directory"}));
    EXPECT_EQ(tree(image()), before);
}

TEST_F(Mounts, SourceIsFoundThroughALinkOfTheHost) {
    make_file("data/file", "data");
    fs::create_directory_symlink(dir() / "data", dir() / "link");
    Container container = isolated().add_mount(bind("link", "/data"));
    EXPECT_EQ(run(container, program({"cat", "/data/file"})).out, "data");
}

TEST_F(Mounts, SourceInsideTheRootMayBeBoundElsewhere) {
    make_file("image/here/file", "text");
    Container container = isolated().add_mount(bind("image/here", "/there"));
    EXPECT_EQ(run(container, program({"cat", "/there/file"})).out, "text");
}

TEST_F(Mounts, TmpfsHasItsOptions) {
    Container container = isolated().add_mount(tmpfs("/tmp", {"size=1m", "mode=1770", "uid=5", "gid=6"}));
    EXPECT_EQ(run(container, program({"statvfs", "/tmp"})).out, "1048576\n");
    EXPECT_EQ(run(container, program({"stat", "/tmp"})).out, "dir 1770 5:6 0:0\n");
}

TEST_F(Mounts, TmpfsHasItsFlags) {
    Mount mount = tmpfs("/tmp", {"size=1m"});
    mount.read_only = mount.no_suid = mount.no_dev = mount.no_exec = true;
    Container container = isolated().add_mount(mount);
    EXPECT_EQ(run(container, program({"statvfs", "/tmp"})).out, "1048576 ro nosuid nodev noexec\n");
}

TEST_F(Mounts, TmpfsIsEmptyAtEachStart) {
    Container container = isolated().add_mount(tmpfs("/tmp"));
    EXPECT_TRUE(succeeded(run(container, program({"write", "/tmp/file", "text"}))));
    EXPECT_EQ(run(container, program({"ls", "/tmp"})).out, "");
}

TEST_F(Mounts, AreMadeInTheGivenOrder) {
    make_file("data/file", "data");
    Container container = isolated().add_mount(tmpfs("/a")).add_mount(tmpfs("/a/b")).add_mount(bind("data", "/a/b/c"));
    EXPECT_EQ(run(container, program({"cat", "/a/b/c/file"})).out, "data");
    EXPECT_EQ(run(container, program({"ls", "/a"})).out, "b\n");
    EXPECT_TRUE(fs::is_empty(image() / "a"));
}

TEST_F(Mounts, WorkWithoutARoot) {
    const std::string before = host_mounts();
    const std::string target = make_dir("target").string();
    make_file("data/file", "data");
    Container container = plain().add_namespace(Namespace::Mount).add_mount(bind("data", target));
    EXPECT_EQ(run(container, host_program({"cat", target + "/file"})).out, "data");
    EXPECT_TRUE(fs::is_empty(target));
    EXPECT_EQ(host_mounts(), before);
}

TEST_F(Mounts, WorkInAUserNamespace) {
    make_file("data/file", "data");
    Container container = isolated()
                              .add_namespace(Namespace::User)
                              .map_root_to_caller()
                              .add_mount(bind("data", "/data"))
                              .add_mount(tmpfs("/tmp", {"size=1m"}));
    EXPECT_EQ(run(container, program({"cat", "/data/file"})).out, "data");
    EXPECT_EQ(run(container, program({"statvfs", "/tmp"})).out, "1048576\n");
}

TEST_F(Mounts, BadOptionValueIsReported) {
    const std::string before = tree(image());
    Container container = isolated().add_mount(tmpfs("/tmp", {"size=banana"}));
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::invalid_argument, {"container 'box': mount tmpfs on '/tmp': Invalid argument", "size"}));
    EXPECT_EQ(tree(image()), before);
}

TEST_F(Mounts, UnknownOptionIsReported) {
    Container container = isolated().add_mount(tmpfs("/tmp", {"no-such-option"}));
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::invalid_argument, {"container 'box': mount tmpfs on '/tmp': Invalid argument", "no-such-option"}));
}

TEST_F(Mounts, UnknownFileSystemIsReported) {
    Container container =
        isolated().add_mount({.source = "none", .target = "/tmp", .type = "no-such-fs", .options = {}});
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::no_such_device, {"container 'box': mount no-such-fs on '/tmp': No such device"}));
}

TEST_F(Mounts, MissingBlockDeviceIsReported) {
    Container container = isolated().add_mount(
        {.source = (dir() / "no-disk").string(), .target = "/disk", .type = "ext4", .options = {}});
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::no_such_file_or_directory, {"container 'box': mount ext4 on '/disk'"}));
}

TEST_F(Mounts, OneFailingAfterOthersLeavesNothing) {
    const std::string files = tree(image());
    const std::string before = host_mounts();
    Container container = isolated().add_default_mounts().add_mount(tmpfs("/a/b")).add_mount(tmpfs("/bad", {"size=x"}));
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::invalid_argument, {"container 'box': mount tmpfs on '/bad'"}));
    EXPECT_EQ(tree(image()), files);
    EXPECT_EQ(host_mounts(), before);
}

} // namespace
} // namespace ct::test
