// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <ct/error.hpp>

#include "config/ip_address.hpp"
#include "config/network.hpp"
#include "config/validate.hpp"

namespace ct::internal {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

template <typename Action>
std::string refusal(const Action& action) {
    try {
        action();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::InvalidConfig);
        return error.what();
    }
    return {};
}

std::string refusal_of(const NetworkDevice& device) {
    return refusal([&] { check_network_device(device); });
}

std::string refusal_of(const Route& route) {
    return refusal([&] { check_route(route); });
}

TEST(IpAddress, HasALengthOrStandsForItself) {
    const auto network = parse_address("10.1.2.0/24");
    ASSERT_TRUE(network);
    EXPECT_EQ(network->family, AF_INET);
    EXPECT_EQ(network->prefix, 24);
    EXPECT_EQ(network->size(), 4U);
    EXPECT_EQ(parse_address("10.1.2.3")->prefix, 32);
    EXPECT_EQ(parse_address("fd00::1")->prefix, 128);
    EXPECT_EQ(parse_address("fd00::1/64")->family, AF_INET6);
}

TEST(IpAddress, IsNothingElse) {
    for (const char* text : {"", "10.0.0", "10.0.0.256", "10.0.0.1/33", "10.0.0.1/", "10.0.0.1/ 8", "10.0.0.1/-1",
                             "10.0.0.1/8x", "fd00::1/129", "fd00:::1", "host", "/24", "10.0.0.1 "}) {
        EXPECT_FALSE(parse_address(text)) << text;
    }
    EXPECT_FALSE(parse_address(std::string_view("10.0.0.1\0", 9)));
}

TEST(MacAddress, IsSixPairsOfDigits) {
    EXPECT_EQ(parse_mac("02:00:00:00:00:fF"), (MacAddress{2, 0, 0, 0, 0, 255}));
    for (const char* text : {"", "02:00:00:00:00", "02:00:00:00:00:0g", "02-00-00-00-00-00", "02:00:00:00:00:00:00",
                             "2:0:0:0:0:0:0:0:0"}) {
        EXPECT_FALSE(parse_mac(text)) << text;
    }
}

TEST(NetworkShape, LinkNamesAreAsTheKernelTakesThem) {
    EXPECT_EQ(refusal_of(Veth{.host_name = "fifteen-bytes-x"}), "");
    EXPECT_THAT(refusal_of(Veth{.host_name = "sixteen-bytes-xx"}), HasSubstr("longer than 15 bytes"));
    for (const char* name : {"a b", "a/b", "a:b", "veth%d", ".", ".."}) {
        EXPECT_THAT(refusal_of(Veth{.container_name = name}), HasSubstr("is no name of a link")) << name;
    }
    EXPECT_THAT(refusal_of(Veth{.container_name = ""}), HasSubstr("is empty"));
    EXPECT_THAT(refusal_of(Dummy{.container_name = "lo"}), HasSubstr("as the loopback device is"));
    EXPECT_THAT(refusal_of(Macvlan{}), HasSubstr("parent of the macvlan is empty"));
    EXPECT_THAT(refusal_of(Veth{.bridge = "bridge-with-a-long-name"}), HasSubstr("bridge 'bridge-with-a-long-name'"));
}

TEST(NetworkShape, MacsAreOfOneDevice) {
    EXPECT_THAT(refusal_of(Veth{.host_mac = "02:00"}), HasSubstr("is no MAC address"));
    EXPECT_THAT(refusal_of(Veth{.container_mac = "01:00:00:00:00:01"}), HasSubstr("is one of a group"));
    EXPECT_THAT(refusal_of(Dummy{.mac = "00:00:00:00:00:00"}), HasSubstr("is that of nobody"));
}

TEST(NetworkShape, LinksOfTheHostKeepTheirNamesUnlessTheyGetAnother) {
    EXPECT_EQ(refusal_of(HostNic{.host_name = "eth1"}), "");
    EXPECT_EQ(container_name_of(HostNic{.host_name = "eth1"}), "eth1");
    EXPECT_EQ(container_name_of(HostNic{.host_name = "eth1", .container_name = "lan0"}), "lan0");
    EXPECT_THAT(refusal_of(HostNic{}), HasSubstr("name of the link of the host is empty"));
    EXPECT_THAT(refusal_of(HostNic{.host_name = "lo"}), HasSubstr("loopback device cannot be moved"));
    EXPECT_THAT(refusal_of(HostNic{.host_name = "eth1", .mac = "02:00"}), HasSubstr("is no MAC address"));
}

TEST(NetworkShape, MtusAndIdsAreInRange) {
    EXPECT_THAT(refusal_of(Veth{.mtu = 67}), HasSubstr("not between 68 and 65535"));
    EXPECT_THAT(refusal_of(Veth{.mtu = 65536}), HasSubstr("not between 68 and 65535"));
    EXPECT_THAT(refusal_of(Veth{.mtu = 1000, .addresses = {{"fd00::1/64"}}}), HasSubstr("needs an MTU of 1280"));
    EXPECT_THAT(refusal_of(Vlan{.parent = "eth0", .id = 4095}), HasSubstr("not 1 to 4094"));
    EXPECT_THAT(refusal_of(Vlan{.parent = "eth0"}), HasSubstr("not 1 to 4094"));
}

TEST(NetworkShape, AddressesFitTheirFamily) {
    const auto refusal_with = [](const Address& address) { return refusal_of(Dummy{.addresses = {address}}); };
    EXPECT_EQ(refusal_with({.address = "10.0.0.1", .peer = "10.0.0.2/32", .scope = Scope::Link}), "");
    EXPECT_THAT(refusal_with({"10.0.0.1/33"}), HasSubstr("address of 'dummy0' '10.0.0.1/33' is no IP address"));
    EXPECT_THAT(refusal_with({.address = "10.0.0.1", .peer = "fd00::1"}), HasSubstr("of another family"));
    EXPECT_THAT(refusal_with({.address = "fd00::1", .scope = Scope::Link}), HasSubstr("only IPv4 can"));
    EXPECT_THAT(refusal_with({.address = "10.0.0.1", .no_dad = true}), HasSubstr("only IPv6 can"));
    using std::chrono::seconds;
    EXPECT_THAT(refusal_with({.address = "10.0.0.1", .valid = seconds(-1)}), HasSubstr("out of range"));
    EXPECT_THAT(refusal_with({.address = "10.0.0.1", .valid = seconds(0)}), HasSubstr("valid for no time"));
    EXPECT_THAT(refusal_with({.address = "10.0.0.1", .valid = seconds(1), .preferred = seconds(2)}),
                HasSubstr("preferred longer than it is valid"));
    EXPECT_THAT(refusal_of(Dummy{.addresses = {{"10.0.0.1/8"}, {"10.0.0.1/8"}}}), HasSubstr("twice"));
}

TEST(NetworkShape, RoutesKnowTheirWay) {
    EXPECT_EQ(refusal_of(Route{.gateway = "10.0.0.1"}), "");
    EXPECT_EQ(refusal_of(Route{.destination = "10.0.0.0/8", .gateway = "fd00::1"}), "");
    EXPECT_THAT(refusal_of(Route{}), HasSubstr("the route 'default' has neither a gateway nor a device"));
    EXPECT_THAT(refusal_of(Route{.destination = "10.0.0.1/8", .device = "eth0"}), HasSubstr("bits beyond its length"));
    EXPECT_THAT(refusal_of(Route{.destination = "fd00::/8", .gateway = "10.0.0.1"}),
                HasSubstr("cannot have an IPv4 gateway"));
    EXPECT_THAT(refusal_of(Route{.gateway = "10.0.0.1/24"}), HasSubstr("has a length"));
    EXPECT_THAT(refusal_of(Route{.gateway = "10.0.0.1", .on_link = true}), HasSubstr("needs a gateway and a device"));
    EXPECT_THAT(refusal_of(Route{.gateway = "10.0.0.1", .type = RouteType::Blackhole}), HasSubstr("sends nothing on"));
    EXPECT_THAT(refusal_of(Route{.gateway = "10.0.0.1", .source = "fd00::1"}), HasSubstr("of another family"));
    EXPECT_THAT(refusal_of(Route{.gateway = "10.0.0.1", .next_hops = {{.gateway = "10.0.0.2"}}}),
                HasSubstr("next hops as well as"));
    EXPECT_THAT(refusal_of(Route{.next_hops = {{.gateway = "10.0.0.2", .weight = 257}}}), HasSubstr("1 to 256"));
    EXPECT_THAT(refusal_of(Route{.next_hops = {{}}}), HasSubstr("neither a gateway nor a device"));
}

TEST(NetworkShape, RulesAndNeighboursAreWhole) {
    const auto refusal_of_rule = [](const Rule& rule) { return refusal([&] { check_rule(rule); }); };
    EXPECT_EQ(refusal_of_rule({.from = "10.0.0.0/8", .mark = 1, .table = 7}), "");
    EXPECT_THAT(refusal_of_rule({.from = "10.0.0.0/8", .to = "fd00::/8"}), HasSubstr("different families"));
    EXPECT_THAT(refusal_of_rule({.from = "10.0.0.0/8", .ipv6 = true}), HasSubstr("has IPv4 addresses"));
    EXPECT_THAT(refusal_of_rule({.action = RuleAction::Prohibit, .table = 7}), HasSubstr("has a table"));
    EXPECT_THAT(refusal_of_rule({.mark_mask = 1}), HasSubstr("but no mark"));
    const auto refusal_of_neighbour = [](const Neighbour& one) { return refusal([&] { check_neighbour(one); }); };
    EXPECT_THAT(refusal_of_neighbour({.device = "eth0", .address = "10.0.0.1"}), HasSubstr("has no MAC address"));
    EXPECT_THAT(refusal_of_neighbour({.device = "eth0", .mac = "02:00:00:00:00:01"}), HasSubstr("is no IP address"));
}

std::vector<std::string> found_in(const Spec& spec) {
    std::vector<std::string> found;
    network_violations(found, spec);
    return found;
}

TEST(NetworkViolations, NeedANamespaceAndNamesOfTheirOwn) {
    Spec spec;
    spec.network.devices = {Veth{.host_name = "web0"}, Veth{.host_name = "web0"}};
    EXPECT_THAT(found_in(spec), Contains(HasSubstr("need a new net namespace")));
    EXPECT_THAT(found_in(spec), Contains("two network devices are called 'eth0'"));
    EXPECT_THAT(found_in(spec), Contains("two network devices are called 'web0' on the host"));
    spec.namespaces[Namespace::Net] = NamespacePath{"/run/netns/a"};
    EXPECT_THAT(found_in(spec), Contains(HasSubstr("need a new net namespace")));
}

TEST(NetworkViolations, ComeFromDevicesThatNobodyMakes) {
    Spec spec;
    spec.namespaces[Namespace::Net] = NewNamespace{};
    spec.network.devices = {Veth{}};
    spec.network.routes = {{.destination = "10.0.0.0/8", .device = "lo"}};
    EXPECT_THAT(found_in(spec), IsEmpty());
    spec.network.routes = {{.destination = "10.0.0.0/8", .device = "eth1"}, {.next_hops = {{.device = "eth2"}}}};
    spec.network.neighbours = {{.device = "eth3", .address = "10.0.0.1", .mac = "02:00:00:00:00:01"}};
    EXPECT_THAT(found_in(spec), Contains("the route '10.0.0.0/8' is on 'eth1', which is no network device of the "
                                         "container"));
    EXPECT_THAT(found_in(spec), Contains(HasSubstr("is on 'eth2'")));
    EXPECT_THAT(found_in(spec), Contains(HasSubstr("the neighbour '10.0.0.1' is on 'eth3'")));
}

} // namespace
} // namespace ct::internal
