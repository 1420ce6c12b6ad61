// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class IdMappedMount : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        if (IsSkipped()) return;
        make_file("data/file", "text");
        own("data", 0);
        own("data/file", 5);
    }

    void own(const char* path, uid_t user) const { ASSERT_EQ(::lchown((dir() / path).c_str(), user, user), 0); }
    [[nodiscard]] Mount mapped(std::vector<IdRange> map = {}) const {
        return {.source = (dir() / "data").string(),
                .target = "/data",
                .options = {},
                .id_mapped = true,
                .uid_map = map,
                .gid_map = map};
    }
    [[nodiscard]] Container in_user_namespace(const std::string& name = "box") {
        return isolated(name)
            .add_namespace(Namespace::User)
            .add_uid_map({0, 100000, 1000})
            .add_gid_map({0, 100000, 1000});
    }
    /// The image belongs to the namespace's root, or else nobody could make mount points in it.
    void give_image_away() const {
        for (const char* path : {"image", "image/bin"}) own(path, 100000);
    }
    [[nodiscard]] std::string owner_inside(Container container) {
        const Finished finished = run(container, program({"stat", "/data/file"}));
        EXPECT_TRUE(succeeded(finished));
        return finished.out;
    }
};

TEST_F(IdMappedMount, ShowsTheIdsOfTheUserNamespaceByDefault) {
    give_image_away();
    EXPECT_EQ(owner_inside(in_user_namespace("plain").add_mount(
                  {.source = (dir() / "data").string(), .target = "/data", .options = {}})),
              "file 644 65534:65534 0:0\n");
    EXPECT_EQ(owner_inside(in_user_namespace().add_mount(mapped())), "file 644 5:5 0:0\n");
}

TEST_F(IdMappedMount, WrittenFilesBelongToTheSameUserOnDisk) {
    give_image_away();
    Container container = in_user_namespace().add_mount(mapped());
    EXPECT_TRUE(succeeded(run(container, program({"write", "/data/new", "text"}))));
    struct stat status {};
    ASSERT_EQ(::stat((dir() / "data/new").c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, 0U);
    EXPECT_EQ(status.st_gid, 0U);
}

TEST_F(IdMappedMount, HasMapsOfItsOwnWithoutAUserNamespace) {
    EXPECT_EQ(owner_inside(isolated().add_mount(mapped({{5, 33, 1}}))), "file 644 33:33 0:0\n");
    EXPECT_EQ(owner_inside(isolated("other").add_mount(mapped({{0, 1000, 10}}))), "file 644 1005:1005 0:0\n");
}

TEST_F(IdMappedMount, OfAFile) {
    Mount mount = mapped({{5, 33, 1}});
    mount.source = (dir() / "data/file").string();
    mount.target = "/etc/file";
    Container container = isolated().add_mount(mount);
    EXPECT_EQ(run(container, program({"stat", "/etc/file"})).out, "file 644 33:33 0:0\n");
}

TEST_F(IdMappedMount, TakesFlagsAsWell) {
    Mount mount = mapped({{0, 1000, 10}});
    mount.read_only = mount.no_exec = true;
    Container container = isolated().add_mount(mount);
    EXPECT_TRUE(contains(run(container, program({"write", "/data/new", "text"})).err, "EROFS"));
    EXPECT_TRUE(contains(run(container, program({"statvfs", "/data"})).out, " ro noexec"));
}

TEST_F(IdMappedMount, MapsWhatIsMountedBelowIfRecursive) {
    if (!kernel_is_at_least(6, 3)) GTEST_SKIP() << "a tmpfs cannot map ids before Linux 6.3";
    mount_tmpfs(make_dir("data/sub"));
    make_file("data/sub/file", "below");
    own("data/sub/file", 5);
    Mount mount = mapped({{5, 33, 1}});
    mount.recursive = true;
    Container container = isolated().add_mount(mount);
    EXPECT_EQ(run(container, program({"stat", "/data/file", "/data/sub/file"})).out,
              "file 644 33:33 0:0\nfile 644 33:33 0:0\n");
}

TEST_F(IdMappedMount, UsesAJoinedUserNamespace) {
    give_image_away();
    Container first = in_user_namespace("first");
    const Process process = start_ready(first, program({"pause"}));
    const std::string file = "/proc/" + std::to_string(process.pid()) + "/ns/user";
    Container container = isolated().join_namespace(Namespace::User, file).add_mount(mapped());
    EXPECT_EQ(run(container, program({"stat", "/data/file"})).out, "file 644 5:5 0:0\n");
    first.kill();
    first.wait();
}

TEST_F(IdMappedMount, IsPropagatedFromTheHostLikeOtherBinds) {
    make_dir("data/sub");
    Container container = isolated().add_mount(mapped({{0, 1000, 10}}));
    const std::string before = host_mounts();
    const Process process = start_ready(container, program({"pause"}));
    EXPECT_EQ(host_mounts(), before);
    // A slave of the host's mount: what is mounted inside is not seen here.
    EXPECT_TRUE(succeeded(run_entered(container, program({"mount", "tmpfs", "/data/sub"}))));
    EXPECT_EQ(host_mounts(), before);
    container.kill();
    container.wait();
}

TEST_F(IdMappedMount, ThatTheFileSystemRefusesSaysSo) {
    Mount mount = mapped({{0, 1000, 10}});
    mount.source = "/proc/self/net";
    Container container = isolated().add_mount(mount);
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::invalid_argument,
        {"container 'box': map the ids of the bind of '/proc/self/net' on '/data': Invalid argument",
         "cannot map ids"}));
}

TEST_F(IdMappedMount, NeedsMapsFromSomewhere) {
    Container container = isolated().add_mount(mapped());
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        Errc::InvalidConfig, {"id-mapped bind on '/data'", "needs id maps"}));
}

TEST_F(IdMappedMount, UnprivilegedIsRefusedWithAReason) {
    CT_REQUIRE(Privilege::UserNamespaces);
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session own;
        Container container = own.create("mine")
                                  .set_root(image().string())
                                  .add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::User})
                                  .map_root_to_caller()
                                  .add_mount(mapped());
        EXPECT_TRUE(fails(
            [&] {
                container.start(program({"exit", "0"}));
            },
            std::errc::operation_not_permitted, {"container 'mine': bind '", "on '/data'", "CAP_SYS_ADMIN"}));
    }));
}

} // namespace
} // namespace ct::test
