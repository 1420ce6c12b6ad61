// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

class Tmpfs : public ContainerTest {
protected:
    /// How many bytes a file in \p directory can have.
    static std::function<int()> fill(const char* file) {
        return [file] {
            static char zeros[4096];
            const int fd = ::open(file, O_WRONLY | O_CREAT, 0600);
            int pages = 0;
            while (::write(fd, zeros, sizeof zeros) == sizeof zeros) ++pages;
            return errno == ENOSPC ? pages : 255;
        };
    }
};

TEST_F(Tmpfs, IsEmptyAtEveryStartAndHasItsSizeAndMode) {
    make_file("image/area/hidden");
    Container container = isolated().set_private(TmpfsArea{.size = 65536, .mode = 01750, .target = "/area"});
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(run(container, program({"ls", "/area"})).out, "");
        EXPECT_EQ(run(container, {}, fill("/area/file")).status.value, 16);
    }
    const auto mode = [] {
        struct stat status {};
        return ::stat("/area", &status) == 0 && (status.st_mode & 07777) == 01750 ? 0 : 1;
    };
    EXPECT_TRUE(succeeded(run(container, {}, mode)));
}

TEST_F(Tmpfs, GoesOverTheRootAndIsFilledByMounts) {
    const std::string before = tree(image());
    Container container = isolated()
                              .set_private(TmpfsArea{.size = 65536})
                              .add_default_mounts()
                              .add_mount({.source = (image() / "bin").string(), .target = "/bin", .read_only = true});
    EXPECT_EQ(run(container, program({"ls", "/"})).out, "bin\ndev\nproc\nsys\n");
    EXPECT_EQ(run(container, {}, fill("/file")).status.value, 16);
    EXPECT_EQ(tree(image()), before);
}

TEST_F(Tmpfs, OverTheRootIsReadOnlyWithIt) {
    Container container =
        isolated().set_private(TmpfsArea{}).add_mount({.source = (image() / "bin").string(), .target = "/bin"});
    container.set_root({.path = image().string(), .read_only = true});
    EXPECT_TRUE(contains(run(container, program({"write", "/note", "text"})).err, "EROFS"));
}

TEST_F(Tmpfs, WorksInAUserNamespaceOfAnOrdinaryUser) {
    CT_REQUIRE(Privilege::UserNamespaces);
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session own;
        Container container = own.create("box").set_root(image().string()).set_private(TmpfsArea{.size = 65536});
        container.add_namespaces({Namespace::User, Namespace::Mount}).map_root_to_caller();
        container.add_mount({.source = (image() / "bin").string(), .target = "/bin"});
        EXPECT_EQ(run(container, program({"ls", "/"})).out, "bin\n");
        EXPECT_TRUE(exited(run(container, {}, fill("/file")).status, 16));
    }));
}

TEST_F(Tmpfs, IsNotInTheHostsMountTable) {
    const std::string before = host_mounts();
    Container container = isolated().set_private(TmpfsArea{.target = "/area"});
    const Process process = start_ready(container, program({"pause"}));
    EXPECT_EQ(host_mounts(), before);
    EXPECT_TRUE(succeeded(run_entered(container, program({"write", "/area/note", "text"}))));
    container.kill();
    container.wait();
}

TEST_F(Tmpfs, NamesItsTargetWhenItCannotBeMounted) {
    std::filesystem::create_symlink("/loop", image() / "loop");
    Container container = isolated().set_private(TmpfsArea{.target = "/loop/area"});
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::too_many_symbolic_link_levels, {"container 'box': mount tmpfs on '/loop/area'"}));
}

} // namespace
} // namespace ct::test
