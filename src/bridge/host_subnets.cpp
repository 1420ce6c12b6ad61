// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "bridge/host_subnets.hpp"

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <optional>

#include "base/concat.hpp"
#include "config/subnet.hpp"
#include "net/reading.hpp"

namespace ct::internal {

namespace {

std::optional<IpAddress> read_address(const nlattr* attribute, int family, std::uint8_t prefix) {
    IpAddress address{family, {}, prefix};
    if (attribute == nullptr || static_cast<std::size_t>(::nla_len(attribute)) < address.size()) return std::nullopt;
    std::copy_n(static_cast<const std::uint8_t*>(::nla_data(attribute)), address.size(), address.bytes.begin());
    return address;
}

struct LinkAddress {
    int link;
    IpAddress address;
};

/// \param link  0 for all
std::vector<LinkAddress> fetch_addresses(NetlinkSocket& socket, int family, int link) {
    Message message(RTM_GETADDR, NLM_F_DUMP);
    ifaddrmsg wanted{};
    wanted.ifa_family = static_cast<std::uint8_t>(family);
    wanted.ifa_index = static_cast<std::uint32_t>(link);
    message.add_header(wanted);
    std::vector<LinkAddress> found;
    for (const std::string& text : socket.fetch(message, "look at the host's addresses")) {
        const auto& about = body_of<ifaddrmsg>(text);
        const int index = static_cast<int>(about.ifa_index);
        if (about.ifa_family != family || (link != 0 && index != link)) continue;
        const nlattr* own = find_attribute<ifaddrmsg>(text, IFA_LOCAL);
        if (own == nullptr) own = find_attribute<ifaddrmsg>(text, IFA_ADDRESS); // all that IPv6 has
        if (const auto address = read_address(own, family, about.ifa_prefixlen)) found.push_back({index, *address});
    }
    return found;
}

std::string route_into(NetlinkSocket& socket, const IpAddress& subnet) {
    Message message(RTM_GETROUTE, NLM_F_DUMP);
    rtmsg wanted{};
    wanted.rtm_family = static_cast<std::uint8_t>(subnet.family);
    message.add_header(wanted);
    for (const std::string& text : socket.fetch(message, "look at the host's routes")) {
        const auto& route = body_of<rtmsg>(text);
        if (route.rtm_table != RT_TABLE_MAIN || route.rtm_type != RTN_UNICAST || route.rtm_dst_len == 0) continue;
        const nlattr* const to = find_attribute<rtmsg>(text, RTA_DST);
        const auto destination = read_address(to, subnet.family, route.rtm_dst_len);
        if (!destination || !overlap(subnet, *destination)) continue;
        const std::string link = socket.find_name(static_cast<int>(number_of(find_attribute<rtmsg>(text, RTA_OIF))));
        return concat("the host has a route to '", subnet_text(*destination), "' by '", link, "'");
    }
    return {};
}

} // namespace

std::vector<IpAddress> addresses_of(NetlinkSocket& socket, int link) {
    std::vector<IpAddress> addresses;
    for (const int family : {AF_INET, AF_INET6}) {
        for (const LinkAddress& each : fetch_addresses(socket, family, link)) addresses.push_back(each.address);
    }
    return addresses;
}

std::string user_of_subnet(NetlinkSocket& socket, const IpAddress& subnet) {
    for (const auto& [link, address] : fetch_addresses(socket, subnet.family, 0)) {
        if (!overlap(subnet, address)) continue;
        return concat("the link '", socket.find_name(link), "' has '", text_of(address), '/', address.prefix, "'");
    }
    return route_into(socket, subnet);
}

} // namespace ct::internal
