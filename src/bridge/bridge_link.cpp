// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "bridge/bridge_link.hpp"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <vector>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "net/link_view.hpp"
#include "net/reading.hpp"
#include "net/requests.hpp"

namespace ct::internal {

namespace {

std::string_view hint_of(int error) {
    if (error == EPERM) return "needs CAP_NET_ADMIN in the host's network namespace";
    if (error == EOPNOTSUPP) return "this kernel has no bridges, neither built in nor as a module that is there";
    return {};
}

void send(NetlinkSocket& socket, const Message& message, std::string_view action, const std::string& name) {
    sys::fault_point(Stage::Network, action, name);
    const Answer answer = socket.request(message);
    if (answer.error != 0) throw network_error(answer.error, answer.text, action, name, hint_of(answer.error));
}

Message new_bridge(const Bridge& bridge, const std::string& text) {
    Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    ifinfomsg header{};
    header.ifi_flags = header.ifi_change = IFF_UP;
    message.add_header(header);
    message.put(IFLA_IFNAME, bridge.name);
    // Its own: else it would be that of one of its ports, and change with them.
    const MacAddress mac = parse_mac(text).value_or(MacAddress{});
    message.put(IFLA_ADDRESS, mac.data(), mac.size());
    message.nest(IFLA_LINKINFO, [&] { message.put(IFLA_INFO_KIND, "bridge"); });
    return message;
}

/// Only one that is set afterwards outlives the bridge's first port.
Message new_mtu(int link, std::uint32_t mtu) {
    Message message = change_link(link);
    message.put(IFLA_MTU, mtu);
    return message;
}

Message new_address(int link, const IpAddress& address) {
    Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    ifaddrmsg header{};
    header.ifa_family = static_cast<std::uint8_t>(address.family);
    header.ifa_prefixlen = address.prefix;
    header.ifa_index = static_cast<std::uint32_t>(link);
    message.add_header(header);
    message.put(IFA_LOCAL, address.bytes.data(), address.size());
    message.put(IFA_ADDRESS, address.bytes.data(), address.size());
    // Nobody else is on a new bridge.
    if (address.family == AF_INET6) message.put(IFA_FLAGS, std::uint32_t{IFA_F_NODAD});
    return message;
}

bool has_ports(NetlinkSocket& socket, int bridge) {
    Message message(RTM_GETLINK, NLM_F_DUMP);
    message.add_header(ifinfomsg{});
    message.put(IFLA_MASTER, static_cast<std::uint32_t>(bridge));
    const std::vector<std::string> links = socket.fetch(message, "look for ports of a bridge");
    return std::any_of(links.begin(), links.end(), [&](const std::string& link) {
        return number_of(find_attribute<ifinfomsg>(link, IFLA_MASTER)) == static_cast<std::uint32_t>(bridge);
    });
}

} // namespace

void make_bridge(NetlinkSocket& socket, const Bridge& bridge, const std::string& mac) {
    send(socket, new_bridge(bridge, mac), "make the bridge", bridge.name);
    const int index = socket.find_index(bridge.name);
    if (bridge.mtu != 0) send(socket, new_mtu(index, bridge.mtu), "set the MTU of the bridge", bridge.name);
    for (const std::string& address : bridge.addresses) {
        send(socket, new_address(index, parse_address(address).value_or(IpAddress{})),
             concat("add address '", address, "' to"), bridge.name);
    }
}

bool remove_bridge(NetlinkSocket& socket, const std::string& name, const std::string& mac) {
    const std::optional<LinkView> found = find_link(socket, name, mac);
    if (!found || found->kind != "bridge") return true;
    if (has_ports(socket, found->index)) return false;
    return socket.request(remove_link(found->index)).error == 0;
}

} // namespace ct::internal
