// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include <sys/stat.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

struct MountLine {
    std::string type;
    std::string options;
    std::string super_options;
};

/// By mount point; a mount over another of the same place is the one that counts.
std::map<std::string, MountLine> parse(const std::string& mountinfo) {
    std::map<std::string, MountLine> mounts;
    for (const std::string& line : lines(mountinfo)) {
        std::istringstream stream{line};
        std::string ignored;
        std::string target;
        MountLine mount;
        stream >> ignored >> ignored >> ignored >> ignored >> target >> mount.options;
        for (std::string field; stream >> field && field != "-";) {
        }
        stream >> mount.type >> ignored >> mount.super_options;
        mounts[target] = mount;
    }
    return mounts;
}

class DefaultMounts : public ContainerTest {
protected:
    Container with_defaults(const std::string& name = "box") { return isolated(name).add_default_mounts(); }
    Container in_user_namespace() { return with_defaults("user").add_namespace(Namespace::User).map_root_to_caller(); }

    std::map<std::string, MountLine> mounts_of(Container container) {
        const Finished finished = run(container, program({"cat", "/proc/self/mountinfo"}));
        EXPECT_TRUE(succeeded(finished));
        return parse(finished.out);
    }
};

TEST_F(DefaultMounts, AreTheseAndNoOthers) {
    std::set<std::string> targets;
    for (const auto& [target, mount] : mounts_of(with_defaults())) targets.insert(target);
    EXPECT_EQ(targets, (std::set<std::string>{"/", "/proc", "/sys", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"}));
}

TEST_F(DefaultMounts, HaveTheirTypesAndFlags) {
    const auto mounts = mounts_of(with_defaults());
    const auto expect = [&](const std::string& target, const std::string& type, const std::string& flags) {
        ASSERT_TRUE(mounts.contains(target)) << target;
        EXPECT_EQ(mounts.at(target).type, type) << target;
        EXPECT_TRUE(mounts.at(target).options.starts_with(flags)) << target << ": " << mounts.at(target).options;
    };
    expect("/proc", "proc", "rw,nosuid,nodev,noexec");
    expect("/sys", "sysfs", "ro,nosuid,nodev,noexec");
    expect("/dev", "tmpfs", "rw,nosuid");
    expect("/dev/pts", "devpts", "rw,nosuid,noexec");
    expect("/dev/shm", "tmpfs", "rw,nosuid,nodev,noexec");
    expect("/dev/mqueue", "mqueue", "rw,nosuid,nodev,noexec");
}

TEST_F(DefaultMounts, HaveTheirOptions) {
    const auto mounts = mounts_of(with_defaults());
    EXPECT_TRUE(contains(mounts.at("/dev/pts").super_options, "ptmxmode=666"));
    EXPECT_TRUE(contains(mounts.at("/dev/pts").super_options, "mode=620"));
    Container container = with_defaults("other");
    EXPECT_EQ(run(container, program({"stat", "/dev", "/dev/shm"})).out, "dir 755 0:0 0:0\ndir 1777 0:0 0:0\n");
}

TEST_F(DefaultMounts, ShowTheContainersProcesses) {
    Container container = with_defaults();
    const Finished finished = run(container, program({"ls", "/proc"}));
    EXPECT_TRUE(contains("\n" + finished.out, "\n1\n"));
    EXPECT_FALSE(contains("\n" + finished.out, "\n2\n"));
}

TEST_F(DefaultMounts, SysCannotBeWritten) {
    Container container = with_defaults();
    const Finished finished = run(container, program({"write", "/sys/kernel/mm/transparent_hugepage/enabled", "x"}));
    EXPECT_TRUE(contains(finished.err, "EROFS"));
}

TEST_F(DefaultMounts, DevHasItsNodesAndLinks) {
    Container container = with_defaults();
    EXPECT_EQ(run(container, program({"ls", "/dev"})).out,
              "fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n");
    EXPECT_EQ(
        run(container, program({"readlink", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/ptmx"})).out,
        "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n");
    EXPECT_EQ(run(container,
                  program({"stat", "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}))
                  .out,
              "char 666 0:0 1:3\nchar 666 0:0 1:5\nchar 666 0:0 1:7\nchar 666 0:0 1:8\nchar 666 0:0 1:9\n"
              "char 666 0:0 5:0\n");
}

TEST_F(DefaultMounts, ModesDoNotDependOnTheHostsUmask) {
    const mode_t before = ::umask(077);
    Container container = with_defaults();
    const Finished finished = run(container, program({"stat", "/dev/null", "/dev/pts", "/dev/shm"}));
    ::umask(before);
    EXPECT_EQ(finished.out, "char 666 0:0 1:3\ndir 755 0:0 0:0\ndir 1777 0:0 0:0\n");
    EXPECT_EQ(fs::status(image() / "proc").permissions(), fs::perms{0755});
}

TEST_F(DefaultMounts, DevicesWork) {
    for (Container container : {with_defaults(), in_user_namespace()}) {
        SCOPED_TRACE(container.name());
        for (const char* device : {"/dev/zero", "/dev/random", "/dev/urandom", "/dev/full"})
            EXPECT_EQ(run(container, program({"read-device", device})).out, "8\n") << device;
        EXPECT_EQ(run(container, program({"read-device", "/dev/null"})).out, "0\n");
        EXPECT_TRUE(succeeded(run(container, program({"write", "/dev/null", "text"}))));
        EXPECT_TRUE(contains(run(container, program({"write", "/dev/full", "text"})).err, "ENOSPC"));
        EXPECT_TRUE(contains(run(container, program({"read-device", "/dev/tty"})).err, "ENXIO"));
        EXPECT_EQ(run(container, program({"cat", "/dev/fd/../mounts"})).status.kind, ExitStatus::Kind::Exited);
    }
}

TEST_F(DefaultMounts, GiveNewTerminals) {
    for (Container container : {with_defaults(), in_user_namespace()})
        EXPECT_EQ(run(container, program({"openpty"})).out, "/dev/pts/0\n") << container.name();
}

TEST_F(DefaultMounts, WorkForAnotherUser) {
    Container container = with_defaults();
    ProcessSpec spec = program({"write", "/dev/shm/file", "text"});
    spec.user = User{1000, 1000};
    EXPECT_TRUE(succeeded(run(container, spec)));
    spec.argv = {InitPath, "openpty"};
    EXPECT_EQ(run(container, spec).out, "/dev/pts/0\n");
}

TEST_F(DefaultMounts, WorkInAUserNamespace) {
    const auto mounts = mounts_of(in_user_namespace());
    for (const char* target : {"/proc", "/sys", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"})
        EXPECT_TRUE(mounts.contains(target)) << target;
    // The host's network namespace: its sysfs is bound, read-only with all that is mounted below.
    for (const auto& [target, mount] : mounts) {
        if (target.starts_with("/sys")) {
            EXPECT_TRUE(mount.options.starts_with("ro,nosuid,nodev,noexec")) << target << ": " << mount.options;
        }
    }
    EXPECT_EQ(mounts.at("/dev/null").type, "devtmpfs");
}

TEST_F(DefaultMounts, AreReplacedByOnesOfTheUser) {
    make_file("data/file");
    Container container =
        with_defaults()
            .add_mount({.source = "tmpfs", .target = "/dev/shm", .type = "tmpfs", .options = {"size=1m"}})
            .add_mount({.source = (dir() / "data").string(), .target = "/sys", .options = {}});
    EXPECT_EQ(run(container, program({"statvfs", "/dev/shm"})).out, "1048576\n");
    EXPECT_EQ(run(container, program({"ls", "/sys"})).out, "file\n");
    const std::string mountinfo = run(container, program({"cat", "/proc/self/mountinfo"})).out;
    const std::vector<std::string> mounts = lines(mountinfo);
    EXPECT_EQ(
        std::count_if(mounts.begin(), mounts.end(),
                      [](const std::string& line) { return contains(line, " /dev/shm ") || contains(line, " /sys "); }),
        2)
        << mountinfo;
}

TEST_F(DefaultMounts, AreReplacedWhateverTheOrderOfTheCalls) {
    Container container =
        isolated()
            .add_mount({.source = "tmpfs", .target = "/dev", .type = "tmpfs", .options = {"size=2m", "mode=755"}})
            .add_default_mounts();
    EXPECT_EQ(run(container, program({"statvfs", "/dev"})).out, "2097152\n");
    EXPECT_EQ(run(container, program({"read-device", "/dev/zero"})).out, "8\n");
    EXPECT_EQ(run(container, program({"openpty"})).out, "/dev/pts/0\n");
}

TEST_F(DefaultMounts, AreThereBeforeTheUsersOwn) {
    make_file("data", "text");
    Container container =
        with_defaults().add_mount({.source = (dir() / "data").string(), .target = "/dev/file", .options = {}});
    EXPECT_EQ(run(container, program({"cat", "/dev/file"})).out, "text");
}

TEST_F(DefaultMounts, WorkWithTheHostsNamespacesOtherwise) {
    Container container = plain().set_root(image().string()).add_namespace(Namespace::Mount).add_default_mounts();
    EXPECT_TRUE(
        contains("\n" + run(container, program({"ls", "/proc"})).out, "\n" + std::to_string(::getpid()) + "\n"));
}

using DefaultDevices = ContainerTest;

TEST_F(DefaultDevices, AreMadeInTheImagesDev) {
    make_dir("image/dev");
    Container container = isolated().add_default_devices();
    EXPECT_EQ(run(container, program({"read-device", "/dev/zero"})).out, "8\n");
    EXPECT_TRUE(succeeded(run(container, program({"write", "/dev/null", "text"}))));
    EXPECT_TRUE(fs::is_character_file(image() / "dev/null"));
    // They are there at the next start.
    EXPECT_EQ(run(container, program({"read-device", "/dev/zero"})).out, "8\n");
}

TEST_F(DefaultDevices, AreMadeInADevOfTheUser) {
    Container container =
        isolated()
            .add_mount({.source = "tmpfs", .target = "/dev", .type = "tmpfs", .options = {"mode=755"}})
            .add_default_devices();
    EXPECT_EQ(run(container, program({"read-device", "/dev/zero"})).out, "8\n");
    EXPECT_TRUE(fs::is_empty(image() / "dev"));
}

TEST_F(DefaultDevices, AreBoundInAUserNamespace) {
    Container container = isolated().add_namespace(Namespace::User).map_root_to_caller().add_default_devices();
    EXPECT_EQ(run(container, program({"read-device", "/dev/zero"})).out, "8\n");
    EXPECT_TRUE(succeeded(run(container, program({"write", "/dev/null", "text"}))));
}

TEST_F(DefaultDevices, DoNotTakeOverAFileOfTheImage) {
    make_file("image/dev/null", "file");
    Container container = isolated().add_default_devices();
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::file_exists, {"container 'box': ", "/dev/null", "File exists"}));
    EXPECT_EQ(content(image() / "dev/null"), "file");
}

} // namespace
} // namespace ct::test
