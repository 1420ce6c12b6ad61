// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// The same without the system calls that came with Linux 5.2 and 5.12: they are taken away by a filter.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/fixture.hpp"
#include "support/missing_calls.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

struct Lack {
    const char* name;
    std::initializer_list<int> calls;
    unsigned error;
};

const Lack Lacks[] = {
    {"AllMissing", NewMountCalls, ENOSYS},
    {"AllFiltered", NewMountCalls, EPERM},
    {"OnlySetattrMissing", {SYS_mount_setattr}, ENOSYS},
    {"OnlyMoveFiltered", {SYS_move_mount}, EPERM},
};

class ClassicMount : public ContainerTest, public ::testing::WithParamInterface<Lack> {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        if (IsSkipped()) return;
        make_file("data/file", "text");
        mount_tmpfs(make_dir("data/sub"));
        make_file("data/sub/file", "below");
    }

    /// In a host that lacks the calls; gives it a session of its own.
    void lacking(const std::function<void(Session&)>& body) const {
        EXPECT_TRUE(passes_in_child([&] {
            lose_calls(GetParam().calls, GetParam().error);
            Session session;
            body(session);
        }));
    }
    [[nodiscard]] Container box(Session& session, const std::string& name = "box") const {
        return session.create(name)
            .set_root(image().string())
            .add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::Uts, Namespace::Ipc});
    }
    [[nodiscard]] Container user_box(Session& session) const {
        // With a network namespace of its own it needs no recursive bind of /sys.
        return box(session, "user").add_namespaces({Namespace::User, Namespace::Net}).map_root_to_caller();
    }
    [[nodiscard]] Mount bind(const std::string& source = "data", std::string target = "/data") const {
        return {.source = (dir() / source).string(), .target = std::move(target), .options = {}};
    }
    [[nodiscard]] static Mount tmpfs(std::string target) {
        return {.source = "tmpfs", .target = std::move(target), .type = "tmpfs", .options = {"mode=755"}};
    }
};

INSTANTIATE_TEST_SUITE_P(Kernels, ClassicMount, ::testing::ValuesIn(Lacks),
                         [](const auto& param_info) { return std::string{param_info.param.name}; });

TEST_P(ClassicMount, FilesOfNamesDoWithoutTheLastOneOnly) {
    lacking([&](Session& session) {
        Container container = box(session).set_names({.servers = {"192.0.2.1"}});
        if (GetParam().name != std::string_view("OnlySetattrMissing")) {
            EXPECT_TRUE(fails(
                [&] {
                    (void)container.start(program({"exit", "0"}));
                },
                static_cast<std::errc>(GetParam().error), {"make the files of names", "a filter of system calls"}));
            return;
        }
        EXPECT_EQ(run(container, program({"cat", "/etc/resolv.conf"})).out, "nameserver 192.0.2.1\n");
        EXPECT_TRUE(contains(run(container, program({"write", "/etc/resolv.conf", "x"})).err, "EROFS"));
        EXPECT_TRUE(contains(run(container, program({"statvfs", "/etc/hosts"})).out, " ro nosuid nodev noexec"));
    });
}

TEST_P(ClassicMount, DefaultMountsAndDevices) {
    lacking([&](Session& session) {
        for (Container container : {box(session).add_default_mounts(), user_box(session).add_default_mounts()}) {
            SCOPED_TRACE(container.name());
            EXPECT_EQ(run(container, program({"read-device", "/dev/zero"})).out, "8\n");
            EXPECT_EQ(run(container, program({"openpty"})).out, "/dev/pts/0\n");
            EXPECT_TRUE(contains(run(container, program({"write", "/sys/kernel/mm/x", "x"})).err, "E"));
            EXPECT_TRUE(contains(run(container, program({"statvfs", "/sys"})).out, " ro nosuid nodev noexec"));
        }
    });
}

TEST_P(ClassicMount, ReadOnlyRootAndPropagation) {
    const std::string before = host_mounts();
    lacking([&](Session& session) {
        Container container = box(session).set_root(
            Root{.path = image().string(), .read_only = true, .propagation = Propagation::Private});
        EXPECT_TRUE(contains(run(container, program({"write", "/file", "x"})).err, "EROFS"));
        Container shared =
            box(session, "shared").set_root(Root{.path = image().string(), .propagation = Propagation::Shared});
        EXPECT_TRUE(succeeded(run(shared, program({"mount", "tmpfs", "/bin"}))));
    });
    EXPECT_EQ(host_mounts(), before);
}

TEST_P(ClassicMount, BindsOfDirectoriesAndFiles) {
    lacking([&](Session& session) {
        Mount recursive = bind("data", "/all");
        recursive.recursive = true;
        Container container =
            box(session).add_mount(bind()).add_mount(recursive).add_mount(bind("data/file", "/etc/file"));
        EXPECT_EQ(run(container, program({"cat", "/data/file", "/etc/file", "/all/sub/file"})).out, "texttextbelow");
        EXPECT_EQ(run(container, program({"ls", "/data/sub"})).out, "");
    });
}

TEST_P(ClassicMount, FlagsOfBinds) {
    lacking([&](Session& session) {
        Mount mount = bind("data/sub");
        mount.read_only = mount.no_suid = mount.no_dev = mount.no_exec = true;
        Mount file = bind("data/file", "/etc/file");
        file.read_only = true;
        Container container = box(session).add_mount(mount).add_mount(file);
        EXPECT_TRUE(contains(run(container, program({"statvfs", "/data"})).out, " ro nosuid nodev noexec"));
        EXPECT_TRUE(contains(run(container, program({"write", "/data/file", "x"})).err, "EROFS"));
        EXPECT_TRUE(contains(run(container, program({"write", "/etc/file", "x"})).err, "EROFS"));
    });
    EXPECT_NO_THROW(make_file("data/sub/new"));
}

TEST_P(ClassicMount, BindKeepsTheFlagsOfItsSource) {
    mount_tmpfs(make_dir("strict"), "", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME);
    lacking([&](Session& session) {
        Mount mount = bind("strict");
        mount.read_only = true;
        for (Container container : {box(session).add_mount(mount).add_default_mounts(),
                                    user_box(session).add_mount(mount).add_default_mounts()}) {
            const std::string mounts = run(container, program({"cat", "/proc/self/mountinfo"})).out;
            EXPECT_TRUE(contains(mounts, " /data ro,nosuid,nodev,noexec,noatime")) << container.name();
        }
    });
}

TEST_P(ClassicMount, AccessTimesAndPropagation) {
    lacking([&](Session& session) {
        Mount mount = bind("data/sub");
        mount.access_time = AccessTime::Never;
        mount.no_symlinks = true;
        mount.propagation = Propagation::Private;
        Mount other = tmpfs("/tmp");
        other.access_time = AccessTime::Strict;
        other.propagation = Propagation::Shared;
        Container container = box(session).add_mount(mount).add_mount(other).add_default_mounts();
        const std::string mounts = run(container, program({"cat", "/proc/self/mountinfo"})).out;
        EXPECT_TRUE(contains(mounts, " /data rw,noatime,nosymfollow - tmpfs"));
        EXPECT_TRUE(contains(mounts, " /tmp rw shared:"));
    });
}

TEST_P(ClassicMount, MasksAndReadOnlyPaths) {
    make_file("image/secret", "secret");
    make_file("image/dir/file", "text");
    lacking([&](Session& session) {
        for (Container container : {box(session), user_box(session)}) {
            SCOPED_TRACE(container.name());
            container.add_default_mounts().add_default_masks().add_masked_path("/secret").add_masked_path("/dir");
            container.add_read_only_path("/bin");
            EXPECT_EQ(run(container, program({"stat", "/secret"})).out, "char 666 0:0 1:3\n");
            EXPECT_EQ(run(container, program({"ls", "/dir"})).out, "");
            EXPECT_TRUE(contains(run(container, program({"mkdir", "/dir/x"})).err, "EROFS"));
            EXPECT_TRUE(contains(run(container, program({"write", "/bin/x", "x"})).err, "EROFS"));
            EXPECT_TRUE(contains(run(container, program({"write", "/proc/sys/kernel/hostname", "x"})).err, "EROFS"));
        }
    });
}

TEST_P(ClassicMount, DevicesOfAUserNamespace) {
    lacking([&](Session& session) {
        Container container = user_box(session).add_device({.path = "/dev/zero", .major = 1, .minor = 5});
        EXPECT_EQ(run(container, program({"read-device", "/dev/zero"})).out, "8\n");
    });
}

TEST_P(ClassicMount, CopyUp) {
    make_file("image/var/dir/file", "text");
    lacking([&](Session& session) {
        Mount mount = tmpfs("/var");
        mount.copy_up = mount.read_only = true;
        Container container = box(session).add_mount(mount);
        EXPECT_EQ(run(container, program({"cat", "/var/dir/file"})).out, "text");
        EXPECT_TRUE(contains(run(container, program({"write", "/var/dir/file", "x"})).err, "EROFS"));
    });
    EXPECT_EQ(content(image() / "var/dir/file"), "text");
}

TEST_P(ClassicMount, LiveFileSystem) {
    lacking([&](Session& session) {
        Container container = box(session);
        (void)start_ready(container, program({"pause"}));
        container.mount(tmpfs("/tmp"));
        EXPECT_EQ(run_entered(container, program({"stat", "/tmp"})).out, "dir 755 0:0 0:0\n");
        container.unmount("/tmp");
        EXPECT_EQ(run_entered(container, program({"ls", "/tmp"})).out, "");
        (void)container.stop(std::chrono::seconds{0});
    });
}

TEST_P(ClassicMount, LinksDoNotLeadOut) {
    make_file("outside/file", "outside");
    fs::create_symlink("../../../../../../../.." + (dir() / "outside").string(), image() / "link");
    const std::string outside = tree(dir() / "outside");
    const std::string before = host_mounts();
    lacking([&](Session& session) {
        Container container =
            box(session).add_mount(tmpfs("/link")).add_mount(bind("data", "/link/x")).add_masked_path("/link");
        EXPECT_THROW(container.start(program({"exit", "0"})), Error);
    });
    EXPECT_EQ(tree(dir() / "outside"), outside);
    EXPECT_EQ(host_mounts(), before);
}

TEST_P(ClassicMount, BadOptionIsReported) {
    lacking([&](Session& session) {
        Mount mount = tmpfs("/tmp");
        mount.options = {"size=banana"};
        Container container = box(session).add_mount(mount);
        EXPECT_TRUE(fails(
            [&] {
                container.start(program({"exit", "0"}));
            },
            std::errc::invalid_argument, {"container 'box': mount tmpfs on '/tmp': Invalid argument"}));
    });
}

class MissingCalls : public ContainerTest {};

TEST_F(MissingCalls, WhatCannotBeDoneNamesTheKernel) {
    make_dir("data");
    EXPECT_TRUE(passes_in_child([&] {
        lose_calls(NewMountCalls, ENOSYS);
        Session session;
        const auto refused = [&](const Mount& mount, std::initializer_list<std::string_view> parts) {
            Container container =
                session.create("box").set_root(image().string()).add_namespace(Namespace::Mount).add_mount(mount);
            EXPECT_TRUE(fails([&] { container.start(program({"exit", "0"})); }, Errc::Unsupported, parts));
        };
        Mount mount{.source = (dir() / "data").string(), .target = "/data", .options = {}};
        mount.recursive = mount.read_only = true;
        refused(mount, {"container 'box': bind '", "on '/data'", "recursive bind", "Linux 5.12"});
        mount.recursive = false;
        mount.id_mapped = true;
        mount.uid_map = mount.gid_map = {{0, 1000, 1}};
        refused(mount, {"container 'box': bind '", "on '/data'", "Linux 5.2"});
        Mount overlay{.source = "o", .target = "/data", .type = "overlay", .options = {"lowerdir=/a,b"}};
        refused(overlay, {"container 'box': mount overlay on '/data'", "fsopen(2), Linux 5.2"});
    }));
}

} // namespace
} // namespace ct::test
