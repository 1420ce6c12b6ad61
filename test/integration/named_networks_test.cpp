// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <net/if.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

/// Names as ip-netns(8) gives them, in a /run of the test's own.
class NamedNetworksTest : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        mount_tmpfs("/run");
    }
    void TearDown() override {
        close_session();
        if (fs::exists("/run/netns")) {
            EXPECT_TRUE(fs::is_empty("/run/netns"));
            EXPECT_EQ(::umount2("/run/netns", UMOUNT_NOFOLLOW), 0) << "it is a mount, as ip(8) makes it";
        }
        ContainerTest::TearDown();
    }

    /// What a command of the host prints.
    Finished on_host(std::vector<std::string> argv) {
        Container host = plain("host");
        return run(host, {.argv = std::move(argv)});
    }
    bool has_ip() { return fs::exists("/sbin/ip") || fs::exists("/usr/sbin/ip"); }

    Container pod() {
        return plain("pod").add_namespace(Namespace::Net).add_network(Veth{.addresses = {{"10.0.0.2/24"}}});
    }
};

TEST_F(NamedNetworksTest, AreKnownToIp) {
    if (!has_ip()) GTEST_SKIP() << "ip(8) is not installed";
    Container container = pod();
    container.hold();
    container.pin_network("blue");
    EXPECT_TRUE(on_host({"ip", "netns", "list"}).out.starts_with("blue"));
    EXPECT_TRUE(contains(on_host({"ip", "netns", "exec", "blue", "ip", "address", "show", "eth0"}).out, "10.0.0.2/24"));
    EXPECT_TRUE(succeeded(on_host({"ip", "netns", "delete", "blue"})));
    EXPECT_FALSE(fs::exists(named_network("blue")));
    container.kill();
}

TEST_F(NamedNetworksTest, MadeByIpAreJoined) {
    if (!has_ip()) GTEST_SKIP() << "ip(8) is not installed";
    ASSERT_TRUE(succeeded(on_host({"ip", "netns", "add", "green"})));
    ASSERT_TRUE(succeeded(on_host({"ip", "-n", "green", "address", "add", "10.9.0.1/24", "dev", "lo"})));
    Container container = isolated().join_namespace(Namespace::Net, named_network("green"));
    EXPECT_TRUE(contains(run(container, program({"network"})).out, "lo address 10.9.0.1/24\n"));
    unpin_network("green");
    EXPECT_EQ(on_host({"ip", "netns", "list"}).out, "");
}

TEST_F(NamedNetworksTest, OutliveContainerAndSession) {
    {
        Session session;
        Container container = session.create("short").add_namespace(Namespace::Net);
        container.hold();
        container.pin_network("blue");
    }
    Container container = isolated().join_namespace(Namespace::Net, named_network("blue"));
    EXPECT_TRUE(contains(run(container, program({"network"})).out, "lo up"));
    unpin_network("blue");
    unpin_network("blue");
    EXPECT_TRUE(fails([&] { (void)container.start(program({"network"})); }, std::errc::no_such_file_or_directory,
                      {"/run/netns/blue"}));
}

TEST_F(NamedNetworksTest, AreRefusedIfTakenOrMalformed) {
    Container container = pod();
    container.hold();
    container.pin_network("blue");
    EXPECT_TRUE(fails([&] { container.pin_network("blue"); }, std::errc::file_exists,
                      {"container 'pod': make the file '/run/netns/blue'", "unpin_network()"}));
    for (const char* name : {"", ".", "..", "a/b", "../x", "a\nb"}) {
        EXPECT_TRUE(fails([&] { container.pin_network(name); }, Errc::InvalidConfig, {"is no name"})) << name;
        EXPECT_TRUE(fails([&] { unpin_network(name); }, Errc::InvalidConfig, {"is no name"})) << name;
    }
    unpin_network("blue");
    Container sharing = plain("sharing");
    start_ready(sharing, host_program({"pause"}));
    EXPECT_TRUE(fails([&] { sharing.pin_network("blue"); }, Errc::InvalidConfig, {"it is the host's own"}));
    sharing.kill();
    container.kill();
}

TEST_F(NamedNetworksTest, NothingElseIsTakenAway) {
    fs::create_directories("/run/netns");
    ASSERT_EQ(::mount("/run/netns", "/run/netns", nullptr, MS_BIND, nullptr), 0);
    std::ofstream("/run/netns/notes") << "text";
    EXPECT_TRUE(fails([] { unpin_network("notes"); }, std::errc::file_exists, {"it is no network namespace"}));
    ASSERT_EQ(::symlink("/proc/self/ns/net", "/run/netns/link"), 0);
    EXPECT_TRUE(fails([] { unpin_network("link"); }, std::errc::too_many_symbolic_link_levels, {"/run/netns/link"}));
    std::ofstream("/run/netns/left").close(); // by who was killed in the middle of it
    unpin_network("left");
    EXPECT_FALSE(fs::exists("/run/netns/left"));
    fs::remove("/run/netns/notes");
    fs::remove("/run/netns/link");
}

TEST_F(NamedNetworksTest, LeaveNothingAfterAFailure) {
    fs::create_directories("/run/netns");
    ASSERT_EQ(::mount("/run/netns", "/run/netns", nullptr, MS_BIND, nullptr), 0);
    Container container = pod();
    container.hold();
    ASSERT_EQ(::mount(nullptr, "/run/netns", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr), 0);
    EXPECT_TRUE(fails([&] { container.pin_network("blue"); }, std::errc::read_only_file_system, {"make the file"}));
    EXPECT_TRUE(fs::is_empty("/run/netns"));
    container.kill();
}

/// A pod: a holder's network, and what comes and goes in it.
TEST_F(NamedNetworksTest, ThreeContainersShareOneNetworkAndOutliveEachOther) {
    Container container = pod();
    container.hold();
    Container server = isolated("server").join_namespace(Namespace::Net, container);
    Container idle = isolated("idle").join_namespace(Namespace::Net, container);
    Container client = isolated("client").join_namespace(Namespace::Net, container);
    start_ready(idle, program({"pause"}));
    for (const std::string protocol : {"tcp", "udp"}) {
        start_ready(server, program({"serve", protocol, "7000"}));
        const Finished asked = run(client, program({"ask", protocol, "10.0.0.2", "7000", "hello"}));
        EXPECT_EQ(asked.out, "hello\n") << asked.err;
        EXPECT_TRUE(exited(server.wait(), 0));
        if (idle.state() == State::Running) idle.stop(std::chrono::seconds(0));
    }
    container.kill();
    EXPECT_TRUE(fails([&] { (void)client.start(program({"network"})); }, Errc::InvalidState, {"it is not running"}));
}

} // namespace
} // namespace ct::test
