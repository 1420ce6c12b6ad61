// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class CopyUp : public ContainerTest {
protected:
    [[nodiscard]] static Mount copied(std::string target = "/var", std::vector<std::string> options = {}) {
        return {.source = "tmpfs",
                .target = std::move(target),
                .type = "tmpfs",
                .options = std::move(options),
                .copy_up = true};
    }
    [[nodiscard]] std::string at(const char* path) const { return (image() / path).string(); }
    /// As root of the new process sees files: everything, with a callable that may look at what no program prints.
    int look(Container container, const std::function<bool()>& expectation) {
        return run(container, {}, [&] { return expectation() ? 0 : 1; }).status.value;
    }
};

TEST_F(CopyUp, StartsWithWhatIsThereAndKeepsChangesToItself) {
    make_file("image/var/file", "text");
    make_file("image/var/deep/er/file", "deep");
    const std::string before = tree(image());
    Container container = isolated().add_mount(copied());
    EXPECT_EQ(run(container, program({"cat", "/var/file", "/var/deep/er/file"})).out, "textdeep");
    EXPECT_TRUE(succeeded(run(container, program({"write", "/var/file", "changed"}))));
    EXPECT_EQ(tree(image()), before);
    EXPECT_EQ(content(image() / "var/file"), "text");
    EXPECT_EQ(run(container, program({"cat", "/var/file"})).out, "text");
}

TEST_F(CopyUp, KeepsModesOwnersLinksAndNodes) {
    make_file("image/var/file", "text");
    ASSERT_EQ(::chown(at("var/file").c_str(), 3, 4), 0);
    ASSERT_EQ(::chmod(at("var/file").c_str(), 06751), 0);
    make_dir("image/var/dir");
    ASSERT_EQ(::chown(at("var/dir").c_str(), 5, 6), 0);
    ASSERT_EQ(::chmod(at("var/dir").c_str(), 01700), 0);
    ASSERT_EQ(::chmod(at("var").c_str(), 0711), 0);
    fs::create_symlink("/nowhere/at/all", image() / "var/link");
    ASSERT_EQ(::lchown(at("var/link").c_str(), 7, 8), 0);
    ASSERT_EQ(::mknod(at("var/node").c_str(), S_IFCHR | 0640, makedev(1, 5)), 0);
    ASSERT_EQ(::mkfifo(at("var/fifo").c_str(), 0604), 0);
    Container container = isolated().add_mount(copied());
    EXPECT_EQ(
        run(container, program({"stat", "/var", "/var/file", "/var/dir", "/var/link", "/var/node", "/var/fifo"})).out,
        "dir 711 0:0 0:0\nfile 6751 3:4 0:0\ndir 1700 5:6 0:0\nlink 777 7:8 0:0\nchar 640 0:0 1:5\n"
        "other 604 0:0 0:0\n");
    EXPECT_EQ(run(container, program({"readlink", "/var/link"})).out, "/nowhere/at/all\n");
}

TEST_F(CopyUp, KeepsTimesAndExtendedAttributes) {
    make_file("image/var/dir/file", "text");
    const timespec times[2]{{1000, 1}, {2000, 2}};
    ASSERT_EQ(::setxattr(at("var/dir/file").c_str(), "trusted.note", "word", 4, 0), 0);
    ASSERT_EQ(::utimensat(AT_FDCWD, at("var/dir/file").c_str(), times, 0), 0);
    ASSERT_EQ(::utimensat(AT_FDCWD, at("var/dir").c_str(), times, 0), 0);
    EXPECT_EQ(look(isolated().add_mount(copied()),
                   [] {
                       struct stat file {};
                       struct stat directory {};
                       char value[8] = {};
                       return ::stat("/var/dir/file", &file) == 0 && ::stat("/var/dir", &directory) == 0 &&
                              file.st_mtim.tv_sec == 2000 && file.st_mtim.tv_nsec == 2 &&
                              directory.st_mtim.tv_sec == 2000 &&
                              ::getxattr("/var/dir/file", "trusted.note", value, sizeof value) == 4 &&
                              std::string_view{value} == "word";
                   }),
              0);
}

TEST_F(CopyUp, CopiesLargeFilesAndManyFiles) {
    const std::string big(3'000'000, 'x');
    make_file("image/var/big", big);
    for (int number = 0; number < 700; ++number) {
        make_file("image/var/many/file-with-a-rather-long-name-" + std::to_string(number), std::to_string(number));
        if (number % 50 == 0) make_file("image/var/many/dir" + std::to_string(number) + "/file", "x");
    }
    const auto& source = image();
    EXPECT_EQ(look(isolated().add_mount(copied()),
                   [&] {
                       std::error_code error;
                       int count = 0;
                       for (const auto& entry : fs::recursive_directory_iterator{"/var/many"})
                           count += entry.is_regular_file() ? 1 : 0;
                       return fs::file_size("/var/big", error) == big.size() && count == 714;
                   }),
              0)
        << source;
}

TEST_F(CopyUp, CanBeReadOnly) {
    make_file("image/var/file", "text");
    Mount mount = copied();
    mount.read_only = mount.no_dev = true;
    Container container = isolated().add_mount(mount);
    EXPECT_EQ(run(container, program({"cat", "/var/file"})).out, "text");
    EXPECT_TRUE(contains(run(container, program({"write", "/var/file", "x"})).err, "EROFS"));
    EXPECT_TRUE(contains(run(container, program({"statvfs", "/var"})).out, " ro nodev"));
}

TEST_F(CopyUp, OfAMissingDirectoryIsEmpty) {
    Container container = isolated().add_mount(copied("/new/dir"));
    EXPECT_EQ(run(container, program({"ls", "/new/dir"})).out, "");
}

TEST_F(CopyUp, WorksInAUserNamespace) {
    make_file("image/var/mine", "mine");
    make_file("image/var/foreign", "foreign");
    ASSERT_EQ(::chown(at("var/foreign").c_str(), 33, 33), 0);
    ASSERT_EQ(::chmod(at("var/foreign").c_str(), 04755), 0);
    Container container = isolated().add_namespace(Namespace::User).map_root_to_caller().add_mount(copied());
    EXPECT_EQ(run(container, program({"cat", "/var/mine", "/var/foreign"})).out, "mineforeign");
    // Its owner is unknown there: the copy is root's, and gives nobody root's rights.
    EXPECT_EQ(run(container, program({"stat", "/var/foreign"})).out, "file 755 0:0 0:0\n");
}

TEST_F(CopyUp, ThatDoesNotFitSaysSo) {
    make_file("image/var/small", "x");
    make_file("image/var/zbig", std::string(300'000, 'x'));
    const std::string before = tree(image());
    Container container = isolated().add_mount(copied("/var", {"size=64k"}));
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::no_space_on_device,
        {"container 'box': mount tmpfs on '/var': No space left on device", "does not fit", "'zbig'"}));
    EXPECT_EQ(tree(image()), before);
}

TEST_F(CopyUp, TooDeepOneSaysSo) {
    std::string path = "image/var";
    for (int depth = 0; depth < 70; ++depth) path += "/d";
    make_dir(path);
    Container container = isolated().add_mount(copied());
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::filename_too_long, {"mount tmpfs on '/var'", "deeper than 64 levels"}));
}

TEST_F(CopyUp, DoesNotFollowLinksOutOfTheRoot) {
    make_file("outside/secret", "outside");
    make_dir("image/var");
    fs::create_symlink(dir() / "outside", image() / "var/dir");
    fs::create_symlink(dir() / "outside/secret", image() / "var/file");
    Container container = isolated().add_mount(copied());
    for (const char* link : {"/var/dir", "/var/file"}) {
        EXPECT_EQ(run(container, program({"stat", link})).out.substr(0, 4), "link");
        EXPECT_TRUE(contains(run(container, program({"cat", link})).err, "ENOENT"));
    }
}

TEST_F(CopyUp, IsForATmpfsOnly) {
    Mount mount = copied();
    mount.type.clear();
    mount.source = dir().string();
    EXPECT_TRUE(fails([&] { isolated().add_mount(mount); }, Errc::InvalidConfig, {"'/var' cannot copy up"}));
}

} // namespace
} // namespace ct::test
