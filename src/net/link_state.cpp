// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "net/link_state.hpp"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/concat.hpp"
#include "base/hex.hpp"
#include "base/sys.hpp"
#include "net/reading.hpp"
#include "net/requests.hpp"

#ifndef IFLA_PROP_LIST
#define IFLA_PROP_LIST 52
#define IFLA_ALT_IFNAME 53
#endif

namespace ct::internal {

namespace {

/// The flags that somebody has set, and not the state of the link.
constexpr std::uint32_t SetFlags = IFF_UP | IFF_PROMISC | IFF_ALLMULTI | IFF_NOARP;

std::vector<std::string> fetch_addresses(NetlinkSocket& socket, int index) {
    Message request(RTM_GETADDR, NLM_F_DUMP);
    ifaddrmsg header{};
    header.ifa_index = static_cast<std::uint32_t>(index);
    request.add_header(header);
    std::vector<std::string> found;
    for (std::string& message : socket.fetch(request, "list the addresses of a link")) {
        const auto& address = body_of<ifaddrmsg>(message);
        if (static_cast<int>(address.ifa_index) != index) continue;
        // Temporary ones are made by the kernel from others.
        if ((number_of(find_attribute<ifaddrmsg>(message, IFA_FLAGS)) & IFA_F_TEMPORARY) != 0 &&
            address.ifa_family == AF_INET6) {
            continue;
        }
        found.push_back(to_hex(message));
    }
    return found;
}

/// Those that come neither by themselves, with an address or from a router's advertisements, nor by way of a next hop
/// that is an object of its own, which the kernel removes together with the link.
bool is_kept(const std::string& message, int index) {
    const auto& route = body_of<rtmsg>(message);
    if ((route.rtm_flags & RTM_F_CLONED) != 0 || route.rtm_type != RTN_UNICAST) return false;
    if (route.rtm_protocol == RTPROT_KERNEL || route.rtm_protocol == RTPROT_RA ||
        route.rtm_protocol == RTPROT_REDIRECT) {
        return false;
    }
    if (find_attribute<rtmsg>(message, RTA_NH_ID) != nullptr) return false;
    if (static_cast<int>(number_of(find_attribute<rtmsg>(message, RTA_OIF))) == index) return true;
    nlattr* const hops = find_attribute<rtmsg>(message, RTA_MULTIPATH);
    if (hops == nullptr) return false;
    auto* hop = static_cast<rtnexthop*>(::nla_data(hops));
    for (int left = ::nla_len(hops); RTNH_OK(hop, left);) {
        if (hop->rtnh_ifindex == index) return true;
        left -= static_cast<int>(RTNH_ALIGN(hop->rtnh_len));
        hop = RTNH_NEXT(hop);
    }
    return false;
}

bool has_gateway(const std::string& message) {
    return find_attribute<rtmsg>(message, RTA_GATEWAY) != nullptr ||
           find_attribute<rtmsg>(message, RTA_VIA) != nullptr ||
           find_attribute<rtmsg>(message, RTA_MULTIPATH) != nullptr;
}

std::vector<std::string> fetch_routes(NetlinkSocket& socket, int index) {
    std::vector<std::string> found;
    for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
        Message request(RTM_GETROUTE, NLM_F_DUMP);
        rtmsg header{};
        header.rtm_family = family;
        request.add_header(header);
        for (std::string& message : socket.fetch(request, "list the routes of a link")) {
            if (is_kept(message, index)) found.push_back(std::move(message));
        }
    }
    std::stable_partition(found.begin(), found.end(), [](const std::string& message) { return !has_gateway(message); });
    for (std::string& message : found) message = to_hex(message);
    return found;
}

/// Whether what a record holds is such a message.
bool is_whole(const std::string& message) {
    return message.size() >= NLMSG_HDRLEN + sizeof(rtmsg) && header_of(message)->nlmsg_len == message.size() &&
           (header_of(message)->nlmsg_type == RTM_NEWADDR || header_of(message)->nlmsg_type == RTM_NEWROUTE);
}

/// A message that the kernel has given out, as a request. \param index  of the link now, which was \p before
Message as_request(std::string message, int before, int index, int flags = NLM_F_EXCL) {
    nlmsghdr* const header = header_of(message);
    Message request(header->nlmsg_type, NLM_F_CREATE | flags, message.size());
    if (header->nlmsg_type == RTM_NEWADDR) {
        body_of<ifaddrmsg>(message).ifa_index = static_cast<std::uint32_t>(index);
    } else {
        auto& route = body_of<rtmsg>(message);
        route.rtm_flags &= RTNH_F_ONLINK | RTNH_F_PERVASIVE;
        if (nlattr* const out = find_attribute<rtmsg>(message, RTA_OIF)) std::memcpy(::nla_data(out), &index, 4);
        if (nlattr* const hops = find_attribute<rtmsg>(message, RTA_MULTIPATH)) {
            auto* hop = static_cast<rtnexthop*>(::nla_data(hops));
            for (int left = ::nla_len(hops); RTNH_OK(hop, left);) {
                if (hop->rtnh_ifindex == before) hop->rtnh_ifindex = index;
                hop->rtnh_flags &= RTNH_F_ONLINK | RTNH_F_PERVASIVE;
                left -= static_cast<int>(RTNH_ALIGN(hop->rtnh_len));
                hop = RTNH_NEXT(hop);
            }
        }
    }
    request.add_bytes({message.data() + NLMSG_HDRLEN, message.size() - NLMSG_HDRLEN});
    return request;
}

bool is_multipath(const std::string& message) {
    return header_of(message)->nlmsg_type == RTM_NEWROUTE && find_attribute<rtmsg>(message, RTA_MULTIPATH) != nullptr;
}

/// Adds what is not there. \returns the first failure, or nothing
std::optional<Error> replay(NetlinkSocket& socket, const std::vector<std::string>& messages, const NicState& nic,
                            int index, std::string_view what) {
    std::optional<Error> failed;
    for (const std::string& message : messages) {
        const std::string bytes = from_hex(message);
        if (!is_whole(bytes)) continue;
        Answer answer = socket.request(as_request(bytes, nic.index, index));
        // Of a route with several ways the kernel has kept those that are on other links.
        if (answer.error == EEXIST && is_multipath(bytes)) {
            answer = socket.request(as_request(bytes, nic.index, index, NLM_F_REPLACE));
        }
        if (answer.error == 0 || answer.error == EEXIST || failed) continue;
        failed = network_error(answer.error, answer.text, concat("restore ", what, " of the host's link"), nic.name);
    }
    return failed;
}

} // namespace

NicState state_of(NetlinkSocket& socket, const std::string& name, const std::string& inner_name) {
    constexpr std::string_view action = "take the host's link";
    sys::fault_point(Stage::Network, action, name);
    const std::optional<LinkView> link = find_link(socket, name);
    if (!link) {
        throw sys::error(ENODEV, Stage::Network, action, name, "a container that has it has taken it from the host");
    }
    if ((link->flags & IFF_LOOPBACK) != 0) {
        throw sys::error(EINVAL, Stage::Network, action, name, "it is a loopback device");
    }
    NicState state{.name = link->name, // which was asked for by another one, perhaps
                   .inner_name = inner_name,
                   .index = link->index,
                   .kind = link->kind,
                   .mac = to_hex(link->mac),
                   .permanent = to_hex(link->permanent),
                   .mtu = link->mtu,
                   .flags = link->flags & SetFlags,
                   .peer = link->peer,
                   .inner_index = 0,
                   .home = socket.namespace_cookie().value_or(0),
                   .other_names = link->other_names,
                   .master = {},
                   .addresses = fetch_addresses(socket, link->index),
                   .routes = fetch_routes(socket, link->index)};
    if (link->master != 0) state.master = socket.find_name(link->master);
    return state;
}

const LinkView* find_nic(const std::vector<LinkView>& links, const NicState& nic, Where where) {
    const LinkView* found = nullptr;
    int best = 0;
    // A permanent MAC address cannot be forged; all else can, but for the number.
    const bool numbered = where == Where::Container && nic.inner_index != 0;
    for (const LinkView& link : links) {
        if (link.kind != nic.kind || to_hex(link.permanent) != nic.permanent) continue;
        if (numbered && link.index == nic.inner_index) return &link;
        if ((numbered && nic.permanent.empty()) || link.peer != nic.peer) continue;
        const bool named = link.name == nic.inner_name || link.name == nic.name;
        const bool same_mac = to_hex(link.mac) == nic.mac;
        // Of VLANs and the like there may be others on the same link, with the same address.
        const bool certain = !nic.permanent.empty() || (nic.kind == "veth" && nic.peer != 0);
        if (where == Where::Host && !certain && !(named && same_mac)) continue;
        const int likeness =
            (certain ? 1 : 0) + (link.index == nic.index ? 1 : 0) + (named ? 2 : 0) + (same_mac ? 4 : 0);
        if (likeness <= best) continue;
        best = likeness;
        found = &link;
    }
    return found;
}

const LinkView* find_unmoved(const std::vector<LinkView>& links, const NicState& nic) {
    const auto found = std::find_if(links.begin(), links.end(), [&](const LinkView& link) {
        return link.index == nic.index && link.name == nic.name && link.kind == nic.kind && link.peer == nic.peer &&
               to_hex(link.permanent) == nic.permanent && to_hex(link.mac) == nic.mac;
    });
    return found == links.end() ? nullptr : &*found;
}

Message change_other_name(int type, int index, const std::string& name) {
    Message message(type, type == RTM_NEWLINKPROP ? NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND : 0);
    message.add_header(link_header(index));
    message.nest(IFLA_PROP_LIST, [&] { message.put(IFLA_ALT_IFNAME, name); });
    return message;
}

void restore_nic(NetlinkSocket& socket, const NicState& nic, const LinkView& link, const Warn& warn) {
    const auto try_change = [&](std::string_view what, const auto& fill) {
        Message message = change_link(link.index);
        fill(message);
        const Answer answer = socket.request(message);
        if (answer.error == 0) return;
        warn(
            network_error(answer.error, answer.text, concat("restore ", what, " of the host's link"), nic.name).what());
    };
    for (const std::string& name : nic.other_names) {
        if (std::find(link.other_names.begin(), link.other_names.end(), name) != link.other_names.end()) continue;
        const Answer answer = socket.request(change_other_name(RTM_NEWLINKPROP, link.index, name));
        if (answer.error == 0) continue;
        warn(network_error(answer.error, answer.text, concat("give back the name '", name, "' to the host's link"),
                           nic.name)
                 .what());
    }
    // One by one: what fails does not keep the rest from being restored.
    if (to_hex(link.mac) != nic.mac) {
        try_change("the MAC address", [&](Message& message) {
            const std::string mac = from_hex(nic.mac);
            message.put(IFLA_ADDRESS, mac.data(), mac.size());
        });
    }
    if (link.mtu != nic.mtu) {
        try_change("the MTU", [&](Message& message) { message.put(IFLA_MTU, nic.mtu); });
    }
    if (!nic.master.empty()) {
        const int master = socket.find_index(nic.master);
        if (master == 0) {
            warn(sys::error(ENODEV, Stage::Network, concat("make the host's link '", nic.name, "' again a part of"),
                            nic.master)
                     .what());
        } else if (link.master != master) {
            try_change("the master",
                       [&](Message& message) { message.put(IFLA_MASTER, static_cast<std::uint32_t>(master)); });
        }
    }
    try_change("the flags", [&](Message& message) {
        auto& header = message.header<ifinfomsg>();
        header.ifi_flags = nic.flags;
        header.ifi_change = SetFlags;
    });
    if (const auto failed = replay(socket, nic.addresses, nic, link.index, "an address")) warn(failed->what());
    if (const auto failed = replay(socket, nic.routes, nic, link.index, "a route")) warn(failed->what());
}

void add_addresses(NetlinkSocket& socket, const NicState& nic, int index) {
    if (const auto failed = replay(socket, nic.addresses, nic, index, "an address")) throw *failed;
}

} // namespace ct::internal
