// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <atomic>
#include <thread>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class Masks : public ContainerTest {
protected:
    Container masked(const std::string& name = "box") {
        return isolated(name).add_default_mounts().add_default_masks();
    }
    std::string read(Container container, const std::string& path) {
        return run(container, program({"cat", path})).out;
    }
    void expect_read_only(Container container, const std::string& path) {
        EXPECT_TRUE(contains(run(container, program({"write", path, "x"})).err, "EROFS")) << path;
    }
    void expect_failure(Container container, std::errc code, std::initializer_list<std::string_view> parts) {
        EXPECT_TRUE(fails([&] { container.start(program({"exit", "0"})); }, code, parts));
    }
};

TEST_F(Masks, DefaultOnesHideTheMachine) {
    for (Container container : {masked("root"), masked("user").add_namespace(Namespace::User).map_root_to_caller()}) {
        SCOPED_TRACE(container.name());
        for (const char* path : {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/interrupts"}) {
            if (!fs::exists(path)) continue;
            EXPECT_EQ(run(container, program({"stat", path})).out.substr(0, 4), "char") << path;
            EXPECT_EQ(read(container, path), "") << path;
        }
        for (const char* path : {"/proc/scsi", "/proc/acpi", "/sys/firmware"}) {
            if (!fs::exists(path)) continue;
            EXPECT_EQ(run(container, program({"ls", path})).out, "") << path;
            EXPECT_TRUE(contains(run(container, program({"mkdir", std::string{path} + "/x"})).err, "EROFS")) << path;
        }
        expect_read_only(container, "/proc/sys/kernel/hostname");
        if (fs::exists("/proc/sysrq-trigger")) expect_read_only(container, "/proc/sysrq-trigger");
        EXPECT_EQ(read(container, "/proc/sys/kernel/ostype"), "Linux\n");
    }
}

TEST_F(Masks, DefaultOnesLeaveTheRestOfProcAlone) {
    Container container = masked();
    EXPECT_TRUE(contains(read(container, "/proc/self/status"), "Name:"));
    EXPECT_TRUE(contains(read(container, "/proc/meminfo"), "MemTotal:"));
    EXPECT_TRUE(succeeded(run(container, program({"write", "/proc/self/comm", "x"}))));
}

TEST_F(Masks, HoldForEnteringProcesses) {
    Container container = masked();
    const Process process = start_ready(container, program({"pause"}));
    EXPECT_TRUE(contains(run_entered(container, program({"write", "/proc/sys/kernel/hostname", "x"})).err, "EROFS"));
    EXPECT_EQ(run_entered(container, program({"cat", "/proc/timer_list"})).out, "");
    container.kill();
    container.wait();
}

TEST_F(Masks, CannotBeTakenOffWithoutPrivileges) {
    Container container = masked();
    ProcessSpec spec = program({"mount", "proc", "/proc/sys"});
    spec.capabilities.emplace();
    EXPECT_TRUE(contains(run(container, spec).err, "EPERM"));
}

TEST_F(Masks, OfTheImagesOwnFiles) {
    make_file("image/etc/secret", "secret");
    make_file("image/var/secrets/one", "secret");
    make_file("image/etc/fixed", "fixed");
    const std::string before = tree(image());
    Container container = isolated()
                              .add_masked_path("/etc/secret")
                              .add_masked_path("/var/secrets")
                              .add_masked_path("/not/there")
                              .add_masked_path("/etc/fixed/not/there")
                              .add_read_only_path("/etc/fixed")
                              .add_read_only_path("/bin")
                              .add_read_only_path("/not/there");
    EXPECT_EQ(read(container, "/etc/secret"), "");
    EXPECT_EQ(run(container, program({"ls", "/var/secrets"})).out, "");
    EXPECT_EQ(read(container, "/etc/fixed"), "fixed");
    expect_read_only(container, "/etc/fixed");
    expect_read_only(container, "/bin/new");
    EXPECT_TRUE(succeeded(run(container, program({"write", "/etc/secret", "lost"}))));
    EXPECT_EQ(tree(image()), before);
    EXPECT_EQ(content(image() / "etc/secret"), "secret");
}

TEST_F(Masks, ReadOnlyPathTakesWhatIsMountedBelowAlong) {
    make_dir("image/top/sub");
    Mount tmpfs{.source = "tmpfs", .target = "/top/sub", .type = "tmpfs", .options = {}};
    Container container = isolated().add_mount(tmpfs).add_read_only_path("/top");
    expect_read_only(container, "/top/file");
    expect_read_only(container, "/top/sub/file");
}

TEST_F(Masks, KeepTheFlagsOfAReadOnlyPath) {
    Mount tmpfs{.source = "tmpfs",
                .target = "/tmp",
                .type = "tmpfs",
                .options = {},
                .no_suid = true,
                .no_dev = true,
                .no_exec = true};
    Container container = isolated().add_mount(tmpfs).add_read_only_path("/tmp");
    EXPECT_TRUE(contains(run(container, program({"statvfs", "/tmp"})).out, " ro nosuid nodev noexec"));
}

TEST_F(Masks, CoverAnyKindOfFile) {
    ASSERT_EQ(::mkfifo((image() / "fifo").c_str(), 0666), 0);
    ASSERT_EQ(::mknod((image() / "zero").c_str(), S_IFCHR | 0666, makedev(1, 5)), 0);
    fs::create_symlink("zero", image() / "link");
    Container container = isolated().add_masked_path("/fifo").add_masked_path("/link").add_read_only_path("/fifo");
    for (const char* path : {"/fifo", "/zero", "/link"})
        EXPECT_EQ(run(container, program({"read-device", path})).out, "0\n") << path;
}

TEST_F(Masks, NeverUseTheImagesNullDevice) {
    make_file("image/secret", "secret");
    make_dir("image/dev");
    // As in CVE-2025-31133: what lies at /dev/null inside would be bound over the masked file, writable.
    fs::create_symlink("/bait", image() / "dev/null");
    make_file("image/bait", "bait");
    Container container = isolated().add_masked_path("/secret");
    EXPECT_EQ(run(container, program({"stat", "/secret"})).out, "char 666 0:0 1:3\n");
    EXPECT_EQ(read(container, "/secret"), "");
}

TEST_F(Masks, DoNotLeadOutOfTheRoot) {
    make_file("outside/secret", "outside");
    const std::string outside = tree(dir() / "outside");
    const std::string before = host_mounts();
    for (const std::string& content_of_link :
         {(dir() / "outside").string(), "../../../../../../../.." + (dir() / "outside").string(),
          std::string{"../outside"}}) {
        fs::remove(image() / "link");
        fs::create_symlink(content_of_link, image() / "link");
        Container container =
            isolated().add_masked_path("/link").add_masked_path("/link/secret").add_read_only_path("/link");
        const Process process = start_ready(container, program({"pause"}));
        EXPECT_EQ(host_mounts(), before);
        EXPECT_EQ(tree(dir() / "outside"), outside);
        EXPECT_EQ(content(dir() / "outside/secret"), "outside");
        EXPECT_NO_THROW(make_file("outside/new"));
        fs::remove(dir() / "outside/new");
        container.kill();
        container.wait();
    }
}

TEST_F(Masks, RefuseAProcThatIsNone) {
    make_file("image/fake/sys/kernel/file");
    fs::create_symlink("fake", image() / "proc");
    // The image leads /proc to a directory of its own, which then is covered by the fresh one: still the real thing.
    EXPECT_TRUE(succeeded(run(*std::make_unique<Container>(masked("led")), program({"exit", "0"}))));
    // Without a mount there it is not.
    expect_failure(isolated().add_default_masks(), std::errc::no_such_device,
                   {"container 'box': make read-only the path '/proc/sys'", "does not lie in the file system"});
}

TEST_F(Masks, SkipAProcThatIsMissing) {
    Container container = isolated().add_default_masks();
    EXPECT_TRUE(succeeded(run(container, program({"exit", "0"}))));
    make_dir("image/proc");
    EXPECT_TRUE(succeeded(run(container, program({"exit", "0"}))));
}

/// Swaps a directory of the image and a link out of it as fast as it can.
class Swapper {
public:
    Swapper(const fs::path& directory, const fs::path& link)
        : thread_{[this, directory, link] {
              while (!stop_.load()) {
                  ::renameat2(AT_FDCWD, directory.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE);
                  ++swaps_;
              }
          }} {}
    ~Swapper() {
        stop_ = true;
        thread_.join();
    }
    [[nodiscard]] int swaps() const { return swaps_.load(); }

private:
    std::atomic<bool> stop_{false};
    std::atomic<int> swaps_{0};
    std::thread thread_;
};

TEST_F(Masks, AndMountsStayInsideWhileTheImageIsBeingChanged) {
    make_file("image/shared/dir/secret", "inside");
    make_file("outside/secret", "outside");
    fs::create_symlink("../../../../../../../.." + (dir() / "outside").string(), image() / "shared/link");
    const std::string outside = tree(dir() / "outside");
    const std::string before = host_mounts();
    Container container =
        isolated()
            .add_mount({.source = "tmpfs", .target = "/shared/dir/new", .type = "tmpfs", .options = {}})
            .add_device({.path = "/shared/dir/node", .major = 1, .minor = 5})
            .add_masked_path("/shared/dir/secret")
            .add_read_only_path("/shared/dir");
    {
        const Swapper swapper{image() / "shared/dir", image() / "shared/link"};
        for (int round = 0; round < 60; ++round) {
            try {
                const Process process = container.start(program({"exit", "0"}));
                process.wait();
                container.wait();
            } catch (const Error& error) {
                EXPECT_TRUE(contains(error.what(), "container 'box': "));
            }
            EXPECT_EQ(tree(dir() / "outside"), outside);
        }
        EXPECT_GT(swapper.swaps(), 0);
    }
    EXPECT_EQ(host_mounts(), before);
    EXPECT_EQ(content(dir() / "outside/secret"), "outside");
}

TEST_F(Masks, NeedAMountNamespace) {
    Container container = plain().add_default_masks();
    EXPECT_TRUE(fails(
        [&] {
            container.start(host_program({"exit", "0"}));
        },
        Errc::InvalidConfig, {"masked and read-only paths need a new mount namespace"}));
}

TEST_F(Masks, AreAddedOnce) {
    Container container = isolated().add_default_masks();
    const Spec once = container.spec();
    EXPECT_EQ(container.add_default_masks().spec(), once);
}

TEST_F(Masks, MalformedPathsAreRefusedAtOnce) {
    Container container = isolated();
    for (const char* path : {"", "relative", "/a/../b", "/", "//", "/."}) {
        EXPECT_TRUE(fails([&] { container.add_masked_path(path); }, Errc::InvalidConfig, {"masked path"})) << path;
        EXPECT_TRUE(fails([&] { container.add_read_only_path(path); }, Errc::InvalidConfig, {"read-only path"}))
            << path;
    }
}

class ProcModes : public ContainerTest {
protected:
    Container nested(Session& session) const {
        return session.create("inner")
            .set_root(image().string())
            .add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::User})
            .map_root_to_caller()
            .set_setgroups(SetGroups::Deny)
            .add_default_mounts();
    }
    /// Becomes the root of a user namespace in which something is mounted over a part of /proc, for good.
    static void enter_user_namespace_with_covered_proc() {
        const std::string user = std::to_string(::geteuid());
        const std::string group = std::to_string(::getegid());
        ASSERT_EQ(::unshare(CLONE_NEWUSER | CLONE_NEWNS), 0);
        const auto put = [](const char* path, const std::string& text) {
            const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
            ASSERT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size())) << path;
            ::close(fd);
        };
        put("/proc/self/setgroups", "deny");
        put("/proc/self/uid_map", "0 " + user + " 1");
        put("/proc/self/gid_map", "0 " + group + " 1");
        ASSERT_EQ(::mount("tmpfs", "/proc/sys", "tmpfs", 0, nullptr), 0);
        // The covers of an outer namespace are locked together with what they cover.
        ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
    }
};

TEST_F(ProcModes, CoveredProcIsExplained) {
    EXPECT_TRUE(passes_in_child([&] {
        enter_user_namespace_with_covered_proc();
        Session session;
        Container container = nested(session);
        EXPECT_TRUE(fails(
            [&] {
                container.start(program({"exit", "0"}));
            },
            std::errc::operation_not_permitted,
            {"container 'inner': mount proc on '/proc': Operation not permitted", "'/proc/sys'",
             "ProcMode::BindHost"}));
    }));
}

TEST_F(ProcModes, BindHostWorksWhereAFreshOneIsRefused) {
    EXPECT_TRUE(passes_in_child([&] {
        enter_user_namespace_with_covered_proc();
        Session session;
        Container container = nested(session).set_proc_mode(ProcMode::BindHost);
        const Finished finished = run(container, program({"cat", "/proc/self/mountinfo"}));
        EXPECT_TRUE(succeeded(finished));
        EXPECT_TRUE(contains(finished.out, " /proc/sys "));
    }));
}

TEST_F(ProcModes, MissingPidNamespaceIsExplained) {
    Container container = plain()
                              .set_root(image().string())
                              .add_namespaces({Namespace::Mount, Namespace::User})
                              .map_root_to_caller()
                              .add_default_mounts();
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::operation_not_permitted,
        {"container 'box': mount proc on '/proc'", "needs a new pid namespace", "ProcMode::BindHost"}));
    container.set_proc_mode(ProcMode::BindHost);
    EXPECT_TRUE(succeeded(run(container, program({"exit", "0"}))));
}

TEST_F(ProcModes, BindHostShowsTheHostsProcesses) {
    Container container = isolated().add_default_mounts().set_proc_mode(ProcMode::BindHost);
    const std::string own = std::to_string(::getpid());
    EXPECT_TRUE(contains("\n" + run(container, program({"ls", "/proc"})).out, "\n" + own + "\n"));
    EXPECT_TRUE(contains(run(container, program({"statvfs", "/proc"})).out, " nosuid nodev noexec"));
}

TEST_F(ProcModes, NeedsDefaultMounts) {
    Container container = isolated().set_proc_mode(ProcMode::BindHost);
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        Errc::InvalidConfig, {"proc mode needs default mounts"}));
}

} // namespace
} // namespace ct::test
