// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "config/bridge.hpp"

#include <gmock/gmock.h>

#include <ct/ct.hpp>

namespace ct::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

template <typename Check, typename Value>
std::string refusal(Check check, const Value& value) {
    try {
        check(value);
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::InvalidConfig);
        return error.violations().at(0);
    }
    return {};
}

std::vector<std::string> violations_of(const Network& network) {
    std::vector<std::string> found;
    bridge_violations(found, network);
    return found;
}

Network leased() {
    Network network;
    network.bridges = {{.addresses = {"10.0.0.1/24"}}};
    network.devices = {Veth{.bridge = "ct0", .lease = true}};
    return network;
}

TEST(BridgeShape, AddressesHaveASubnetWithRoom) {
    const auto of = [](std::vector<std::string> addresses) {
        return refusal(check_bridge, Bridge{.addresses = std::move(addresses)});
    };
    EXPECT_EQ(of({"10.0.0.1/24", "fd00::1/64"}), "");
    EXPECT_EQ(of({"10.0.0.1/30"}), "");
    EXPECT_EQ(of({"fd00::/64"}), "");
    EXPECT_EQ(of({"x"}), "address 'x' of the bridge 'ct0' is no IP address");
    EXPECT_THAT(of({"10.0.0.1"}), HasSubstr("leaves room"));
    EXPECT_THAT(of({"10.0.0.1/31"}), HasSubstr("leaves room"));
    EXPECT_THAT(of({"10.0.0.0/24"}), HasSubstr("is that of the subnet itself"));
    EXPECT_THAT(of({"10.0.0.255/24"}), HasSubstr("for broadcasts"));
    EXPECT_THAT(of({"10.0.0.1/24", "10.0.0.2/16"}), HasSubstr("in the subnet of another one"));
    for (const char* const address : {"127.0.0.2/8", "0.1.0.0/9", "224.1.0.1/24", "255.255.255.1/24", "128.0.0.1/1",
                                      "fe80::1/64", "ff02::1/64", "::1/64"}) {
        EXPECT_THAT(of({address}), HasSubstr("is in the reserved range")) << address;
    }
}

TEST(BridgeShape, NamesAreSafeInRules) {
    for (const char* const name : {"", "a\"b", "a*", "waytoolongforalink", "a;b", "a b", "a{", "..", "a/b", "a$b"}) {
        EXPECT_NE(refusal(check_bridge, Bridge{.name = name}), "") << name;
    }
    EXPECT_EQ(refusal(check_bridge, Bridge{.name = "br-0.1_x"}), "");
    EXPECT_NE(refusal(check_bridge, Bridge{.mtu = 67}), "");
    EXPECT_NE(refusal(check_bridge, Bridge{.addresses = {"fd00::1/64"}, .mtu = 1279}), "");
}

TEST(PublishedPortShape, PortsExist) {
    const auto of = [](const PublishedPort& port) { return refusal(check_port, port); };
    EXPECT_EQ(of({.host_port = 65535, .container_port = 1}), "");
    EXPECT_EQ(of({.host_port = 1, .container_port = 1, .count = 65535, .host_address = "127.0.0.1"}), "");
    EXPECT_EQ(of({.container_port = 1}), "published port 0/tcp is 0");
    EXPECT_EQ(of({.host_port = 65535, .container_port = 1, .count = 2}),
              "published port 65535-65536/tcp goes beyond 65535");
    EXPECT_NE(of({.host_port = 1, .container_port = 65535, .count = 2}), "");
    EXPECT_NE(of({.host_port = 1, .container_port = 1, .count = 0}), "");
    for (const char* const address : {"x", "10.0.0.1/24", "0.0.0.0", "::", "::1", "10.0.0.1 ; flush"}) {
        EXPECT_NE(of({.host_port = 1, .container_port = 1, .host_address = address}), "") << address;
    }
}

TEST(BridgeViolations, BridgesAndVethsBelongTogether) {
    EXPECT_THAT(violations_of(leased()), IsEmpty());
    Network network = leased();
    network.bridges.push_back({.name = "ct1"});
    network.bridges.push_back({.name = "ct0"});
    network.devices.emplace_back(Veth{.container_name = "eth1", .bridge = "br0", .lease = true});
    EXPECT_THAT(violations_of(network),
                ElementsAre("the veth 'eth1' leases an address, which needs a ct::Bridge with addresses",
                            "no veth is on the bridge 'ct1'", "two bridges are called 'ct0'"));
}

TEST(BridgeViolations, AddressesByHandAreNobodyElses) {
    Network network = leased();
    network.devices = {
        Veth{.bridge = "ct0", .addresses = {{"10.0.0.1/24"}, {"10.0.0.255/24"}, {"10.0.0.7/24"}}},
        Veth{.container_name = "eth1", .bridge = "ct0", .addresses = {{"10.0.0.7/16"}, {"10.1.0.0/16"}}}};
    EXPECT_THAT(
        violations_of(network),
        ElementsAre("address '10.0.0.1/24' of the veth 'eth0' is that of the bridge 'ct0'",
                    "address '10.0.0.255/24' of the veth 'eth0' is that of the subnet itself, or for broadcasts",
                    "address '10.0.0.7/16' of the veth 'eth1' is given twice"));
}

TEST(BridgeViolations, PortsNeedAnAddressThatLibctKnows) {
    Network network = leased();
    network.ports = {{.host_port = 80, .container_port = 80, .host_address = "fd00::1"}};
    EXPECT_THAT(violations_of(network), ElementsAre("port [fd00::1]:80/tcp is published, but no veth on a ct::Bridge "
                                                    "has an IPv6 address"));
    network.devices = {Veth{.bridge = "ct0", .addresses = {{"fd00::2/64"}}}};
    EXPECT_THAT(violations_of(network), IsEmpty());
    network.ports.push_back({.host_port = 79, .container_port = 1, .count = 2});
    EXPECT_THAT(violations_of(network), ElementsAre("port 79-80/tcp is published twice"));
    network.ports.back().protocol = Protocol::Udp;
    EXPECT_THAT(violations_of(network), IsEmpty());
}

TEST(PublishedPort, CollidesByAddressProtocolAndNumber) {
    const PublishedPort all{.host_port = 80, .container_port = 1, .count = 3};
    EXPECT_TRUE(collide(all, {.host_port = 82, .container_port = 1, .host_address = "10.0.0.1"}));
    EXPECT_FALSE(collide(all, {.host_port = 83, .container_port = 1}));
    EXPECT_FALSE(collide(all, {.host_port = 78, .container_port = 1, .count = 2}));
    EXPECT_FALSE(collide(all, {.host_port = 80, .container_port = 1, .protocol = Protocol::Udp}));
    EXPECT_FALSE(collide({.host_port = 80, .host_address = "10.0.0.2"}, {.host_port = 80, .host_address = "10.0.0.1"}));
    EXPECT_TRUE(collide({.host_port = 80, .host_address = "fd00::1"}, {.host_port = 80, .host_address = "fd00:0::1"}));
}

} // namespace
} // namespace ct::internal
