// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// NAT and published ports.
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_ether.h>

#include <array>
#include <cstring>

#include "bridge/nftables.hpp"
#include "support/bridges.hpp"

namespace ct::test {
namespace {

class PublishedPorts : public BridgeFixture {
protected:
    void SetUp() override {
        BridgeFixture::SetUp();
        parameters_ = parameters();
        try {
            (void)internal::Nftables::run("list tables", "look");
        } catch (const Error& error) {
            GTEST_SKIP() << error.what();
        }
    }
    void TearDown() override {
        if (IsSkipped()) return BridgeFixture::TearDown();
        close_session();
        EXPECT_EQ(internal::Nftables::run("list tables", "look"), "");
        EXPECT_EQ(parameters(), parameters_);
        BridgeFixture::TearDown();
    }

    [[nodiscard]] static std::string parameters() {
        return content("/proc/sys/net/ipv4/ip_forward") + content("/proc/sys/net/ipv6/conf/all/forwarding");
    }

    [[nodiscard]] static Bridge nat_bridge() {
        Bridge bridge = BridgeFixture::bridge();
        bridge.nat = true;
        return bridge;
    }

    /// Another machine, 198.51.100.2, which knows the host as 198.51.100.1 and nothing else.
    [[nodiscard]] Container world() {
        Container container = isolated("world").add_namespace(Namespace::Net);
        container.add_network(Veth{.host_name = "up0", .addresses = {{"198.51.100.2/24"}}});
        return container;
    }
    void start_in_world(Container& world, std::vector<std::string> args) {
        start_ready(world, program(std::move(args)));
        set_address("up0", "198.51.100.1", "255.255.255.0");
    }

    /// Asks, from the host, for what "server" publishes.
    static std::string ask(Container& from, const std::string& protocol, const std::string& address,
                           const std::string& port) {
        const Finished asked = run(from, host_like(from, {"ask", protocol, address, port, "hello"}));
        return asked.out + asked.err;
    }

private:
    static ProcessSpec host_like(Container& from, std::vector<std::string> args) {
        ProcessSpec process = program(std::move(args));
        if (!from.spec().root) process.argv.front() = CT_TEST_INIT;
        return process;
    }

    std::string parameters_;
};

TEST_F(PublishedPorts, AContainerReachesTheWorldUnderTheHostsAddress) {
    Container world = this->world();
    Container client = on_bridge("client", nat_bridge());
    for (const std::string protocol : {"tcp", "udp"}) {
        start_in_world(world, {"serve", protocol, "7000"});
        EXPECT_EQ(ask(client, protocol, "198.51.100.2", "7000"), "hello\n");
        EXPECT_TRUE(exited(world.wait(), 0));
    }
}

TEST_F(PublishedPorts, TheHostReachesAPortByEachOfItsAddresses) {
    Container world = this->world();
    start_in_world(world, {"pause"});
    Container server = on_bridge("server").publish({.host_port = 8080, .container_port = 80});
    server.publish({.host_port = 8080, .container_port = 80, .protocol = Protocol::Udp});
    Container asking = plain("asking");
    for (const std::string protocol : {"tcp", "udp"}) {
        for (const std::string address : {"127.0.0.1", "10.89.0.1", "198.51.100.1", "fd00:89::1"}) {
            start_ready(server, program({"serve", protocol, "80"}));
            EXPECT_EQ(ask(asking, protocol, address, "8080"), "hello\n") << protocol << " " << address;
            server.stop(std::chrono::seconds(0));
        }
    }
    world.stop(std::chrono::seconds(0));
}

TEST_F(PublishedPorts, TheWorldReachesAPort) {
    Container world = this->world();
    Container server = on_bridge("server", nat_bridge()).publish({.host_port = 8080, .container_port = 80});
    start_in_world(world, {"pause"});
    start_ready(server, program({"serve", "tcp", "80"}));
    const Finished asked = run_entered(world, program({"ask", "tcp", "198.51.100.1", "8080", "hello"}));
    EXPECT_EQ(asked.out, "hello\n") << asked.err;
    EXPECT_TRUE(exited(server.wait(), 0));
    world.stop(std::chrono::seconds(0));
}

TEST_F(PublishedPorts, NeighboursReachAPortOfTheHostThatLeadsBack) {
    Container server = on_bridge("server").publish({.host_port = 8080, .container_port = 80});
    start_ready(server, program({"serve", "tcp", "80"}));
    Container neighbour = on_bridge("neighbour");
    EXPECT_EQ(ask(neighbour, "tcp", "10.89.0.1", "8080"), "hello\n");
    EXPECT_TRUE(exited(server.wait(), 0));
    start_ready(server, program({"serve", "tcp", "80"}));
    EXPECT_EQ(run_entered(server, program({"ask", "tcp", "10.89.0.1", "8080", "itself"})).out, "itself\n");
    EXPECT_TRUE(exited(server.wait(), 0));
}

TEST_F(PublishedPorts, RangesAndAddressesOfTheHost) {
    Container server = on_bridge("server");
    server.publish({.host_port = 9000,
                    .container_port = 7000,
                    .count = 3,
                    .protocol = Protocol::Udp,
                    .host_address = "127.0.0.1"});
    server.publish({.host_port = 9002, .container_port = 7002, .protocol = Protocol::Udp, .host_address = "10.89.0.1"});
    Container asking = plain("asking");
    EXPECT_TRUE(fails([&] { server.hold(); }, std::errc::address_not_available,
                      {"publish port '10.89.0.1:9002/udp'", "the host has no such address"}))
        << "its bridge is not there yet";
    Container other = on_bridge("other");
    other.hold();
    start_ready(server, program({"serve", "udp", "7002"}));
    EXPECT_EQ(ask(asking, "udp", "127.0.0.1", "9002"), "hello\n");
    EXPECT_TRUE(exited(server.wait(), 0));
    start_ready(server, program({"serve", "udp", "7002"}));
    EXPECT_EQ(ask(asking, "udp", "10.89.0.1", "9002"), "hello\n");
    EXPECT_TRUE(exited(server.wait(), 0));
}

TEST_F(PublishedPorts, OneThatIsTakenIsRefusedBeforeAnythingIsTouched) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(8081);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    ASSERT_EQ(::listen(listener, 1), 0);
    Container box = on_bridge("box").publish({.host_port = 8080, .container_port = 80, .count = 2});
    EXPECT_TRUE(fails([&] { box.hold(); }, std::errc::address_in_use,
                      {"container 'box': publish port '8080-8081/tcp'", "a socket of the host has port 8081"}));
    EXPECT_FALSE(link_exists("cttest"));
    ::close(listener);
    box.hold();
    Container other = on_bridge("other").publish({.host_port = 8081, .container_port = 1, .host_address = "127.0.0.1"});
    EXPECT_TRUE(fails([&] { other.hold(); }, std::errc::address_in_use,
                      {"publish port '127.0.0.1:8081/tcp'", "container 'box' has it"}));
    Container udp = on_bridge("udp").publish({.host_port = 8081, .container_port = 1, .protocol = Protocol::Udp});
    udp.hold();
    box.kill();
    other.hold();
}

TEST_F(PublishedPorts, TheRestStaysWhenOneGoes) {
    Container one = on_bridge("one").publish({.host_port = 8080, .container_port = 80});
    Container two = on_bridge("two", nat_bridge()).publish({.host_port = 8081, .container_port = 80});
    one = on_bridge("first", nat_bridge()).publish({.host_port = 8080, .container_port = 80});
    one.hold();
    start_ready(two, program({"serve", "tcp", "80"}));
    const std::string rules = internal::Nftables::run("list table inet libct", "look");
    EXPECT_TRUE(contains(rules, "tcp . 8080 : 10.89.0.2 . 80"));
    EXPECT_TRUE(contains(rules, "tcp . 8081 : 10.89.0.3 . 80"));
    one.kill();
    const std::string after = internal::Nftables::run("list table inet libct", "look");
    EXPECT_EQ(after.find("tcp . 8080"), std::string::npos) << after;
    Container asking = plain("asking");
    EXPECT_EQ(ask(asking, "tcp", "127.0.0.1", "8081"), "hello\n");
    EXPECT_TRUE(exited(two.wait(), 0));
}

/// As the reload of a firewall's rules does.
TEST_F(PublishedPorts, WhatSomebodyElseHasRemovedIsThereAgainWithTheNextStart) {
    Container one = on_bridge("one").publish({.host_port = 8080, .container_port = 80});
    start_ready(one, program({"serve", "tcp", "80"}));
    (void)internal::Nftables::run("flush ruleset", "flush");
    Container two = on_bridge("two").publish({.host_port = 8081, .container_port = 80});
    two.hold();
    Container asking = plain("asking");
    EXPECT_EQ(ask(asking, "tcp", "127.0.0.1", "8080"), "hello\n");
    EXPECT_TRUE(exited(one.wait(), 0));
    (void)internal::Nftables::run("flush ruleset", "flush");
    two.kill();
}

/// Sends, as a hostile container can, a datagram for an address of the host's own.
int send_raw(const std::string& to, std::uint16_t port) {
    const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_IP));
    struct {
        ethhdr link;
        iphdr ip;
        udphdr udp;
        char text;
    } __attribute__((packed)) frame{};
    std::memset(frame.link.h_dest, 0xff, sizeof frame.link.h_dest);
    const char* const gateway = std::getenv("GATEWAY");
    std::sscanf(gateway, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &frame.link.h_dest[0], &frame.link.h_dest[1], // NOLINT
                &frame.link.h_dest[2], &frame.link.h_dest[3], &frame.link.h_dest[4], &frame.link.h_dest[5]);
    frame.link.h_source[0] = 2;
    frame.link.h_proto = htons(ETH_P_IP);
    frame.ip.version = 4;
    frame.ip.ihl = 5;
    frame.ip.ttl = 64;
    frame.ip.protocol = IPPROTO_UDP;
    frame.ip.tot_len = htons(sizeof frame - sizeof frame.link);
    ::inet_pton(AF_INET, "10.89.0.2", &frame.ip.saddr);
    in_addr target{};
    ::inet_pton(AF_INET, to.c_str(), &target);
    frame.ip.daddr = target.s_addr;
    std::array<std::uint16_t, sizeof(iphdr) / 2> words{};
    std::memcpy(words.data(), &frame.ip, sizeof frame.ip);
    std::uint32_t sum = 0;
    for (const std::uint16_t word : words) sum += word;
    sum = (sum & 0xffffU) + (sum >> 16U);
    frame.ip.check = static_cast<std::uint16_t>(~(sum + (sum >> 16U)));
    frame.udp.source = htons(4711);
    frame.udp.dest = htons(port);
    frame.udp.len = htons(sizeof frame.udp + 1);
    frame.text = to.front();
    sockaddr_ll via{};
    via.sll_family = AF_PACKET;
    via.sll_ifindex = static_cast<int>(::if_nametoindex("eth0"));
    const auto sent = ::sendto(fd, &frame, sizeof frame, 0, reinterpret_cast<const sockaddr*>(&via), sizeof via);
    return sent == sizeof frame ? 0 : 1;
}

TEST_F(PublishedPorts, AContainerDoesNotReachWhatListensOnTheHostsLoopback) {
    Container box = on_bridge("box").publish({.host_port = 8080, .container_port = 80});
    start_ready(box, program({"pause"}));
    ASSERT_EQ(content("/proc/sys/net/ipv4/conf/cttest/route_localnet"), "1\n");
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(9999);
    ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    std::string gateway = line_with(host({"network"}).out, "cttest up mtu");
    gateway = gateway.substr(gateway.rfind(' ') + 1);
    const auto send = [&](const std::string& to) {
        ProcessSpec process;
        process.environment = std::vector<std::string>{"GATEWAY=" + gateway};
        EXPECT_TRUE(succeeded(run_entered(box, process, [&] { return send_raw(to, 9999); })));
    };
    const auto received = [&] {
        pollfd ready{fd, POLLIN, 0};
        char text = '-';
        if (::poll(&ready, 1, static_cast<int>(std::chrono::milliseconds(Patience).count())) == 1)
            (void)!::read(fd, &text, 1);
        return text;
    };
    send("127.0.0.1");
    (void)host({"ask", "udp", "127.0.0.1", "1", "x"}); // nothing of the first is under way any more
    send("10.89.0.1");
    EXPECT_EQ(received(), '1');
    char left = 0;
    EXPECT_LT(::recv(fd, &left, 1, MSG_DONTWAIT), 0);
    // It is the table that keeps it out, not something else.
    (void)internal::Nftables::run("delete table inet libct", "delete");
    send("127.0.0.1");
    EXPECT_EQ(received(), '1');
    ::close(fd);
    box.stop(std::chrono::seconds(0));
}

TEST_F(PublishedPorts, FiftyCyclesLeaveNothing) {
    Container box = on_bridge("box", nat_bridge()).publish({.host_port = 8080, .container_port = 80, .count = 10});
    box.hold();
    box.kill();
    const HostState before = HostState::capture();
    for (int i = 0; i < 50; ++i) {
        box.hold();
        EXPECT_EQ(parameters(), "1\n1\n");
        box.kill();
        ASSERT_EQ(internal::Nftables::run("list tables", "look"), "");
    }
    EXPECT_EQ(before.difference(HostState::capture()), "");
    EXPECT_EQ(parameters(), "0\n0\n");
}

} // namespace
} // namespace ct::test
