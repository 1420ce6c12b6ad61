// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <array>

#include <fcntl.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

constexpr std::array Kinds{Namespace::Mount, Namespace::Pid,  Namespace::Net,    Namespace::Uts,
                           Namespace::Ipc,   Namespace::User, Namespace::Cgroup, Namespace::Time};

std::string ns_path(pid_t pid, Namespace kind) {
    return "/proc/" + std::to_string(pid) + "/ns/" + std::string{to_string(kind)};
}

class EachNamespace : public ContainerTest, public ::testing::WithParamInterface<Namespace> {
protected:
    /// A container with a new namespace of this kind.
    Container donor() {
        Container container = plain("donor").add_namespace(GetParam());
        if (GetParam() == Namespace::User) container.map_root_to_caller();
        return container;
    }

    /// All kinds but this test's are the host's, this one is \p expected.
    void expect_only_difference(const Process& process, const std::string& expected) {
        for (const Namespace kind : Kinds) {
            const std::string inside = namespace_of(process.pid(), kind);
            EXPECT_EQ(inside, kind == GetParam() ? expected : namespace_of(::getpid(), kind)) << to_string(kind);
        }
    }
};

INSTANTIATE_TEST_SUITE_P(Namespaces, EachNamespace, ::testing::ValuesIn(Kinds),
                         [](const auto& param_info) { return std::string{to_string(param_info.param)}; });

TEST_P(EachNamespace, IsTheHostsByDefault) {
    Container container = plain();
    const Process process = start_ready(container, host_program({"pause"}));
    expect_only_difference(process, namespace_of(::getpid(), GetParam()));
    container.kill();
    container.wait();
}

TEST_P(EachNamespace, IsTheHostsAfterShareHost) {
    Container container = donor().share_host(GetParam());
    Spec spec = container.spec();
    EXPECT_TRUE(spec.namespaces.empty());
    spec.uid_map.clear();
    spec.gid_map.clear();
    container.set_spec(spec);
    const Process process = start_ready(container, host_program({"pause"}));
    expect_only_difference(process, namespace_of(::getpid(), GetParam()));
    container.kill();
    container.wait();
}

TEST_P(EachNamespace, IsNewWhenAdded) {
    Container container = donor();
    const Process process = start_ready(container, host_program({"pause"}));
    const std::string inside = namespace_of(process.pid(), GetParam());
    EXPECT_TRUE(contains(inside, std::string{to_string(GetParam())} + ":["));
    EXPECT_NE(inside, namespace_of(::getpid(), GetParam()));
    expect_only_difference(process, inside);
    container.kill();
    container.wait();
}

TEST_P(EachNamespace, IsAnotherOneAtEachStart) {
    Container container = donor();
    const Process first = start_ready(container, host_program({"pause"}));
    const std::string before = namespace_of(first.pid(), GetParam());
    // Kept open, so that the number cannot be used again.
    const int held = ::open(ns_path(first.pid(), GetParam()).c_str(), O_RDONLY | O_CLOEXEC);
    container.kill();
    container.wait();
    const Process second = start_ready(container, host_program({"pause"}));
    EXPECT_NE(namespace_of(second.pid(), GetParam()), before);
    container.kill();
    container.wait();
    ::close(held);
}

TEST_P(EachNamespace, IsJoinedByPath) {
    Container owner = donor();
    const Process first = start_ready(owner, host_program({"pause"}));
    Container guest = plain("guest").join_namespace(GetParam(), ns_path(first.pid(), GetParam()));
    const Process second = start_ready(guest, host_program({"pause"}));
    expect_only_difference(second, namespace_of(first.pid(), GetParam()));
    guest.kill();
    guest.wait();
    owner.kill();
    owner.wait();
}

TEST_P(EachNamespace, IsJoinedByFd) {
    Container owner = donor();
    const Process first = start_ready(owner, host_program({"pause"}));
    const int fd = ::open(ns_path(first.pid(), GetParam()).c_str(), O_RDONLY | O_CLOEXEC);
    ASSERT_GE(fd, 0);
    Container guest = plain("guest").join_namespace(GetParam(), fd);
    for (int i = 0; i < 2; ++i) { // the borrowed descriptor stays usable
        const Process second = start_ready(guest, host_program({"pause"}));
        expect_only_difference(second, namespace_of(first.pid(), GetParam()));
        guest.kill();
        guest.wait();
    }
    owner.kill();
    owner.wait();
    ::close(fd);
}

TEST_P(EachNamespace, IsJoinedByACallable) {
    if (ForksHaveThreads) GTEST_SKIP() << "setns(2): a process with several threads joins no user or time namespace";
    Container owner = donor();
    const Process first = start_ready(owner, host_program({"pause"}));
    Container guest = plain("guest").join_namespace(GetParam(), ns_path(first.pid(), GetParam()));
    const std::string expected = namespace_of(first.pid(), GetParam());
    const std::string link = "/proc/thread-self/ns/" + std::string{to_string(GetParam())};
    const Finished finished = run(guest, {}, [&] {
        std::array<char, 256> target{};
        return ::readlink(link.c_str(), target.data(), target.size() - 1) > 0 && expected == target.data() ? 0 : 1;
    });
    EXPECT_TRUE(exited(finished.status, 0));
    owner.kill();
    owner.wait();
}

TEST_P(EachNamespace, OfAnotherKindIsRefusedWithItsPath) {
    const Namespace other = GetParam() == Namespace::Uts ? Namespace::Ipc : Namespace::Uts;
    const std::string path = ns_path(::getpid(), other);
    Container container = plain().join_namespace(GetParam(), path);
    EXPECT_TRUE(fails(
        [&] {
            container.start(host_program({"exit", "0"}));
        },
        std::errc::invalid_argument, {"container 'box': ", path}));
    EXPECT_EQ(container.state(), State::Stopped);
}

TEST_P(EachNamespace, ThatDoesNotExistIsReportedWithItsPath) {
    const std::string path = (dir() / "no-such-namespace").string();
    Container container = plain().join_namespace(GetParam(), path);
    EXPECT_TRUE(fails(
        [&] {
            container.start(host_program({"exit", "0"}));
        },
        std::errc::no_such_file_or_directory, {"container 'box': ", path, "No such file or directory"}));
}

using Namespaces = ContainerTest;

TEST_F(Namespaces, AllEightAtOnce) {
    Container container = plain().map_root_to_caller();
    for (const Namespace kind : Kinds) container.add_namespace(kind);
    const Process process = start_ready(container, host_program({"pause"}));
    for (const Namespace kind : Kinds)
        EXPECT_NE(namespace_of(process.pid(), kind), namespace_of(::getpid(), kind)) << to_string(kind);
    container.kill();
    container.wait();
}

TEST_F(Namespaces, AllEightAreJoinedAtOnce) {
    Container owner = plain("owner").map_root_to_caller();
    for (const Namespace kind : Kinds) owner.add_namespace(kind);
    const Process first = start_ready(owner, host_program({"pause"}));
    Container guest = plain("guest");
    for (const Namespace kind : Kinds) guest.join_namespace(kind, ns_path(first.pid(), kind));
    const Process second = start_ready(guest, host_program({"pause"}));
    for (const Namespace kind : Kinds)
        EXPECT_EQ(namespace_of(second.pid(), kind), namespace_of(first.pid(), kind)) << to_string(kind);
    guest.kill();
    guest.wait();
    owner.kill();
    owner.wait();
}

TEST_F(Namespaces, FirstProcessOfAPidNamespaceIsNumberOne) {
    Container container = plain().add_namespace(Namespace::Pid);
    const Finished finished = run(container, host_program({"status"}));
    ASSERT_TRUE(succeeded(finished));
    EXPECT_EQ(lines(finished.out).at(0), "pid 1");
    EXPECT_EQ(lines(finished.out).at(1), "ppid 0");
}

TEST_F(Namespaces, NetNamespaceHasOnlyALoopbackLink) {
    Container container = isolated().add_namespace(Namespace::Net).add_default_mounts();
    const Finished finished = run(container, program({"ls", "/sys/class/net"}));
    ASSERT_TRUE(succeeded(finished));
    EXPECT_EQ(finished.out, "lo\n");
}

TEST_F(Namespaces, HostAndDomainNameAreTheContainersOwn) {
    Container container = isolated().set_hostname("web-1.example").set_domainname("inside");
    const Finished finished = run(container, program({"uname"}));
    ASSERT_TRUE(succeeded(finished));
    EXPECT_EQ(finished.out, "web-1.example\ninside\n");
}

TEST_F(Namespaces, HostNameOfSixtyFourCharactersIsTaken) {
    const std::string name(64, 'h');
    Container container = isolated().set_hostname(name);
    EXPECT_EQ(lines(run(container, program({"uname"})).out).at(0), name);
}

TEST_F(Namespaces, HostNameIsSetInAJoinedUtsNamespace) {
    Container owner = plain("owner").add_namespace(Namespace::Uts).set_hostname("first");
    const Process first = start_ready(owner, host_program({"pause"}));
    Container guest = plain("guest").join_namespace(Namespace::Uts, ns_path(first.pid(), Namespace::Uts));
    EXPECT_EQ(lines(run(guest, host_program({"uname"})).out).at(0), "first");
    guest.set_hostname("second");
    EXPECT_EQ(lines(run(guest, host_program({"uname"})).out).at(0), "second");
    owner.kill();
    owner.wait();
}

TEST_F(Namespaces, JoinedMountNamespaceShowsItsMounts) {
    Container owner = isolated("owner").add_mount({.source = "tmpfs", .target = "/only-here", .type = "tmpfs"});
    const Process first = start_ready(owner, program({"pause"}));
    Container guest = plain("guest").join_namespace(Namespace::Mount, ns_path(first.pid(), Namespace::Mount));
    const Finished finished = run(guest, program({"ls", "/"}));
    ASSERT_TRUE(succeeded(finished));
    EXPECT_EQ(finished.out, "bin\nonly-here\n");
    owner.kill();
    owner.wait();
}

TEST_F(Namespaces, BadFdIsRefused) {
    const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    Container container = plain().join_namespace(Namespace::Net, file);
    EXPECT_TRUE(fails([&] { container.start(host_program({"exit", "0"})); }, std::errc::invalid_argument, {"'box'"}));
    ::close(file);
    EXPECT_TRUE(fails(
        [&] {
            container.start(host_program({"exit", "0"}));
        },
        std::errc::bad_file_descriptor, {"'box'"}));
    EXPECT_TRUE(fails([&] { container.join_namespace(Namespace::Net, -1); }, std::errc::invalid_argument, {"'box'"}));
}

} // namespace
} // namespace ct::test
