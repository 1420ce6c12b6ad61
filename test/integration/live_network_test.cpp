// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// The network of running containers: changes, and what there is to read.
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/fault.hpp"
#include "net/requests.hpp"
#include "net/socket.hpp"
#include "support/fixture.hpp"

namespace ct::test {
namespace {

const LinkState* find_link(const NetworkState& state, std::string_view name) {
    const auto found =
        std::find_if(state.links.begin(), state.links.end(), [&](const LinkState& link) { return link.name == name; });
    return found == state.links.end() ? nullptr : &*found;
}

const RouteState* find_route(const NetworkState& state, std::string_view destination) {
    const auto found = std::find_if(state.routes.begin(), state.routes.end(), [&](const RouteState& route) {
        return route.route.destination == destination && route.route.table == 0;
    });
    return found == state.routes.end() ? nullptr : &*found;
}

bool has_address(const NetworkState& state, std::string_view device, std::string_view address) {
    const LinkState* const link = find_link(state, device);
    return link != nullptr && std::any_of(link->addresses.begin(), link->addresses.end(),
                                          [&](const AddressState& each) { return each.address.address == address; });
}

class LiveNetworkTest : public ContainerTest {
protected:
    Container started(const std::string& name = "web") {
        Container container = isolated(name).add_namespace(Namespace::Net);
        start_ready(container, program({"pause"}));
        return container;
    }
};

TEST_F(LiveNetworkTest, ShowsLinksAddressesRoutesRulesAndNeighbours) {
    Container web = isolated("web").add_namespace(Namespace::Net);
    web.add_network(Veth{
        .host_name = "web0",
        .container_mac = "02:00:00:00:00:02",
        .mtu = 1400,
        .addresses = {
            {.address = "10.0.0.2/24", .valid = std::chrono::seconds(1000), .preferred = std::chrono::seconds(500)},
            {.address = "fd00::2/64", .no_dad = true}}});
    const Route route{.destination = "10.9.0.0/16", .gateway = "10.0.0.1", .device = "eth0", .metric = 5, .mtu = 1300};
    const Neighbour neighbour{.device = "eth0", .address = "10.0.0.9", .mac = "02:00:00:00:00:09"};
    web.add_neighbour(neighbour).add_route(route);
    web.add_route({.destination = "10.12.0.0/16", .table = 77, .type = RouteType::Unreachable});
    web.add_rule({.from = "10.0.0.0/24", .priority = 100, .table = 77});
    start_ready(web, program({"pause"}));
    NetworkState state;
    const auto is_up = [&] {
        state = web.network();
        const LinkState* const link = find_link(state, "eth0");
        return link != nullptr && link->state == "up";
    };
    EXPECT_TRUE(await(is_up)) << "which the kernel says a while after the carrier is there";

    ASSERT_EQ(state.links.size(), 2U);
    const LinkState* const lo = find_link(state, "lo");
    ASSERT_NE(lo, nullptr);
    EXPECT_EQ(lo->index, 1);
    EXPECT_TRUE(lo->up);
    EXPECT_TRUE(has_address(state, "lo", "127.0.0.1/8"));
    const LinkState* const eth0 = find_link(state, "eth0");
    ASSERT_NE(eth0, nullptr);
    EXPECT_EQ(eth0->kind, "veth");
    EXPECT_EQ(eth0->mac, "02:00:00:00:00:02");
    EXPECT_EQ(eth0->mtu, 1400U);
    EXPECT_TRUE(eth0->up);
    EXPECT_EQ(eth0->state, "up");
    EXPECT_EQ(static_cast<unsigned>(eth0->peer), ::if_nametoindex("web0"));
    EXPECT_TRUE(has_address(state, "eth0", "fd00::2/64"));
    const AddressState& first = eth0->addresses.front();
    EXPECT_EQ(first.address.address, "10.0.0.2/24");
    EXPECT_EQ(first.address.peer, "");
    EXPECT_EQ(first.scope, Scope::Global);
    ASSERT_TRUE(first.address.valid && first.address.preferred);
    EXPECT_LE(first.address.valid->count(), 1000);
    EXPECT_GT(first.address.valid->count(), 900);
    EXPECT_LE(first.address.preferred->count(), 500);

    const RouteState* const found = find_route(state, "10.9.0.0/16");
    ASSERT_NE(found, nullptr);
    Route expected = route;
    expected.scope = Scope::Global;
    EXPECT_EQ(found->route, expected);
    EXPECT_EQ(found->type, "unicast");
    EXPECT_EQ(found->protocol, "static");
    const auto in_table = std::find_if(state.routes.begin(), state.routes.end(),
                                       [](const RouteState& each) { return each.route.table == 77; });
    ASSERT_NE(in_table, state.routes.end());
    EXPECT_EQ(in_table->type, "unreachable");
    EXPECT_EQ(in_table->route.type, RouteType::Unreachable);
    const auto rule = std::find_if(state.rules.begin(), state.rules.end(),
                                   [](const RuleState& each) { return each.rule.priority == 100; });
    ASSERT_NE(rule, state.rules.end());
    EXPECT_EQ(rule->rule, (Rule{.from = "10.0.0.0/24", .priority = 100, .table = 77}));
    const auto known = std::find_if(state.neighbours.begin(), state.neighbours.end(),
                                    [&](const NeighbourState& each) { return each.neighbour == neighbour; });
    ASSERT_NE(known, state.neighbours.end());
    EXPECT_EQ(known->state, "permanent");
    web.stop(std::chrono::seconds(0));
}

TEST_F(LiveNetworkTest, CountsWhatPasses) {
    Container web = started();
    const auto sent = [&] { return find_link(web.network(), "lo")->sent; };
    const Traffic before = sent();
    const Finished sender = run_entered(web, {}, [] {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = 9 << 8;
        to.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
        const std::string text(1000, 'x');
        const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        return ::sendto(fd, text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 1000 ? 0
                                                                                                                    : 1;
    });
    EXPECT_TRUE(exited(sender.status, 0));
    const Traffic after = sent();
    EXPECT_GE(after.packets, before.packets + 1);
    EXPECT_GE(after.bytes, before.bytes + 1000);
    EXPECT_EQ(after.errors, 0U);
    web.stop(std::chrono::seconds(0));
}

TEST_F(LiveNetworkTest, DevicesComeAndGo) {
    Container web = started();
    web.attach_network(Veth{.host_name = "web0", .container_name = "eth7", .addresses = {{"10.0.0.2/24"}}});
    EXPECT_NE(::if_nametoindex("web0"), 0U);
    EXPECT_TRUE(contains(run_entered(web, program({"network"})).out, "eth7 address 10.0.0.2/24\n"));
    EXPECT_TRUE(web.spec().network.devices.empty());
    web.detach_network("eth7");
    EXPECT_EQ(::if_nametoindex("web0"), 0U);
    EXPECT_EQ(find_link(web.network(), "eth7"), nullptr);
    EXPECT_TRUE(fails([&] { web.detach_network("eth7"); }, std::errc::no_such_device,
                      {"container 'web': detach 'eth7': No such device"}));
    web.attach_network(Veth{.host_name = "web0"});
    web.stop(std::chrono::seconds(0));
    EXPECT_EQ(::if_nametoindex("web0"), 0U) << "the host's end is there after stop()";
}

TEST_F(LiveNetworkTest, AddressesRoutesNeighboursAndRulesComeAndGo) {
    Container web = started();
    web.attach_network(Veth{.addresses = {{"10.0.0.2/24"}}});
    const NetworkState before = web.network();
    const Address address{.address = "10.7.0.2/24"};
    const Route route{.destination = "10.9.0.0/16", .gateway = "10.7.0.1", .device = "eth0"};
    const Route multipath{.destination = "10.10.0.0/16",
                          .next_hops = {{.gateway = "10.7.0.3", .weight = 2}, {.device = "eth0"}}};
    const Route blackhole{.destination = "10.11.0.0/16", .type = RouteType::Blackhole};
    const Neighbour neighbour{.device = "eth0", .address = "10.7.0.9", .mac = "02:00:00:00:00:09"};
    const Rule rule{.to = "fd01::/64", .priority = 200, .action = RuleAction::Prohibit};
    web.attach_address("eth0", address);
    for (const Route& each : {route, multipath, blackhole}) web.attach_route(each);
    web.attach_neighbour(neighbour);
    web.attach_rule(rule);
    const NetworkState changed = web.network();
    EXPECT_TRUE(has_address(changed, "eth0", "10.7.0.2/24"));
    ASSERT_NE(find_route(changed, "10.9.0.0/16"), nullptr);
    ASSERT_NE(find_route(changed, "10.10.0.0/16"), nullptr);
    EXPECT_EQ(find_route(changed, "10.10.0.0/16")->route.next_hops,
              (std::vector<NextHop>{{.gateway = "10.7.0.3", .device = "eth0", .weight = 2}, {.device = "eth0"}}));
    EXPECT_EQ(find_route(changed, "10.11.0.0/16")->route.type, RouteType::Blackhole);
    EXPECT_EQ(changed.rules.size(), before.rules.size() + 1);
    web.detach_rule(rule);
    web.detach_neighbour(neighbour);
    for (const Route& each : {route, multipath, blackhole}) web.detach_route(each);
    web.detach_address("eth0", address);
    const NetworkState after = web.network();
    EXPECT_EQ(after.rules, before.rules);
    EXPECT_FALSE(has_address(after, "eth0", "10.7.0.2/24"));
    for (const char* gone : {"10.9.0.0/16", "10.10.0.0/16", "10.11.0.0/16", "10.7.0.0/24"}) {
        EXPECT_EQ(find_route(after, gone), nullptr) << gone;
    }
    web.stop(std::chrono::seconds(0));
}

TEST_F(LiveNetworkTest, WhatFailsSaysWhyAndLeavesNothing) {
    Container web = isolated("web").add_namespace(Namespace::Net);
    EXPECT_TRUE(fails([&] { web.attach_network(Veth{}); }, Errc::InvalidState, {"container 'web': "}));
    EXPECT_TRUE(fails([&] { (void)web.network(); }, Errc::InvalidState, {"container 'web': "}));
    start_ready(web, program({"pause"}));
    web.attach_network(Veth{.host_name = "web0", .addresses = {{"10.0.0.2/24"}}});
    // The second address is the first one once more, which only the kernel sees.
    EXPECT_TRUE(fails(
        [&] {
            web.attach_network(Veth{.host_name = "web1",
                                    .container_name = "eth1",
                                    .addresses = {{.address = "fd00::1/64", .no_dad = true}, {"fd00:0::1/64"}}});
        },
        std::errc::file_exists, {"container 'web': add address 'fd00:0::1/64' to 'eth1'"}));
    EXPECT_EQ(::if_nametoindex("web1"), 0U);
    EXPECT_EQ(find_link(web.network(), "eth1"), nullptr);
    EXPECT_TRUE(fails([&] { web.attach_network(Veth{.host_name = "web0", .container_name = "eth1"}); },
                      std::errc::file_exists, {"the name is taken"}));
    EXPECT_TRUE(fails([&] { web.attach_network(Veth{.bridge = "br7"}); }, std::errc::no_such_device, {"br7"}));
    EXPECT_TRUE(fails([&] { web.attach_route({.destination = "10.9.0.0/16", .gateway = "10.7.0.1"}); },
                      std::errc::network_unreachable,
                      {"container 'web': add route '10.9.0.0/16 via 10.7.0.1': Network is unreachable",
                       "(Nexthop has invalid gateway)"}));
    EXPECT_TRUE(fails([&] { web.detach_route({.destination = "10.9.0.0/16", .device = "eth0"}); },
                      std::errc::no_such_process, {"remove route '10.9.0.0/16'"}));
    EXPECT_TRUE(fails([&] { web.attach_address("eth5", {"10.0.0.3/24"}); }, std::errc::no_such_device,
                      {"the container has no device 'eth5'"}));
    EXPECT_TRUE(fails([&] { web.attach_address("eth0", {"10.0.0.300/24"}); }, Errc::InvalidConfig, {"10.0.0.300"}));
    web.stop(std::chrono::seconds(0));
    Container shared = plain("shared");
    start_ready(shared, host_program({"pause"}));
    EXPECT_TRUE(
        fails([&] { shared.attach_network(Dummy{}); }, Errc::InvalidState, {"it has no network namespace of its own"}));
    EXPECT_NE(find_link(shared.network(), "lo"), nullptr);
    shared.stop(std::chrono::seconds(0));
}

TEST_F(LiveNetworkTest, EachStepThatFailsIsUndone) {
    Container web = started();
    internal::Faults faults;
    internal::faults = &faults;
    std::uint32_t failed = 0;
    for (std::uint32_t at = 1;; ++at) {
        ASSERT_LT(at, 100U) << "there is no end";
        faults = {.at = at, .error = ENOTRECOVERABLE};
        try {
            web.attach_network(Veth{.host_name = "web0", .addresses = {{"10.0.0.2/24"}, {"10.1.0.2/24"}}});
            const bool all_passed = faults.passed < at;
            faults = {};
            web.detach_network("eth0");
            if (all_passed) break;
        } catch (const Error& error) {
            faults = {};
            ++failed;
            EXPECT_EQ(error.code().value(), ENOTRECOVERABLE) << error.what();
            EXPECT_TRUE(contains(error.what(), "container 'web': "));
        }
        EXPECT_EQ(::if_nametoindex("web0"), 0U) << at;
        EXPECT_EQ(web.network().links.size(), 1U) << at;
    }
    internal::faults = nullptr;
    EXPECT_GT(failed, 3U);
    web.stop(std::chrono::seconds(0));
}

TEST_F(LiveNetworkTest, ThreadsChangeOneContainerAtATimeAndOthersAtOnce) {
    constexpr int rounds = 25;
    Container shared = started("shared");
    shared.attach_network(Veth{.addresses = {{"10.0.0.1/16"}}});
    std::atomic<bool> done = false;
    std::atomic<int> right = 0;
    std::vector<std::thread> workers;
    for (int number = 1; number <= 2; ++number) {
        workers.emplace_back([&, number] {
            const std::string own = "10.0." + std::to_string(number) + ".2/24";
            const std::string device = "eth" + std::to_string(number);
            for (int i = 0; i < rounds; ++i) {
                shared.attach_network(Veth{.container_name = device, .addresses = {{own}}});
                shared.attach_route({.destination = "10.9." + std::to_string(number) + ".0/24", .device = device});
                const NetworkState state = shared.network();
                if (has_address(state, device, own)) ++right;
                shared.detach_network(device);
            }
        });
    }
    // Starts that go on meanwhile, and readers.
    workers.emplace_back([&] {
        Container other = isolated("other").add_namespace(Namespace::Net);
        other.add_network(Veth{.addresses = {{"10.0.0.2/24"}}});
        while (!done) {
            if (find_link(shared.network(), "lo") == nullptr) right = -1000;
            if (!succeeded(run(other, program({"network"})))) right = -1000;
        }
    });
    workers[0].join();
    workers[1].join();
    done = true;
    workers[2].join();
    EXPECT_EQ(right, 2 * rounds);
    EXPECT_EQ(shared.network().links.size(), 2U);
    shared.stop(std::chrono::seconds(0));
}

TEST_F(LiveNetworkTest, HeldAdoptedAndOpenedOnesChangeToo) {
    Container pod = plain("pod").add_namespace(Namespace::Net);
    pod.hold();
    pod.attach_network(Veth{.host_name = "pod0", .addresses = {{"10.0.0.2/24"}}});
    EXPECT_TRUE(has_address(pod.network(), "eth0", "10.0.0.2/24"));
    pod.kill();
    EXPECT_EQ(::if_nametoindex("pod0"), 0U);

    const SessionOptions options{.state_directory = dir() / "state"};
    EXPECT_TRUE(passes_in_child([&] {
        Session session(options);
        Container web = session.create("web").set_root(image().string());
        web.add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::Net});
        start_ready(web, program({"pause"}));
        web.detach();
    }));
    {
        Session next(options);
        Container web = next.open("web");
        web.attach_network(Veth{.host_name = "web0", .addresses = {{"10.0.0.2/24"}}});
        EXPECT_TRUE(has_address(web.network(), "eth0", "10.0.0.2/24"));
    }
    EXPECT_NE(::if_nametoindex("web0"), 0U) << "it is the container's, not that session's";
    Session last(options);
    Container web = last.open("web");
    web.kill();
    (void)web.wait();
    EXPECT_EQ(web.state(), State::Stopped);
    EXPECT_EQ(::if_nametoindex("web0"), 0U);
}

TEST_F(LiveNetworkTest, AnOrdinaryUserChangesTheInsideOfHisOwn) {
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container box = session.create("box").add_namespaces({Namespace::User, Namespace::Net}).map_root_to_caller();
        start_ready(box, host_program({"pause"}));
        const HostState before = HostState::capture();
        box.attach_address("lo", {"10.0.0.2/32"});
        box.attach_route({.destination = "10.9.0.0/16", .device = "lo"});
        const NetworkState state = box.network();
        EXPECT_TRUE(has_address(state, "lo", "10.0.0.2/32"));
        EXPECT_NE(find_route(state, "10.9.0.0/16"), nullptr);
        EXPECT_TRUE(fails([&] { box.attach_network(Veth{}); }, std::errc::operation_not_permitted,
                          {"needs CAP_NET_ADMIN in the host's network namespace"}));
        EXPECT_EQ(before.difference(HostState::capture()), "");
        box.stop(std::chrono::seconds(0));
    }));
}

TEST_F(LiveNetworkTest, AThousandLinksAreShown) {
    Container web = started();
    const Finished made = run_entered(web, {}, [] {
        internal::NetlinkSocket socket;
        for (int i = 0; i < 500; ++i) {
            const std::string number = std::to_string(i);
            if (socket
                    .request(internal::make_veth(Veth{.container_name = "b" + number}, "a" + number, "", 0,
                                                 {.number = ::getpid()}))
                    .error != 0) {
                return 1;
            }
        }
        return 0;
    });
    ASSERT_TRUE(exited(made.status, 0));
    const NetworkState state = web.network();
    EXPECT_EQ(state.links.size(), 1001U);
    EXPECT_NE(find_link(state, "a499"), nullptr);
    EXPECT_NE(find_link(state, "b0"), nullptr);
    web.stop(std::chrono::seconds(0));
}

} // namespace
} // namespace ct::test
