// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "net/link_view.hpp"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <system_error>

#include <ct/error.hpp>

#include "base/concat.hpp"
#include "config/ip_address.hpp"
#include "config/network.hpp"
#include "net/reading.hpp"

#ifndef IFLA_PROP_LIST
#define IFLA_PROP_LIST 52
#define IFLA_ALT_IFNAME 53
#endif
#ifndef IFLA_PERM_ADDRESS
#define IFLA_PERM_ADDRESS 54
#endif

namespace ct::internal {

namespace {

LinkView view_of(const std::string& message) {
    const auto& link = body_of<ifinfomsg>(message);
    const auto attribute = [&](int type) { return find_attribute<ifinfomsg>(message, type); };
    LinkView view;
    view.index = link.ifi_index;
    view.flags = link.ifi_flags;
    view.name = text_of(attribute(IFLA_IFNAME));
    view.mac = bytes_of(attribute(IFLA_ADDRESS));
    view.permanent = bytes_of(attribute(IFLA_PERM_ADDRESS));
    view.mtu = number_of(attribute(IFLA_MTU));
    view.master = static_cast<int>(number_of(attribute(IFLA_MASTER)));
    view.peer = static_cast<int>(number_of(attribute(IFLA_LINK)));
    if (nlattr* const names = attribute(IFLA_PROP_LIST)) {
        auto* name = static_cast<nlattr*>(::nla_data(names));
        for (int left = ::nla_len(names); ::nla_ok(name, left) != 0; name = ::nla_next(name, &left)) {
            if (::nla_type(name) == IFLA_ALT_IFNAME) view.other_names.push_back(text_of(name));
        }
    }
    if (nlattr* const info = attribute(IFLA_LINKINFO)) {
        auto* const first = static_cast<nlattr*>(::nla_data(info));
        view.kind = text_of(::nla_find(first, ::nla_len(info), IFLA_INFO_KIND));
    }
    return view;
}

} // namespace

std::vector<LinkView> all_links(NetlinkSocket& socket) {
    Message request(RTM_GETLINK, NLM_F_DUMP);
    request.add_header(ifinfomsg{});
    std::vector<LinkView> views;
    for (const std::string& message : socket.fetch(request, "list the links")) views.push_back(view_of(message));
    return views;
}

std::optional<LinkView> find_link(NetlinkSocket& socket, const std::string& name) {
    Message request(RTM_GETLINK, 0);
    request.add_header(ifinfomsg{});
    request.put(IFLA_IFNAME, name);
    try {
        const auto messages = socket.fetch(request, concat("look at the link '", name, "'"));
        if (messages.empty()) return std::nullopt;
        return view_of(messages.front());
    } catch (const Error& error) {
        if (error.code() == std::errc::no_such_device) return std::nullopt;
        throw;
    }
}

std::optional<LinkView> find_link(NetlinkSocket& socket, const std::string& name, std::string_view mac) {
    std::optional<LinkView> link = find_link(socket, name);
    if (link && !has_mac(*link, mac)) link.reset();
    return link;
}

bool has_mac(const LinkView& link, std::string_view text) {
    const std::optional<MacAddress> mac = parse_mac(text);
    return mac && std::equal(mac->begin(), mac->end(), link.mac.begin(), link.mac.end(),
                             [](std::uint8_t one, char two) { return one == static_cast<std::uint8_t>(two); });
}

} // namespace ct::internal
