// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "net/requests.hpp"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "config/ip_address.hpp"
#include "config/network.hpp"

namespace ct::internal {

namespace {

constexpr int New = NLM_F_CREATE | NLM_F_EXCL;

IpAddress ip(std::string_view text) {
    return parse_address(text).value_or(IpAddress{});
}

void put_ip(Message& message, int type, const IpAddress& address) {
    message.put(type, address.bytes.data(), address.size());
}

void put_mac(Message& message, int type, std::string_view text) {
    if (text.empty()) return;
    const MacAddress mac = parse_mac(text).value_or(MacAddress{});
    message.put(type, mac.data(), mac.size());
}

std::uint8_t scope_number(Scope scope) {
    constexpr std::array numbers{RT_SCOPE_UNIVERSE, RT_SCOPE_SITE, RT_SCOPE_LINK, RT_SCOPE_HOST};
    return static_cast<std::uint8_t>(numbers.at(static_cast<std::size_t>(scope)));
}

std::uint8_t short_table(std::uint32_t table) {
    return static_cast<std::uint8_t>(table == 0 ? RT_TABLE_MAIN : table < 256 ? table : RT_TABLE_COMPAT);
}

void put_target(Message& message, LinkTarget inside) {
    message.put(inside.is_fd ? IFLA_NET_NS_FD : IFLA_NET_NS_PID, static_cast<std::uint32_t>(inside.number));
}

Message make_link(std::string_view name, std::string_view mac, std::uint32_t mtu) {
    Message message(RTM_NEWLINK, New);
    message.add_header(ifinfomsg{});
    message.put(IFLA_IFNAME, name);
    put_mac(message, IFLA_ADDRESS, mac);
    if (mtu != 0) message.put(IFLA_MTU, mtu);
    return message;
}

/// On a link of the host.
Message make_link_on(int parent, LinkTarget inside, std::string_view name, std::string_view mac, std::uint32_t mtu) {
    Message message = make_link(name, mac, mtu);
    message.put(IFLA_LINK, static_cast<std::uint32_t>(parent));
    put_target(message, inside);
    return message;
}

template <typename Fill>
void put_kind(Message& message, std::string_view kind, const Fill& fill) {
    message.nest(IFLA_LINKINFO, [&] {
        message.put(IFLA_INFO_KIND, kind);
        message.nest(IFLA_INFO_DATA, fill);
    });
}

/// A gateway, of the route's family or of another one.
void put_gateway(Message& message, std::string_view text, int family) {
    if (text.empty()) return;
    const IpAddress gateway = ip(text);
    if (gateway.family == family) {
        put_ip(message, RTA_GATEWAY, gateway);
        return;
    }
    std::array<std::uint8_t, sizeof(rtvia) + 16> via{};
    const auto other = static_cast<__kernel_sa_family_t>(gateway.family);
    std::memcpy(via.data(), &other, sizeof other);
    std::copy_n(gateway.bytes.begin(), gateway.size(), via.begin() + sizeof(rtvia));
    message.put(RTA_VIA, via.data(), sizeof(rtvia) + gateway.size());
}

void put_next_hops(Message& message, const Route& route, int family) {
    message.nest(RTA_MULTIPATH, [&] {
        for (const NextHop& hop : route.next_hops) {
            rtnexthop part{};
            part.rtnh_hops = static_cast<unsigned char>(hop.weight - 1);
            if (hop.on_link) part.rtnh_flags = RTNH_F_ONLINK;
            message.add_part(part, &rtnexthop::rtnh_len, [&](rtnexthop& placed) {
                if (!hop.device.empty()) message.refer(&placed.rtnh_ifindex, hop.device);
                put_gateway(message, hop.gateway, family);
            });
        }
    });
}

std::uint8_t route_scope(const Route& route) {
    if (route.scope) return scope_number(*route.scope);
    const bool direct = route.type == RouteType::Unicast && route.gateway.empty() && route.next_hops.empty();
    return direct ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

} // namespace

Message bring_up(std::string_view device) {
    Message message(RTM_NEWLINK, 0);
    ifinfomsg header{};
    header.ifi_flags = header.ifi_change = IFF_UP;
    message.refer(&message.add_header(header).ifi_index, device);
    return message;
}

Message make_dummy(const Dummy& dummy) {
    Message message = make_link(dummy.container_name, dummy.mac, dummy.mtu);
    message.nest(IFLA_LINKINFO, [&] { message.put(IFLA_INFO_KIND, "dummy"); });
    return message;
}

Message add_address(std::string_view device, const Address& address) {
    const IpAddress own = ip(address.address);
    const IpAddress peer = address.peer.empty() ? own : ip(address.peer);
    const bool peer_has_length = address.peer.find('/') != std::string::npos;
    Message message(RTM_NEWADDR, New);
    ifaddrmsg header{};
    header.ifa_family = static_cast<std::uint8_t>(own.family);
    header.ifa_prefixlen = peer_has_length ? peer.prefix : own.prefix;
    if (address.scope) header.ifa_scope = scope_number(*address.scope);
    message.refer(&message.add_header(header).ifa_index, device);
    put_ip(message, IFA_LOCAL, own);
    put_ip(message, IFA_ADDRESS, peer);
    if (address.no_dad) message.put(IFA_FLAGS, std::uint32_t{IFA_F_NODAD});
    if (address.valid || address.preferred) {
        const auto seconds = [](const std::optional<std::chrono::seconds>& time) {
            return time ? static_cast<std::uint32_t>(time->count()) : ~0U;
        };
        ifa_cacheinfo times{};
        times.ifa_valid = seconds(address.valid);
        times.ifa_prefered = std::min(seconds(address.preferred), times.ifa_valid);
        message.put(IFA_CACHEINFO, &times, sizeof times);
    }
    return message;
}

Message add_neighbour(const Neighbour& neighbour) {
    const IpAddress address = ip(neighbour.address);
    Message message(RTM_NEWNEIGH, New);
    ndmsg header{};
    header.ndm_family = static_cast<std::uint8_t>(address.family);
    header.ndm_state = NUD_PERMANENT;
    message.refer(&message.add_header(header).ndm_ifindex, neighbour.device);
    put_ip(message, NDA_DST, address);
    put_mac(message, NDA_LLADDR, neighbour.mac);
    return message;
}

Message add_route(const Route& route) {
    constexpr std::array types{RTN_UNICAST, RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT};
    const int family = family_of(route);
    const IpAddress destination = ip(route.destination); // none for "default"
    Message message(RTM_NEWROUTE, New, route.next_hops.size() * 64);
    rtmsg header{};
    header.rtm_family = static_cast<std::uint8_t>(family);
    header.rtm_dst_len = destination.prefix;
    header.rtm_table = short_table(route.table);
    header.rtm_protocol = RTPROT_STATIC;
    header.rtm_scope = route_scope(route);
    header.rtm_type = static_cast<std::uint8_t>(types.at(static_cast<std::size_t>(route.type)));
    if (route.on_link) header.rtm_flags = RTNH_F_ONLINK;
    message.add_header(header);
    if (destination.family != 0) put_ip(message, RTA_DST, destination);
    if (route.table != 0) message.put(RTA_TABLE, route.table);
    put_gateway(message, route.gateway, family);
    if (!route.device.empty()) message.put_link(RTA_OIF, route.device);
    if (!route.source.empty()) put_ip(message, RTA_PREFSRC, ip(route.source));
    if (route.metric) message.put(RTA_PRIORITY, *route.metric);
    if (route.mtu != 0) message.nest(RTA_METRICS, [&] { message.put(RTAX_MTU, route.mtu); });
    if (!route.next_hops.empty()) put_next_hops(message, route, family);
    return message;
}

Message add_rule(const Rule& rule) {
    constexpr std::array actions{FR_ACT_TO_TBL, FR_ACT_BLACKHOLE, FR_ACT_UNREACHABLE, FR_ACT_PROHIBIT};
    const IpAddress from = ip(rule.from);
    const IpAddress to = ip(rule.to);
    Message message(RTM_NEWRULE, New);
    fib_rule_hdr header{};
    header.family = static_cast<std::uint8_t>(family_of(rule));
    header.src_len = from.prefix;
    header.dst_len = to.prefix;
    header.action = static_cast<std::uint8_t>(actions.at(static_cast<std::size_t>(rule.action)));
    if (rule.action == RuleAction::Table) header.table = short_table(rule.table);
    message.add_header(header);
    if (from.family != 0) put_ip(message, FRA_SRC, from);
    if (to.family != 0) put_ip(message, FRA_DST, to);
    if (!rule.input.empty()) message.put(FRA_IIFNAME, rule.input);
    if (!rule.output.empty()) message.put(FRA_OIFNAME, rule.output);
    if (rule.mark) {
        message.put(FRA_FWMARK, *rule.mark);
        message.put(FRA_FWMASK, rule.mark_mask);
    }
    if (rule.priority) message.put(FRA_PRIORITY, *rule.priority);
    if (rule.table != 0) message.put(FRA_TABLE, rule.table);
    return message;
}

Message make_veth(const Veth& veth, std::string_view host_name, std::string_view host_mac, int bridge,
                  LinkTarget inside) {
    Message message(RTM_NEWLINK, New);
    ifinfomsg header{};
    header.ifi_flags = header.ifi_change = IFF_UP;
    message.add_header(header);
    message.put(IFLA_IFNAME, host_name);
    put_mac(message, IFLA_ADDRESS, host_mac);
    if (veth.mtu != 0) message.put(IFLA_MTU, veth.mtu);
    if (bridge != 0) message.put(IFLA_MASTER, static_cast<std::uint32_t>(bridge));
    put_kind(message, "veth", [&] {
        message.nest(VETH_INFO_PEER, [&] {
            message.add_header(ifinfomsg{}); // not up: it has no peer yet when the kernel looks at this
            message.put(IFLA_IFNAME, veth.container_name);
            put_mac(message, IFLA_ADDRESS, veth.container_mac);
            if (veth.mtu != 0) message.put(IFLA_MTU, veth.mtu);
            put_target(message, inside);
        });
    });
    return message;
}

Message make_macvlan(const Macvlan& macvlan, int parent, LinkTarget inside) {
    constexpr std::array modes{MACVLAN_MODE_BRIDGE, MACVLAN_MODE_PRIVATE, MACVLAN_MODE_VEPA, MACVLAN_MODE_PASSTHRU};
    Message message = make_link_on(parent, inside, macvlan.container_name, macvlan.mac, macvlan.mtu);
    put_kind(message, "macvlan",
             [&] { message.put(IFLA_MACVLAN_MODE, std::uint32_t{modes.at(static_cast<std::size_t>(macvlan.mode))}); });
    return message;
}

Message make_ipvlan(const Ipvlan& ipvlan, int parent, LinkTarget inside) {
    constexpr std::array<std::uint16_t, 3> modes{IPVLAN_MODE_L2, IPVLAN_MODE_L3, IPVLAN_MODE_L3S};
    Message message = make_link_on(parent, inside, ipvlan.container_name, "", ipvlan.mtu);
    put_kind(message, "ipvlan",
             [&] { message.put(IFLA_IPVLAN_MODE, &modes.at(static_cast<std::size_t>(ipvlan.mode)), sizeof modes[0]); });
    return message;
}

Message make_vlan(const Vlan& vlan, int parent, LinkTarget inside) {
    Message message = make_link_on(parent, inside, vlan.container_name, vlan.mac, vlan.mtu);
    put_kind(message, "vlan", [&] { message.put(IFLA_VLAN_ID, &vlan.id, sizeof vlan.id); });
    return message;
}

Message move_link(int index, int net, std::string_view name) {
    Message message = change_link(index);
    message.put(IFLA_NET_NS_FD, static_cast<std::uint32_t>(net));
    message.put(IFLA_IFNAME, name);
    return message;
}

Message reflect_at(int port) {
    Message message(RTM_SETLINK, 0);
    message.add_header(link_header(port)).ifi_family = AF_BRIDGE;
    message.nest(IFLA_PROTINFO | NLA_F_NESTED, [&] {
        const std::uint8_t on = 1;
        message.put(IFLA_BRPORT_MODE, &on, sizeof on);
    });
    return message;
}

Message remove_address(std::string_view device, const Address& address) {
    Message message = add_address(device, address);
    message.turn_into(RTM_DELADDR);
    return message;
}

Message remove_neighbour(const Neighbour& neighbour) {
    Message message = add_neighbour(neighbour);
    message.turn_into(RTM_DELNEIGH);
    return message;
}

Message remove_route(const Route& route) {
    Message message = add_route(route);
    message.turn_into(RTM_DELROUTE);
    auto& header = message.header<rtmsg>();
    // Whoever has made it, and whatever scope it has.
    header.rtm_protocol = RTPROT_UNSPEC;
    if (!route.scope) header.rtm_scope = RT_SCOPE_NOWHERE;
    return message;
}

Message remove_rule(const Rule& rule) {
    Message message = add_rule(rule);
    message.turn_into(RTM_DELRULE);
    return message;
}

Message remove_link(int index) {
    Message message(RTM_DELLINK, 0);
    message.add_header(link_header(index));
    return message;
}

ifinfomsg link_header(int index) {
    ifinfomsg header{};
    header.ifi_index = index;
    return header;
}

Message change_link(int index) {
    Message message(RTM_NEWLINK, 0);
    message.add_header(link_header(index));
    return message;
}

} // namespace ct::internal
