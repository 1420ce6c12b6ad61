// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <net/if.h>
#include <netlink/cache.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/route.h>
#include <netlink/route/rule.h>
#include <netlink/socket.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/sockios.h>

#include <atomic>
#include <thread>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

/// All traffic is in network namespaces that the test program has made: its own, see ContainerTest, is the host's.
class NetworkTest : public ContainerTest {
protected:
    void TearDown() override {
        close_session();
        for (const std::string& bridge : bridges_) {
            set_up(bridge, false);
            EXPECT_EQ(::ioctl(socket_, SIOCBRDELBR, bridge.c_str()), 0) << bridge;
        }
        ::close(socket_);
        ContainerTest::TearDown();
    }
    void SetUp() override {
        ContainerTest::SetUp();
        socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    }

    /// A bridge of the host, up, for the time of the test.
    void make_bridge(const std::string& name) {
        ASSERT_EQ(::ioctl(socket_, SIOCBRADDBR, name.c_str()), 0) << std::generic_category().message(errno);
        bridges_.push_back(name);
        set_up(name, true);
    }

    /// With the directories that let it see its network.
    Container networked(const std::string& name = "web") {
        Container container = isolated(name);
        container.add_namespace(Namespace::Net).add_default_mounts();
        return container;
    }

    /// All addresses, routes, rules and neighbours of the container, one per line, as libnl prints them.
    static std::string tables(Container& container) {
        return run_entered(container, {},
                           [] {
                               nl_sock* const socket = ::nl_socket_alloc();
                               ::nl_connect(socket, NETLINK_ROUTE);
                               const auto dump = [](nl_cache* cache, nl_dump_type type = NL_DUMP_LINE) {
                                   nl_dump_params params{};
                                   params.dp_type = type;
                                   params.dp_fd = stdout;
                                   ::nl_cache_dump(cache, &params);
                               };
                               nl_cache* cache = nullptr;
                               if (::rtnl_link_alloc_cache(socket, AF_UNSPEC, &cache) == 0)
                                   ::nl_cache_mngt_provide(cache);
                               if (::rtnl_addr_alloc_cache(socket, &cache) == 0) dump(cache);
                               if (::rtnl_route_alloc_cache(socket, AF_UNSPEC, 0, &cache) == 0)
                                   dump(cache, NL_DUMP_DETAILS);
                               if (::rtnl_rule_alloc_cache(socket, AF_UNSPEC, &cache) == 0) dump(cache);
                               if (::rtnl_neigh_alloc_cache(socket, &cache) == 0) dump(cache);
                               std::fflush(stdout);
                               return 0;
                           })
            .out;
    }

    /// A container "web" with that veth, and without the program that has started it.
    SessionOptions leave_running(const std::string& host_name) {
        const SessionOptions options{.log_handler = {}, .state_directory = dir() / "state"};
        EXPECT_TRUE(passes_in_child([&] {
            Session session(options);
            Container web = session.create("web").set_root(image().string());
            web.add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::Net});
            web.add_network(Veth{.host_name = host_name});
            start_ready(web, program({"pause"}));
            web.detach();
        }));
        return options;
    }

    void rename_link(const std::string& name, const std::string& to) const {
        set_up(name, false);
        ifreq request{};
        name.copy(request.ifr_name, sizeof request.ifr_name - 1);
        to.copy(request.ifr_newname, sizeof request.ifr_newname - 1);
        EXPECT_EQ(::ioctl(socket_, SIOCSIFNAME, &request), 0) << name;
    }

    /// Whether the kernel has removed it, in time.
    static bool is_gone(const std::string& name) {
        return await([&] { return ::if_nametoindex(name.c_str()) == 0; });
    }

private:
    void set_up(const std::string& name, bool up) const {
        ifreq request{};
        name.copy(request.ifr_name, sizeof request.ifr_name - 1);
        request.ifr_flags = up ? IFF_UP : 0;
        EXPECT_EQ(::ioctl(socket_, SIOCSIFFLAGS, &request), 0) << name;
    }

    int socket_ = -1;
    std::vector<std::string> bridges_;
};

TEST_F(NetworkTest, LoopbackIsUpInANewNamespace) {
    Container container = isolated().add_namespace(Namespace::Net);
    const Finished finished = run(container, program({"network"}));
    EXPECT_TRUE(contains(finished.out, "lo up mtu 65536"));
    EXPECT_TRUE(contains(finished.out, "lo address 127.0.0.1/8\n"));
}

TEST_F(NetworkTest, LoopbackStaysDownIfAskedFor) {
    Container container = isolated().add_namespace(Namespace::Net).leave_loopback_down();
    const Finished finished = run(container, program({"network"}));
    EXPECT_TRUE(contains(finished.out, "lo down "));
    EXPECT_EQ(finished.out.find("127.0.0.1"), std::string::npos);
}

TEST_F(NetworkTest, LoopbackIsUpInAUserNamespace) {
    Container container = isolated().add_namespaces({Namespace::Net, Namespace::User});
    container.add_uid_map({0, 100'000, 1000}).add_gid_map({0, 100'000, 1000});
    EXPECT_TRUE(contains(run(container, program({"network"})).out, "lo up mtu 65536"));
}

TEST_F(NetworkTest, AVethHasNamesAddressesMacsAndMtuOnBothSides) {
    Container container =
        networked().add_network(Veth{.host_name = "web0",
                                     .host_mac = "02:00:00:00:00:01",
                                     .container_mac = "02:00:00:00:00:02",
                                     .mtu = 1400,
                                     .addresses = {{"10.0.0.2/24"}, {.address = "fd00::2/64", .no_dad = true}}});
    start_ready(container, program({"pause"}));
    const std::string inside = run_entered(container, program({"network"})).out;
    EXPECT_TRUE(contains(inside, "eth0 up mtu 1400 mac 02:00:00:00:00:02\n"));
    EXPECT_TRUE(contains(inside, "eth0 address 10.0.0.2/24\n"));
    EXPECT_TRUE(contains(inside, "eth0 address fd00::2/64\n"));
    Container host = plain("host");
    const Finished outside = run(host, host_program({"network"}));
    EXPECT_TRUE(contains(outside.out, "web0 up mtu 1400 mac 02:00:00:00:00:01\n"));
    container.stop(std::chrono::seconds(0));
    EXPECT_EQ(::if_nametoindex("web0"), 0U) << "the host's end is there after stop()";
}

TEST_F(NetworkTest, TheHostsEndGetsANameIfItHasNone) {
    const HostState before = HostState::capture();
    Container container = networked().add_network(Veth{});
    start_ready(container, program({"pause"}));
    EXPECT_TRUE(contains(before.difference(HostState::capture()), "+ link veth"));
    container.stop(std::chrono::seconds(0));
}

TEST_F(NetworkTest, ContainersOnABridgeTalkTcpAndUdpOverIpv4AndIpv6) {
    make_bridge("br0");
    const auto on_bridge = [&](const std::string& name, const std::string& number) {
        return networked(name).add_network(
            Veth{.host_name = name,
                 .bridge = "br0",
                 .addresses = {{"10.0.0." + number + "/24"}, {.address = "fd00::" + number + "/64", .no_dad = true}}});
    };
    Container server = on_bridge("server", "2");
    Container client = on_bridge("client", "3");
    for (const std::string protocol : {"tcp", "udp"}) {
        for (const std::string address : {"10.0.0.2", "fd00::2"}) {
            start_ready(server, program({"serve", protocol, "7000"}));
            const Finished asked = run(client, program({"ask", protocol, address, "7000", "hello"}));
            EXPECT_TRUE(succeeded(asked)) << protocol << " " << address;
            EXPECT_EQ(asked.out, "hello\n");
            EXPECT_TRUE(exited(server.wait(), 0));
        }
    }
}

TEST_F(NetworkTest, RoutesRulesAndNeighboursAreAsDescribed) {
    Container container = networked();
    container.add_network(
        Veth{.container_name = "eth0", .addresses = {{"10.0.0.2/24"}, {.address = "fd00::2/64", .no_dad = true}}});
    container.add_network(Veth{.container_name = "eth1",
                               .addresses = {{.address = "10.1.0.1",
                                              .peer = "10.1.0.2/32",
                                              .scope = Scope::Link,
                                              .valid = std::chrono::seconds(1000),
                                              .preferred = std::chrono::seconds(500)}}});
    container.add_neighbour({.device = "eth0", .address = "10.0.0.9", .mac = "02:00:00:00:00:09"});
    container.add_route({.gateway = "10.0.0.1"});
    container.add_route({.destination = "default", .gateway = "fd00::1", .metric = 77});
    container.add_route({.destination = "10.9.0.0/16",
                         .gateway = "10.0.0.7",
                         .device = "eth0",
                         .source = "10.0.0.2",
                         .metric = 5,
                         .mtu = 1300});
    container.add_route(
        {.destination = "10.10.0.0/16", .gateway = "192.0.2.1", .device = "eth0", .table = 1000, .on_link = true});
    container.add_route(
        {.destination = "10.11.0.0/16", .next_hops = {{.gateway = "10.0.0.5", .weight = 3}, {.device = "eth1"}}});
    container.add_route({.destination = "10.12.0.0/16", .type = RouteType::Unreachable});
    container.add_route({.destination = "10.13.0.0/16", .gateway = "fd00::5", .device = "eth0"});
    container.add_rule({.from = "10.0.0.0/24", .mark = 7, .priority = 100, .table = 1000});
    container.add_rule({.to = "fd01::/64", .priority = 200, .action = RuleAction::Prohibit});
    start_ready(container, program({"pause"}));
    const std::string found = tables(container);
    for (const std::string_view expected :
         {"10.0.0.2/24 inet dev eth0 scope global <permanent>",
          "fd00::2/64 inet6 dev eth0 scope global <nodad,permanent>", "10.1.0.1 peer 10.1.0.2 inet dev eth1 scope link",
          "inet default table main type unicast \n    scope global priority 0 protocol static \n"
          "    nexthop via 10.0.0.1 dev eth0",
          "inet6 default table main type unicast \n    scope global priority 0x4d protocol static \n"
          "    nexthop via fd00::1 dev eth0",
          "inet 10.9.0.0/16 table main type unicast \n"
          "    preferred-src 10.0.0.2 scope global priority 0x5 protocol static \n"
          "    nexthop via 10.0.0.7 dev eth0 <>\n    metrics [mtu 1300 ]",
          "inet 10.10.0.0/16 table 0x3e8 type unicast <ONLINK>", "    nexthop via 192.0.2.1 dev eth0 <onlink>",
          "inet 10.11.0.0/16 table main type unicast \n    scope global priority 0 protocol static \n"
          "    nexthop via 10.0.0.5 dev eth0 weight 2 <>\n    nexthop dev eth1 weight 0",
          "inet 10.12.0.0/16 table main type unreachable",
          "inet 10.13.0.0/16 table main type unicast \n    scope global priority 0 protocol static \n"
          "    nexthop via fd00::5 dev eth0",
          "     100 inet from 10.0.0.0/24 mark 0x7/0xffffffff", "lookup 0x3e8",
          "     200 inet6 to fd01::/64 protocol unspec action prohibit",
          "inet 10.0.0.9 dev eth0 lladdr 02:00:00:00:00:09 <permanent>"}) {
        EXPECT_TRUE(contains(found, expected));
    }
    container.stop(std::chrono::seconds(0));
}

TEST_F(NetworkTest, SysctlsOfDevicesCountForThoseThatAreMade) {
    Container container = networked().add_network(Veth{});
    container.set_sysctl("net.ipv4.ip_forward", "1").set_sysctl("net.ipv6.conf.default.accept_ra", "0");
    container.set_sysctl("net.ipv6.conf.eth0.hop_limit", "17");
    start_ready(container, program({"pause"}));
    const auto value = [&](const char* file) { return run_entered(container, program({"cat", file})).out; };
    EXPECT_EQ(value("/proc/sys/net/ipv4/ip_forward"), "1\n");
    EXPECT_EQ(value("/proc/sys/net/ipv6/conf/eth0/accept_ra"), "0\n");
    EXPECT_EQ(value("/proc/sys/net/ipv6/conf/eth0/hop_limit"), "17\n");
    container.stop(std::chrono::seconds(0));
}

TEST_F(NetworkTest, WorksInAUserNamespace) {
    make_bridge("br0");
    Container container = networked().add_namespace(Namespace::User);
    container.add_uid_map({0, 0, 1000}).add_gid_map({0, 0, 1000});
    container.add_network(Veth{.bridge = "br0", .addresses = {{"10.0.0.2/24"}}}).add_route({.gateway = "10.0.0.1"});
    container.set_sysctl("net.ipv4.conf.default.forwarding", "1");
    const Finished finished = run(container, program({"network"}));
    EXPECT_TRUE(contains(finished.out, "eth0 address 10.0.0.2/24\n")) << finished.err;
}

TEST_F(NetworkTest, MacvlanIsOnALinkOfTheHost) {
    make_bridge("br0");
    Container container =
        networked().add_network(Macvlan{.parent = "br0", .mac = "02:00:00:00:00:03", .addresses = {{"10.0.0.2/24"}}});
    const Finished finished = run(container, program({"network"}));
    EXPECT_TRUE(contains(finished.out, "eth0 up mtu 1500 mac 02:00:00:00:00:03\n")) << finished.err;
    EXPECT_TRUE(contains(finished.out, "eth0 address 10.0.0.2/24\n"));
}

/// Those that not every kernel has: they work, or the error says so.
TEST_F(NetworkTest, KindsThatTheKernelLacksAreSaidToBeMissing) {
    make_bridge("br0");
    const std::pair<NetworkDevice, std::string> kinds[] = {
        {Dummy{.container_name = "eth0", .addresses = {{"10.0.0.2/24"}}}, "create the dummy 'eth0'"},
        {Ipvlan{.parent = "br0", .addresses = {{"10.0.0.2/24"}}}, "create the ipvlan 'eth0'"},
        {Vlan{.parent = "br0", .id = 7, .addresses = {{"10.0.0.2/24"}}}, "create the vlan 'eth0'"},
    };
    for (const auto& [device, action] : kinds) {
        Container container = networked().add_network(device);
        try {
            EXPECT_TRUE(contains(run(container, program({"network"})).out, "eth0 address 10.0.0.2/24\n"));
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::Unsupported) << error.what();
            EXPECT_TRUE(contains(error.what(), action));
            EXPECT_TRUE(contains(error.what(), "this kernel has no such links"));
            EXPECT_EQ(error.stage(), Stage::Network);
        }
    }
}

TEST_F(NetworkTest, ErrorsHaveTheKernelsOwnWords) {
    Container container = networked().add_network(Veth{.host_name = "web0", .addresses = {{"10.0.0.2/24"}}});
    container.add_route({.destination = "10.9.0.0/16", .gateway = "10.7.0.1", .device = "eth0"});
    EXPECT_TRUE(fails([&] { (void)container.start(program({"pause"})); }, std::errc::network_unreachable,
                      {"container 'web': add route '10.9.0.0/16 via 10.7.0.1' on 'eth0': Network is unreachable "
                       "(Nexthop has invalid gateway)"}));
    EXPECT_EQ(::if_nametoindex("web0"), 0U);
}

TEST_F(NetworkTest, WhatIsNotThereIsSaidBeforeAnythingIsTouched) {
    EXPECT_TRUE(fails([&] { (void)networked().add_network(Veth{.bridge = "br7"}).start(program({"pause"})); },
                      std::errc::no_such_device, {"container 'web': use the bridge 'br7': No such device"}));
    EXPECT_TRUE(fails([&] { (void)networked().add_network(Veth{.bridge = "lo"}).start(program({"pause"})); },
                      std::errc::invalid_argument, {"use the bridge 'lo'", "it is no bridge"}));
    EXPECT_TRUE(fails([&] { (void)networked().add_network(Macvlan{.parent = "eth7"}).start(program({"pause"})); },
                      std::errc::no_such_device, {"use the host's link 'eth7'"}));
    make_bridge("br0");
    EXPECT_TRUE(fails([&] { (void)networked().add_network(Veth{.host_name = "br0"}).start(program({"pause"})); },
                      std::errc::file_exists,
                      {"create the veth pair of 'eth0' and on the host 'br0': File exists", "the name is taken"}));
}

TEST_F(NetworkTest, TheHostsEndGoesThoughTheNamespaceStays) {
    Container container = networked().add_network(Veth{.host_name = "web0"});
    start_ready(container, program({"pause"}));
    const int net = container.namespace_fd(Namespace::Net);
    container.stop(std::chrono::seconds(0));
    EXPECT_EQ(::if_nametoindex("web0"), 0U);
    ::close(net);
}

TEST_F(NetworkTest, AHeldContainerHasItsNetworkUntilItIsLetGo) {
    Container container = plain("pod").add_namespace(Namespace::Net);
    container.add_network(Veth{.host_name = "pod0", .addresses = {{"10.0.0.2/24"}}});
    container.hold();
    EXPECT_NE(::if_nametoindex("pod0"), 0U);
    Container member = isolated().join_namespace(Namespace::Net, container);
    EXPECT_TRUE(contains(run(member, program({"network"})).out, "eth0 address 10.0.0.2/24\n"));
    container.kill();
    EXPECT_EQ(::if_nametoindex("pod0"), 0U);
}

TEST_F(NetworkTest, AnotherSessionThatStopsItRemovesTheHostsEnd) {
    const SessionOptions options = leave_running("web0");
    EXPECT_NE(::if_nametoindex("web0"), 0U);
    Session next(options);
    Container web = next.open("web");
    web.kill();
    (void)web.wait();
    EXPECT_EQ(web.state(), State::Stopped);
    EXPECT_EQ(::if_nametoindex("web0"), 0U);
}

TEST_F(NetworkTest, ALinkThatHasGotTheNameMeanwhileIsLeftAlone) {
    const SessionOptions options = leave_running("web0");
    rename_link("web0", "kept");
    make_bridge("web0");
    {
        Session next(options);
        Container web = next.open("web");
        web.kill();
        (void)web.wait();
        EXPECT_EQ(web.state(), State::Stopped);
    }
    EXPECT_NE(::if_nametoindex("web0"), 0U);
    EXPECT_TRUE(is_gone("kept")) << "the kernel removes it with its other end";
}

TEST_F(NetworkTest, ConcurrentStartsEachHaveTheirOwn) {
    make_bridge("br0");
    constexpr int threads = 8;
    constexpr int starts = 5;
    std::vector<std::thread> workers;
    std::atomic<int> right = 0;
    (void)session();
    for (int number = 1; number <= threads; ++number) {
        workers.emplace_back([&, number] {
            const std::string address = "10.0.0." + std::to_string(number) + "/24";
            Container container = isolated("box" + std::to_string(number)).add_namespace(Namespace::Net);
            container.add_network(Veth{.bridge = "br0", .addresses = {{address}}}).add_route({.gateway = "10.0.0.99"});
            for (int i = 0; i < starts; ++i) {
                const Finished finished = run(container, program({"network"}));
                if (finished.out.find("eth0 address " + address + "\n") != std::string::npos) ++right;
            }
        });
    }
    for (std::thread& worker : workers) worker.join();
    EXPECT_EQ(right, threads * starts);
}

TEST_F(NetworkTest, AnOrdinaryUserHasLoopbackAndIsToldWhatElseTakes) {
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container box = session.create("box").add_namespaces({Namespace::User, Namespace::Net}).map_root_to_caller();
        const Finished finished = run(box, host_program({"network"}));
        EXPECT_TRUE(contains(finished.out, "lo up mtu 65536"));
        box.add_network(Veth{});
        EXPECT_TRUE(fails([&] { (void)box.start(host_program({"pause"})); }, std::errc::operation_not_permitted,
                          {"create the veth pair of 'eth0'", "needs CAP_NET_ADMIN in the host's network namespace"}));
    }));
}

} // namespace
} // namespace ct::test
