// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Containers that share namespaces with each other, and joins in every order of ownership.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class JoinContainer : public ContainerTest {
protected:
    /// The namespace of \p process equals that of \p other.
    static ::testing::AssertionResult share(const Process& process, const Process& other, Namespace kind) {
        if (namespace_of(process.pid(), kind) == namespace_of(other.pid(), kind)) return ::testing::AssertionSuccess();
        return ::testing::AssertionFailure() << "not the same " << to_string(kind) << " namespace";
    }

    /// Whether a start fails, at once, with all of \p parts.
    ::testing::AssertionResult refused(Container container, std::errc code,
                                       std::initializer_list<std::string_view> parts) {
        return fails([&] { container.start(host_program({"exit", "0"})); }, code, parts);
    }
};

TEST_F(JoinContainer, SharesWhatItAsksFor) {
    Container owner = isolated("owner").add_namespace(Namespace::Net).set_hostname("owner");
    const Process first = start_ready(owner, program({"pause"}));
    Container guest = plain("guest");
    for (const Namespace kind : {Namespace::Net, Namespace::Ipc, Namespace::Uts, Namespace::Pid})
        guest.join_namespace(kind, owner);
    for (int i = 0; i < 2; ++i) {
        const Process second = start_ready(guest, host_program({"pause"}));
        for (const Namespace kind : {Namespace::Net, Namespace::Ipc, Namespace::Uts, Namespace::Pid})
            EXPECT_TRUE(share(second, first, kind));
        EXPECT_FALSE(share(second, first, Namespace::Mount));
        guest.kill();
        guest.wait();
    }
    owner.kill();
    owner.wait();
}

TEST_F(JoinContainer, FindsTheOthersNamespaceOfTheMoment) {
    Container owner = plain("owner").add_namespace(Namespace::Uts).set_hostname("first");
    Container guest = plain("guest").join_namespace(Namespace::Uts, owner);
    for (const char* const name : {"first", "second"}) {
        owner.set_hostname(name);
        const Process first = start_ready(owner, host_program({"pause"}));
        EXPECT_EQ(lines(run(guest, host_program({"uname"})).out).at(0), name);
        owner.kill();
        owner.wait();
    }
    owner.hold();
    EXPECT_EQ(lines(run(guest, host_program({"uname"})).out).at(0), "second");
    owner.kill();
}

TEST_F(JoinContainer, IsPlainDataOfTheSpecification) {
    Container owner = plain("owner").add_namespace(Namespace::Uts).set_hostname("named");
    owner.hold();
    Spec spec;
    spec.namespaces[Namespace::Uts] = NamespaceOf{"owner"};
    Container guest = session().create("guest", spec);
    EXPECT_EQ(guest.spec(), spec);
    EXPECT_EQ(lines(run(guest, host_program({"uname"})).out).at(0), "named");
    EXPECT_TRUE(fails(
        [&] {
            guest.set_spec({.namespaces = {{Namespace::Net, NamespaceOf{"../owner"}}}});
        },
        Errc::InvalidConfig, {"../owner", "a container's name is"}));
}

TEST_F(JoinContainer, FindsContainersInTheStateDirectory) {
    const std::string directory = (dir() / "state").string();
    Session first({.state_directory = directory});
    Session second({.state_directory = directory});
    Container owner = first.create("owner").add_namespace(Namespace::Uts).set_hostname("recorded");
    Spec spec;
    spec.namespaces[Namespace::Uts] = NamespaceOf{"owner"};
    Container guest = second.create("guest", spec);
    const Process process = start_ready(owner, host_program({"pause"}));
    EXPECT_EQ(lines(run(guest, host_program({"uname"})).out).at(0), "recorded");
    owner.kill();
    owner.wait();
    // What is held is nobody else's to find, and nobody waits for it.
    owner.hold();
    Session third({.state_directory = directory});
    EXPECT_TRUE(fails([&] { (void)third.open("owner"); }, Errc::InvalidState, {"held by process"}));
    owner.stop(Patience);
}

TEST_F(JoinContainer, SaysWhyItCannot) {
    Container owner = plain("owner").add_namespace(Namespace::Uts);
    Container guest = plain("guest").join_namespace(Namespace::Uts, owner);
    const auto start = [](Container& container, const ProcessSpec& spec) { return [&] { container.start(spec); }; };
    const ProcessSpec nothing = host_program({"exit", "0"});
    EXPECT_TRUE(fails(start(guest, nothing), Errc::InvalidState,
                      {"container 'guest': join the uts namespace of container 'owner'", "it is not running"}));
    owner.hold();
    guest.join_namespace(Namespace::Net, owner);
    EXPECT_TRUE(fails(start(guest, nothing), Errc::InvalidConfig,
                      {"join the net namespace of container 'owner'", "it shares that namespace with the host"}));
    guest.set_spec({.namespaces = {{Namespace::Net, NamespaceOf{"guest"}}}});
    EXPECT_TRUE(fails(start(guest, nothing), Errc::InvalidConfig, {"container 'guest'", "that is this one"}));
    guest.set_spec({.namespaces = {{Namespace::Net, NamespaceOf{"nobody"}}}});
    EXPECT_TRUE(fails(start(guest, nothing), Errc::InvalidState, {"'nobody'", "there is none of that name"}));
    Session other;
    EXPECT_TRUE(fails([&] { guest.join_namespace(Namespace::Net, other.create("far")); }, Errc::InvalidConfig,
                      {"container 'guest'", "container 'far' belongs to another session"}));
    EXPECT_EQ(guest.state(), State::Stopped);
}

TEST_F(JoinContainer, ForeignUserNamespaceWithANetNamespaceOfTheHost) {
    // The net namespace belongs to the host's user namespace: nobody in the joined one may join it.
    Container net = plain("net").add_namespace(Namespace::Net);
    net.hold();
    Container users = plain("users").add_namespaces({Namespace::User, Namespace::Uts, Namespace::Mount});
    users.add_uid_map({0, 10000, 1000}).add_gid_map({0, 10000, 1000});
    const Process first = start_ready(users, host_program({"pause"}));
    Container guest = plain("guest").join_namespace(Namespace::Net, net);
    for (const Namespace kind : {Namespace::User, Namespace::Uts, Namespace::Mount}) guest.join_namespace(kind, users);
    for (int i = 0; i < 2; ++i) {
        const Process second = start_ready(guest, host_program({"pause"}));
        for (const Namespace kind : {Namespace::User, Namespace::Uts, Namespace::Mount})
            EXPECT_TRUE(share(second, first, kind));
        EXPECT_NE(namespace_of(second.pid(), Namespace::Net), namespace_of(::getpid(), Namespace::Net));
        EXPECT_TRUE(exited(run_entered(guest, host_program({"exit", "4"})).status, 4));
        guest.kill();
        guest.wait();
    }
    guest.hold();
    EXPECT_TRUE(exited(run_entered(guest, host_program({"exit", "4"})).status, 4));
    guest.kill();
    users.kill();
    users.wait();
    net.kill();
}

TEST_F(JoinContainer, MountNamespaceOfTheHostWithAForeignUserNamespace) {
    Container files = plain("files").add_namespace(Namespace::Mount).set_root(image().string());
    files.hold();
    Container users = plain("users").add_namespace(Namespace::User);
    users.add_uid_map({0, 10000, 1000}).add_gid_map({0, 10000, 1000});
    users.hold();
    Container guest = plain("guest").join_namespace(Namespace::Mount, files).join_namespace(Namespace::User, users);
    ProcessSpec spec = program({"ids"});
    spec.user = User{};
    EXPECT_EQ(run(guest, spec).out, "uid 0 0 0\ngid 0 0 0\ngroups\n");
    users.kill();
    files.kill();
}

TEST_F(JoinContainer, WhatIsNoNamespaceIsRefusedAtOnce) {
    const fs::path fifo = dir() / "fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    const fs::path device = dir() / "device";
    ASSERT_EQ(::mknod(device.c_str(), S_IFCHR | 0600, makedev(1, 3)), 0);
    const fs::path file = make_file("file");
    fs::create_symlink(fifo, dir() / "link");
    for (const fs::path& path : {fifo, device, file, dir() / "link", dir(), fs::path("/proc/self/status")}) {
        EXPECT_TRUE(refused(plain().join_namespace(Namespace::Net, path.string()), std::errc::invalid_argument,
                            {"container 'box': join net namespace '", path.string(), "it is no namespace"}))
            << path;
    }
    EXPECT_TRUE(refused(plain().join_namespace(Namespace::Net, "/proc/self/ns/uts"), std::errc::invalid_argument,
                        {"'/proc/self/ns/uts'", "of another kind"}));
}

TEST_F(JoinContainer, NamespaceFdIsOwnedByTheCaller) {
    Container container = isolated();
    EXPECT_TRUE(fails([&] { (void)container.namespace_fd(Namespace::Net); }, Errc::InvalidState, {"it is stopped"}));
    const Process process = start_ready(container, program({"pause"}));
    for (const Namespace kind : {Namespace::Mount, Namespace::Pid, Namespace::Net, Namespace::Time}) {
        const int fd = container.namespace_fd(kind);
        EXPECT_GT(fd, 2);
        EXPECT_EQ(::fcntl(fd, F_GETFD), FD_CLOEXEC);
        EXPECT_EQ(fs::read_symlink("/proc/self/fd/" + std::to_string(fd)).string(), namespace_of(process.pid(), kind));
        ::close(fd);
    }
    container.kill();
    container.wait();
}

} // namespace
} // namespace ct::test
