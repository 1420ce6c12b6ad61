// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "bridge/nat_rules.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/concat.hpp"
#include "config/bridge.hpp"
#include "config/subnet.hpp"

namespace ct::internal {

namespace {

constexpr std::string_view Table = "inet libct";

bool is_ipv6(const std::string& address) {
    return address.find(':') != std::string::npos;
}

/// The map of a forward, and what the key begins with.
std::string map_of(const Forward& forward) {
    return concat(is_ipv6(forward.address) ? "ports6" : "ports4", forward.port.host_address.empty() ? "" : "_at");
}

/// "tcp . 8080 : 10.88.0.2 . 80, ...", by map.
std::map<std::string, std::string> elements_of(const std::vector<Forward>& forwards) {
    std::map<std::string, std::string> elements;
    for (const Forward& forward : forwards) {
        const PublishedPort& port = forward.port;
        const std::string at = port.host_address.empty() ? "" : concat(port.host_address, " . ");
        std::string& text = elements[map_of(forward)];
        for (unsigned i = 0; i < port.count; ++i) {
            text += concat(text.empty() ? "" : ", ", at, to_string(port.protocol), " . ", port.host_port + i, " : ",
                           forward.address, " . ", port.container_port + i);
        }
    }
    return elements;
}

std::string commands(std::string_view verb, const std::vector<Forward>& forwards) {
    std::string text;
    for (const auto& [map, elements] : elements_of(forwards)) {
        text += concat(verb, " element ", Table, ' ', map, " { ", elements, " }\n");
    }
    return text;
}

bool has_forwards(const NetworkRecord& record, const std::string& bridge, bool ipv6) {
    for (const Lease& lease : record.leases) {
        for (const Forward& forward : lease.forwards) {
            if (is_ipv6(forward.address) != ipv6) continue;
            for (const BridgedLink& link : lease.links) {
                const auto& addresses = link.addresses;
                if (link.bridge == bridge &&
                    std::find(addresses.begin(), addresses.end(), forward.address) != addresses.end()) {
                    return true;
                }
            }
        }
    }
    return false;
}

/// Those that have to do with the table.
std::vector<const HostBridge*> bridges_in_table(const NetworkRecord& record) {
    std::vector<const HostBridge*> found;
    for (const HostBridge& bridge : record.bridges) {
        const std::string& name = bridge.described.name;
        const bool used = record.user_of(name) != nullptr;
        if (used && (bridge.described.nat || has_forwards(record, name, false) || has_forwards(record, name, true))) {
            found.push_back(&bridge);
        }
    }
    return found;
}

} // namespace

bool needs_table(const NetworkRecord& record) {
    return !bridges_in_table(record).empty();
}

std::string table_rules(const NetworkRecord& record) {
    std::string names;
    std::string rules;
    for (const HostBridge* const bridge : bridges_in_table(record)) {
        const std::string name = concat('"', bridge->described.name, '"');
        names += concat(names.empty() ? "" : ", ", name);
        for (const std::string& text : bridge->described.addresses) {
            const auto subnet = parse_address(text);
            const std::string from =
                concat(subnet->family == AF_INET ? "ip" : "ip6", " saddr ", subnet_text(*subnet), " masquerade\n");
            if (bridge->described.nat) rules += concat("  iifname ", name, " oifname != ", name, ' ', from);
            // Who asks for a port of the host that is on the same bridge gets the answer from the host, too.
            rules += concat("  oifname ", name, " ct status dnat ", from);
        }
    }
    return concat(
        " set bridges { type ifname; elements = { ", names,
        " }\n }\n"
        // The kernel lets bridges have packets for 127.0.0.0/8 so that answers to the host get there. Others
        // are nobody's business.
        " chain guard {\n  type filter hook prerouting priority raw;\n"
        "  iifname @bridges ip daddr 127.0.0.0/8 drop\n }\n"
        // Who reaches a neighbour by a port of the host must not be told a shorter way.
        " chain redirects {\n  type filter hook output priority filter;\n"
        "  oifname @bridges icmp type redirect drop\n  oifname @bridges icmpv6 type nd-redirect drop\n }\n"
        " chain publish {\n"
        "  dnat ip addr . port to ip daddr . meta l4proto . th dport map @ports4_at\n"
        "  dnat ip6 addr . port to ip6 daddr . meta l4proto . th dport map @ports6_at\n"
        "  fib daddr type local dnat ip addr . port to meta l4proto . th dport map @ports4\n"
        "  ip6 daddr != ::1 fib daddr type local dnat ip6 addr . port to meta l4proto . th dport map @ports6\n"
        " }\n"
        " chain prerouting {\n  type nat hook prerouting priority dstnat;\n  jump publish\n }\n"
        " chain output {\n  type nat hook output priority -100;\n  jump publish\n }\n"
        " chain postrouting {\n  type nat hook postrouting priority srcnat;\n"
        "  oifname @bridges ip saddr 127.0.0.0/8 masquerade\n",
        rules, " }\n");
}

std::string whole_table(const NetworkRecord& record) {
    std::vector<Forward> all;
    for (const Lease& lease : record.leases) all.insert(all.end(), lease.forwards.begin(), lease.forwards.end());
    return concat(remove_table(), "table ", Table, " {\n",
                  " map ports4 { type inet_proto . inet_service : ipv4_addr . inet_service; }\n"
                  " map ports4_at { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }\n"
                  " map ports6 { type inet_proto . inet_service : ipv6_addr . inet_service; }\n"
                  " map ports6_at { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }\n",
                  table_rules(record), "}\n", add_forwards(all));
}

std::string add_forwards(const std::vector<Forward>& forwards) {
    return commands("add", forwards);
}

std::string remove_forwards(const std::vector<Forward>& forwards) {
    return add_forwards(forwards) + commands("delete", forwards);
}

std::string remove_table() {
    return concat("add table ", Table, "\ndelete table ", Table, '\n');
}

std::vector<std::string> needed_parameters(const NetworkRecord& record) {
    std::set<std::string> files;
    for (const HostBridge* const bridge : bridges_in_table(record)) {
        for (const std::string& address : bridge->described.addresses) {
            files.insert(is_ipv6(address) ? "net/ipv6/conf/all/forwarding" : "net/ipv4/ip_forward");
        }
        const std::string& name = bridge->described.name;
        if (!bridge->made.empty() && has_forwards(record, name, false)) {
            files.insert(concat("net/ipv4/conf/", name, "/route_localnet"));
        }
    }
    return {files.begin(), files.end()};
}

} // namespace ct::internal
