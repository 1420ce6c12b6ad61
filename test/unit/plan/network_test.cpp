// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstring>

#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

using ::testing::ElementsAre;

Spec with_network(const Network& network) {
    Spec spec;
    spec.namespaces[Namespace::Net] = NewNamespace{};
    spec.network = network;
    return spec;
}

std::vector<std::string> sentences(const Spec& spec) {
    Plan plan;
    plan_network(plan, spec);
    std::vector<std::string> texts;
    for (const Listed& step : listed(plan.steps)) texts.push_back(step.sentence);
    return texts;
}

TEST(NetworkPlan, IsNothingWithoutANewNamespace) {
    EXPECT_THAT(sentences({}), ElementsAre());
    Spec joined;
    joined.namespaces[Namespace::Net] = NamespacePath{"/run/netns/a"};
    EXPECT_THAT(sentences(joined), ElementsAre());
    EXPECT_THAT(sentences(with_network({.loopback_up = false})), ElementsAre());
}

TEST(NetworkPlan, BringsUpTheLoopbackDevice) {
    EXPECT_THAT(sentences(with_network({})), ElementsAre("open a netlink socket", "bring up 'lo'"));
}

TEST(NetworkPlan, IsInTheOrderGiven) {
    Network network{.loopback_up = false};
    network.devices = {Veth{.addresses = {{"10.0.0.2/24"}, {"fd00::2/64"}}}, Dummy{}};
    network.neighbours = {{.device = "eth0", .address = "10.0.0.9", .mac = "02:00:00:00:00:09"}};
    network.routes = {{.gateway = "10.0.0.1"}, {.destination = "10.9.0.0/16", .gateway = "10.0.0.3", .device = "eth0"}};
    network.rules = {{.from = "10.0.0.0/24", .table = 7}};
    EXPECT_THAT(sentences(with_network(network)),
                ElementsAre("open a netlink socket", "find the link 'eth0'", "bring up 'eth0'",
                            "add address '10.0.0.2/24' to 'eth0'", "add address 'fd00::2/64' to 'eth0'",
                            "create the dummy 'dummy0'", "find the link 'dummy0'", "bring up 'dummy0'",
                            "add neighbour '10.0.0.9' on 'eth0'", "add route 'default via 10.0.0.1'",
                            "add route '10.9.0.0/16 via 10.0.0.3' on 'eth0'", "add rule 'from 10.0.0.0/24 lookup 7'"));
}

TEST(NetworkPlan, FindsALinkOfTheHostByTheNameThatItHasInside) {
    Network network{.loopback_up = false};
    network.devices = {HostNic{.host_name = "eth1"},
                       HostNic{.host_name = "eth2", .container_name = "lan0", .addresses = {{"10.0.0.2/24"}}}};
    EXPECT_THAT(sentences(with_network(network)),
                ElementsAre("open a netlink socket", "find the link 'eth1'", "bring up 'eth1'", "find the link 'lan0'",
                            "bring up 'lan0'", "add address '10.0.0.2/24' to 'lan0'"));
}

TEST(NetworkPlan, RequestsHaveAPlaceForTheIndexThatTheChildFinds) {
    Plan plan;
    plan_network(plan, with_network({.loopback_up = false, .devices = {Veth{.addresses = {{"10.0.0.2/24"}}}}}));
    const auto find = args<FindLinkArgs>(plan.steps, Op::FindLink);
    EXPECT_STREQ(find.name, "eth0");
    const auto requests = all_args<NetlinkArgs>(plan.steps, Op::Netlink);
    ASSERT_EQ(requests.size(), 2U);
    const NetlinkArgs& address = requests.back();
    nlmsghdr header{};
    std::memcpy(&header, address.message, sizeof header);
    EXPECT_EQ(header.nlmsg_type, RTM_NEWADDR);
    EXPECT_EQ(header.nlmsg_len, address.size);
    EXPECT_NE(header.nlmsg_flags & NLM_F_ACK, 0);
    ASSERT_EQ(address.link_count, 1U);
    EXPECT_EQ(address.links[0].index, find.index);
    EXPECT_EQ(address.links[0].offset, NLMSG_HDRLEN + offsetof(ifaddrmsg, ifa_index));
}

TEST(NetworkPlan, DefaultsOfDevicesComeBeforeTheDevices) {
    Spec spec = with_network({});
    spec.sysctls = {{"net.ipv6.conf.default.accept_ra", "0"}, {"net.ipv6.conf.eth0.accept_ra", "1"}};
    Plan early;
    plan_device_defaults(early, spec, {});
    ASSERT_EQ(early.steps.steps().size(), 1U);
    EXPECT_STREQ(args<ProcWriteArgs>(early.steps, Op::WriteProc).path, "sys/net/ipv6/conf/default/accept_ra");
    Plan late;
    plan_sysctls(late, spec, {});
    ASSERT_EQ(late.steps.steps().size(), 1U);
    EXPECT_STREQ(args<ProcWriteArgs>(late.steps, Op::WriteProc).path, "sys/net/ipv6/conf/eth0/accept_ra");
}

TEST(NetworkPlan, TheKernelsWordsAreInBrackets) {
    EXPECT_EQ(network_hint("Nexthop has invalid gateway", "add route", ENETUNREACH), "(Nexthop has invalid gateway)");
    EXPECT_EQ(network_hint("", "add route", ENETUNREACH), "");
    EXPECT_EQ(network_hint("Unknown device type", "create the dummy", EOPNOTSUPP),
              "(Unknown device type); this kernel has no such links, neither built in nor as a module that is there");
}

} // namespace
} // namespace ct::internal
