// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Containers without a process: kept by descriptors, or by name.
#include <array>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

std::string target_of(int fd) {
    std::array<char, 64> text{};
    const ssize_t length = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), text.data(), text.size());
    return {text.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0))};
}

class Held : public ContainerTest {
protected:
    /// All kinds that need neither a process nor id maps, and files.
    Container pod(const std::string& name = "pod") {
        return session()
            .create(name)
            .set_root(image().string())
            .add_namespaces({Namespace::Mount, Namespace::Net, Namespace::Uts, Namespace::Ipc, Namespace::Cgroup})
            .set_hostname("held")
            .add_default_mounts();
    }

    /// The namespace in which the container's processes are, as /proc/PID/ns shows it.
    static std::string namespace_of(Container& container, Namespace kind) {
        const int fd = container.namespace_fd(kind);
        std::string text = target_of(fd);
        ::close(fd);
        return text;
    }

    /// Starts (or holds) and pins. Outside of the first mount namespace of the machine Linux 6.18 mistakes the age of
    /// mount namespaces that were made on different CPUs, so the one on which this test program made its own is tried.
    template <typename Begin>
    void pin(Container& container, Begin begin) {
        cpu_set_t before;
        ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
        bool pinned = false;
        for (unsigned cpu = 0; cpu < CPU_SETSIZE && !pinned; ++cpu) {
            if (!CPU_ISSET(cpu, &before)) continue;
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
            begin();
            try {
                EXPECT_EQ(container.pin(pins()), pins());
                pinned = true;
            } catch (const Error& error) {
                EXPECT_EQ(error.code(), std::errc::invalid_argument) << error.what();
                EXPECT_FALSE(fs::exists(dir() / "pins")) << "a failure leaves nothing";
                container.stop(std::chrono::seconds(0));
            }
        }
        ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
        ASSERT_TRUE(pinned);
    }

    /// Below mounts that are shared with other mount namespaces, as those of the host are.
    [[nodiscard]] std::string pins() const { return (dir() / "pins" / "pod").string(); }
};

TEST_F(Held, IsSetUpAndRunningWithoutAProcess) {
    Container container = pod();
    container.hold();
    EXPECT_EQ(container.state(), State::Running);
    EXPECT_TRUE(container.running());
    EXPECT_TRUE(container.processes().empty());
    for (const Namespace kind : {Namespace::Mount, Namespace::Net, Namespace::Uts, Namespace::Ipc, Namespace::Cgroup})
        EXPECT_NE(namespace_of(container, kind), test::namespace_of(::getpid(), kind)) << to_string(kind);
    EXPECT_EQ(namespace_of(container, Namespace::Pid), test::namespace_of(::getpid(), Namespace::Pid));
    container.stop(Patience);
    EXPECT_EQ(container.state(), State::Stopped);
}

TEST_F(Held, IsEnteredAgainAndAgain) {
    Container container = pod();
    container.hold();
    const std::string net = namespace_of(container, Namespace::Net);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(run_entered(container, program({"uname"})).out, "held\n(none)\n");
        EXPECT_EQ(run_entered(container, program({"readlink", "/proc/self/ns/net"})).out, net + "\n");
        EXPECT_TRUE(contains(run_entered(container, program({"ls", "/dev"})).out, "null\n"));
    }
    EXPECT_TRUE(exited(run_entered(container, {}, [] { return ::access("/bin/test_init", X_OK); }).status, 0));
    EXPECT_EQ(container.state(), State::Running);
    container.kill();
    EXPECT_EQ(container.state(), State::Stopped);
}

TEST_F(Held, WorksWithChrootAlone) {
    make_file("files/hello", "from the private area");
    Container container = plain().set_root(image().string());
    make_dir("image/data");
    container.set_private(BindDir{.source = (dir() / "files").string(), .target = "/data", .read_only = true});
    container.hold();
    EXPECT_EQ(run_entered(container, program({"cat", "/data/hello"})).out, "from the private area");
    container.stop(Patience);
    EXPECT_TRUE(fs::is_empty(image() / "data")) << "the bind is gone";
}

TEST_F(Held, WorksWithAUserNamespace) {
    Container container = plain("pod")
                              .set_root(image().string())
                              .add_namespaces({Namespace::User, Namespace::Mount, Namespace::Net})
                              .add_uid_map({0, 10000, 1000})
                              .add_gid_map({0, 20000, 1000});
    container.hold();
    ProcessSpec spec = program({"ids"});
    spec.user = User{5, 6};
    EXPECT_EQ(run_entered(container, spec).out, "uid 5 5 5\ngid 6 6 6\ngroups\n");
    const Process process = container.enter(program({"pause"}));
    EXPECT_EQ(test::namespace_of(process.pid(), Namespace::User), namespace_of(container, Namespace::User));
    container.stop(std::chrono::seconds(0));
    EXPECT_TRUE(signaled(process.wait(), SIGTERM));
}

TEST_F(Held, KeepsAJoinedPidNamespace) {
    Container owner = plain("owner").add_namespace(Namespace::Pid);
    const Process first = start_ready(owner, host_program({"pause"}));
    Container container = plain("pod").add_namespace(Namespace::Uts).join_namespace(Namespace::Pid, owner);
    container.hold();
    const Process inside = container.enter(host_program({"pause"}));
    EXPECT_EQ(test::namespace_of(inside.pid(), Namespace::Pid), test::namespace_of(first.pid(), Namespace::Pid));
    owner.kill();
    owner.wait();
    EXPECT_TRUE(signaled(inside.wait(), SIGKILL));
    container.kill();
}

TEST_F(Held, CannotHaveAPidNamespaceOfItsOwn) {
    Container container = pod().add_namespace(Namespace::Pid);
    EXPECT_TRUE(fails([&] { container.hold(); }, Errc::InvalidConfig,
                      {"container 'pod': hold", "a new pid namespace, which ends with its first process"}));
    EXPECT_EQ(container.state(), State::Stopped);
}

TEST_F(Held, HasNoFirstProcess) {
    Container container = pod();
    container.hold();
    const auto reason = "held without one";
    EXPECT_TRUE(fails([&] { (void)container.init(); }, Errc::InvalidState, {"container 'pod'", reason}));
    EXPECT_TRUE(fails([&] { container.wait(); }, Errc::InvalidState, {reason}));
    EXPECT_TRUE(fails([&] { (void)container.try_wait(); }, Errc::InvalidState, {reason}));
    EXPECT_TRUE(fails([&] { container.signal(SIGTERM); }, Errc::InvalidState, {reason}));
    EXPECT_TRUE(fails([&] { container.hold(); }, Errc::InvalidState, {"hold", "it is running"}));
    EXPECT_TRUE(fails([&] { container.start(program({"exit", "0"})); }, Errc::InvalidState, {"it is running"}));
    EXPECT_TRUE(fails([&] { container.set_hostname("x"); }, Errc::InvalidState, {"it is running"}));
    container.kill();
    EXPECT_TRUE(fails([&] { container.kill(); }, Errc::InvalidState, {"it is stopped"}));
    EXPECT_TRUE(fails([&] { container.enter(program({"exit", "0"})); }, Errc::InvalidState, {"it is stopped"}));
}

TEST_F(Held, IsStartedOrHeldAgainAfterwards) {
    Container container = pod();
    container.hold();
    const int before = container.namespace_fd(Namespace::Net); // open, so that the number is not used again
    container.stop(Patience);
    container.hold();
    EXPECT_NE(namespace_of(container, Namespace::Net), target_of(before));
    container.stop(Patience);
    EXPECT_EQ(run(container, program({"uname"})).out, "held\n(none)\n");
    ::close(before);
}

TEST_F(Held, StopSignalsAndWaitsForThoseWhoEntered) {
    Container container = pod();
    container.hold();
    ProcessSpec trap = program({"trap", "15", "7"});
    trap.stdio.out = Stdio::Pipe;
    const Process polite = container.enter(trap);
    EXPECT_EQ(read_line(polite.stream(1)), "ready");
    ProcessSpec deaf = program({"ignore", "15"});
    deaf.stdio.out = Stdio::Pipe;
    const Process stubborn = container.enter(deaf);
    EXPECT_EQ(read_line(stubborn.stream(1)), "ready");
    container.stop(std::chrono::milliseconds(50));
    EXPECT_TRUE(exited(polite.wait(), 7));
    EXPECT_TRUE(signaled(stubborn.wait(), SIGKILL));
}

TEST_F(Held, SessionEndsItAndKillsThoseWhoEntered) {
    Container container = pod();
    container.hold();
    const Process process = container.enter(program({"pause"}));
    const int net = container.namespace_fd(Namespace::Net);
    close_session();
    EXPECT_EQ(container.state(), State::Stopped);
    EXPECT_TRUE(signaled(process.wait(), SIGKILL));
    ::close(net);
}

TEST_F(Held, LivesWithoutHandles) {
    {
        Container container = pod();
        container.hold();
    }
    std::optional<Container> found = session().find("pod");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->state(), State::Running);
    EXPECT_EQ(run_entered(*found, program({"uname"})).out, "held\n(none)\n");
}

TEST_F(Held, FailureNamesTheStepAndLeavesNothing) {
    Container container = pod().add_mount({.source = (dir() / "missing").string(), .target = "/data"});
    const std::string before = tree(image());
    EXPECT_TRUE(
        fails([&] { container.hold(); }, std::errc::no_such_file_or_directory, {"container 'pod': ", "missing"}));
    EXPECT_EQ(tree(image()), before);
    EXPECT_EQ(container.state(), State::Stopped);
}

TEST_F(Held, IsPinnedByName) {
    Container container = pod();
    ASSERT_NO_FATAL_FAILURE(pin(container, [&] { container.hold(); }));
    for (const Namespace kind : {Namespace::Mount, Namespace::Net, Namespace::Uts, Namespace::Ipc, Namespace::Cgroup}) {
        const int fd = ::open((fs::path(pins()) / to_string(kind)).c_str(), O_RDONLY | O_CLOEXEC);
        struct stat pinned {};
        struct stat own {};
        const int held = container.namespace_fd(kind);
        EXPECT_EQ(::fstat(fd, &pinned), 0);
        EXPECT_EQ(::fstat(held, &own), 0);
        EXPECT_EQ(pinned.st_ino, own.st_ino) << to_string(kind);
        ::close(held);
        ::close(fd);
    }
    EXPECT_TRUE(fails([&] { container.pin(pins()); }, std::errc::file_exists, {"container 'pod'", pins(), "unpin()"}));
    container.unpin(pins());
    EXPECT_FALSE(fs::exists(pins()));
    container.unpin(pins()); // nothing to do
    fs::remove(dir() / "pins");
}

TEST_F(Held, PinsOutliveContainerAndSession) {
    std::string net;
    {
        Container container = pod();
        ASSERT_NO_FATAL_FAILURE(pin(container, [&] { container.hold(); }));
        net = namespace_of(container, Namespace::Net);
        container.stop(Patience);
        close_session();
    }
    Container guest = plain("guest").join_namespace(Namespace::Net, pins() + "/net");
    guest.join_namespace(Namespace::Mount, pins() + "/mnt");
    EXPECT_EQ(run(guest, program({"readlink", "/proc/self/ns/net"})).out, net + "\n");
    session().create("pod").unpin(pins());
    EXPECT_FALSE(fs::exists(pins()));
}

TEST_F(Held, RunningContainersArePinnedAsWell) {
    Container container = isolated("pod");
    std::optional<Process> init;
    ASSERT_NO_FATAL_FAILURE(pin(container, [&] { init = start_ready(container, program({"pause"})); }));
    const Process first = *init;
    Container guest = plain("guest").join_namespace(Namespace::Pid, pins() + "/pid");
    const Process second = start_ready(guest, host_program({"pause"}));
    EXPECT_EQ(test::namespace_of(second.pid(), Namespace::Pid), test::namespace_of(first.pid(), Namespace::Pid));
    container.unpin(pins());
    container.kill();
    guest.wait();
    container.wait();
}

TEST_F(Held, PinWithoutPrivilegeOrPlaceLeavesNothing) {
    Container container = pod();
    EXPECT_TRUE(fails([&] { container.pin(pins()); }, Errc::InvalidState, {"pin", "it is stopped"}));
    container.hold();
    make_file("file");
    EXPECT_TRUE(fails([&] { container.pin((dir() / "file/pod").string()); }, std::errc::not_a_directory, {"file/pod"}));
    make_dir("taken/inside");
    EXPECT_TRUE(fails([&] { container.pin((dir() / "taken").string()); }, std::errc::file_exists, {"taken"}));
    EXPECT_TRUE(fails([&] { container.unpin((dir() / "taken").string()); }, std::errc::directory_not_empty,
                      {"taken", "nothing was pinned there"}));
    make_dir("users");
    ASSERT_EQ(::chown((dir() / "users").c_str(), 1000, 1000), 0);
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session own;
        Container pinned = own.create("own").add_namespaces({Namespace::User, Namespace::Net}).map_root_to_caller();
        pinned.hold();
        const std::string place = (dir() / "users/a/own").string();
        EXPECT_TRUE(fails([&] { pinned.pin(place); }, std::errc::operation_not_permitted, {place, "CAP_SYS_ADMIN"}));
        EXPECT_TRUE(fs::is_empty(dir() / "users"));
    }));
}

TEST_F(Held, UnpinTakesNothingElseAway) {
    mount_tmpfs(dir() / "other");
    make_file("other/file");
    EXPECT_TRUE(
        fails([&] { plain().unpin((dir() / "other/file").string()); }, std::errc::not_a_directory, {"other/file"}));
    EXPECT_TRUE(fails([&] { plain().unpin((dir() / "other").string()); }, std::errc::device_or_resource_busy,
                      {"other", "nothing was pinned there"}));
    const fs::path alike = make_dir("alike");
    ASSERT_EQ(::mount("libct-pins", alike.c_str(), "tmpfs", 0, nullptr), 0);
    make_file("alike/net", "text");
    EXPECT_TRUE(fails([&] { plain().unpin(alike.string()); }, std::errc::device_or_resource_busy, {"alike"}));
    EXPECT_EQ(::umount2(alike.c_str(), MNT_DETACH), 0);
    fs::create_directory_symlink(dir() / "other", dir() / "link");
    EXPECT_TRUE(fails([&] { plain().unpin((dir() / "link").string()); }, std::errc::not_a_directory, {"link"}));
    EXPECT_TRUE(fs::exists(dir() / "other/file"));
}

TEST_F(Held, UnprivilegedUserHoldsAndEnters) {
    CT_REQUIRE(Privilege::SetUser);
    CT_REQUIRE(Privilege::UserNamespaces);
    if (ForksHaveThreads) GTEST_SKIP() << "setns(2): a process with several threads joins no user or time namespace";
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session own;
        Container container = own.create("own")
                                  .add_namespaces({Namespace::User, Namespace::Uts, Namespace::Net, Namespace::Mount})
                                  .map_root_to_caller()
                                  .set_hostname("rootless");
        container.hold();
        EXPECT_EQ(run_entered(container, host_program({"uname"})).out, "rootless\n(none)\n");
        EXPECT_EQ(run_entered(container, host_program({"ids"})).out, "uid 0 0 0\ngid 0 0 0\ngroups\n");
        Container guest = own.create("guest").join_namespace(Namespace::User, container);
        guest.join_namespace(Namespace::Uts, container);
        EXPECT_EQ(run(guest, host_program({"uname"})).out, "rootless\n(none)\n");
        container.stop(Patience);
    }));
}

} // namespace
} // namespace ct::test
