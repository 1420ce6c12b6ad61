// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "bridge/nat_rules.hpp"

#include <gmock/gmock.h>

#include <ct/error.hpp>

namespace ct::internal {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// One container on "br0", with 10.0.0.2 and fd00::2.
NetworkRecord with(bool nat, std::vector<Forward> forwards) {
    NetworkRecord record;
    record.bridges = {{{"br0", {"10.0.0.1/24", "fd00::1/64"}, 0, nat}, "02:00:00:00:00:01"}};
    record.leases = {{"web", {}, {}, {{"br0", {"veth0", "fe:00:00:00:00:01"}, {"10.0.0.2", "fd00::2"}}}, forwards}};
    return record;
}

TEST(NatRules, ThereIsNoTableForBridgesAlone) {
    EXPECT_FALSE(needs_table(with(false, {})));
    EXPECT_THAT(needed_parameters(with(false, {})), IsEmpty());
    NetworkRecord unused = with(true, {});
    unused.leases.clear();
    EXPECT_FALSE(needs_table(unused));
}

TEST(NatRules, SubnetsAreMasqueradedOnTheirWayOut) {
    const NetworkRecord record = with(true, {});
    ASSERT_TRUE(needs_table(record));
    EXPECT_THAT(whole_table(record),
                AllOf(HasSubstr("iifname \"br0\" oifname != \"br0\" ip saddr 10.0.0.0/24 masquerade"),
                      HasSubstr("iifname \"br0\" oifname != \"br0\" ip6 saddr fd00::/64 masquerade"),
                      Not(HasSubstr("add element"))));
    EXPECT_THAT(needed_parameters(record), ElementsAre("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"));
}

TEST(NatRules, PortsAreElementsOfMaps) {
    const std::vector<Forward> forwards{
        {{.host_port = 8080, .container_port = 80, .count = 2}, "10.0.0.2"},
        {{.host_port = 53, .container_port = 5353, .protocol = Protocol::Udp, .host_address = "fd00::1"}, "fd00::2"}};
    EXPECT_EQ(add_forwards(forwards),
              "add element inet libct ports4 { tcp . 8080 : 10.0.0.2 . 80, tcp . 8081 : 10.0.0.2 . 81 }\n"
              "add element inet libct ports6_at { fd00::1 . udp . 53 : fd00::2 . 5353 }\n");
    EXPECT_THAT(remove_forwards(forwards), HasSubstr("delete element inet libct ports6_at { fd00::1 . udp . 53"));
    const NetworkRecord record = with(false, forwards);
    EXPECT_THAT(whole_table(record),
                AllOf(HasSubstr(add_forwards(forwards)), Not(HasSubstr("iifname \"br0\" oifname"))));
    EXPECT_THAT(needed_parameters(record),
                ElementsAre("net/ipv4/conf/br0/route_localnet", "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"));
    EXPECT_EQ(table_rules(record), table_rules(with(false, {forwards.front()}))) << "ports do not change the rules";
}

TEST(NetworkRecord, IsReadAsItWasWritten) {
    NetworkRecord record = with(true, {{{.host_port = 1, .container_port = 2}, "10.0.0.2"}});
    record.boot = "boot";
    record.switched_on = {{"net/ipv4/ip_forward", {"net/ipv4/conf/a/forwarding"}, {"net/ipv4/conf/b/c"}}};
    record.bridges.front().last = {"10.0.0.2"};
    record.leases.front().owner = {7, 8};
    EXPECT_EQ(read_network_record(write_network_record(record)), record);
}

TEST(NetworkRecord, ThatCouldHarmIsRefused) {
    NetworkRecord name = with(true, {});
    name.bridges.front().described.name = "a\" drop; flush";
    NetworkRecord address = with(true, {});
    address.leases.front().links.front().addresses = {"10.0.0.2 }; flush ruleset"};
    NetworkRecord target = with(true, {{{.host_port = 1, .container_port = 2}, "10.0.0.2/32"}});
    NetworkRecord file = with(true, {});
    file.switched_on = {{"net/../kernel/panic"}};
    NetworkRecord elsewhere = with(true, {});
    elsewhere.switched_on = {{"kernel/panic"}};
    NetworkRecord along = with(true, {});
    along.switched_on = {{"net/ipv4/ip_forward", {"kernel/panic"}}};
    NetworkRecord along_off = with(true, {});
    along_off.switched_on = {{"net/ipv4/ip_forward", {}, {"kernel/panic"}}};
    NetworkRecord last = with(true, {});
    last.bridges.front().last = {"10.0.0.255"};
    NetworkRecord without_links = with(true, {});
    without_links.leases.front().links.clear();
    for (const NetworkRecord& record :
         {name, address, target, file, elsewhere, along, along_off, last, without_links}) {
        EXPECT_THROW((void)read_network_record(write_network_record(record)), Error);
    }
    for (const char* const text : {"", "{}", "[]", "{\"version\":2}", "{\"version\":1,\"more\":1}"}) {
        EXPECT_THROW((void)read_network_record(text), Error) << text;
    }
}

} // namespace
} // namespace ct::internal
