// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <linux/rtnetlink.h>

#include <string>
#include <string_view>

#include <ct/network.hpp>

#include "net/message.hpp"

/// What is asked of the kernel, as messages. Pure functions; all that is text was checked before, see
/// config/network.hpp. Links are referred to by the names that they have in the container.
namespace ct::internal {

[[nodiscard]] Message bring_up(std::string_view device);
[[nodiscard]] Message make_dummy(const Dummy& dummy);
[[nodiscard]] Message add_address(std::string_view device, const Address& address);
[[nodiscard]] Message add_neighbour(const Neighbour& neighbour);
[[nodiscard]] Message add_route(const Route& route);
[[nodiscard]] Message add_rule(const Rule& rule);

/// The network namespace in which a link is made: that of a process, or of a descriptor.
struct LinkTarget {
    int number;
    bool is_fd = false;
};

/// A pair with the host's end called \p host_name, up, with the MAC \p host_mac, a port of \p bridge unless that is 0.
/// The other end, as those that follow, comes to be in \p inside, and is down.
[[nodiscard]] Message make_veth(const Veth& veth, std::string_view host_name, std::string_view host_mac, int bridge,
                                LinkTarget inside);
/// Links on the link \p parent of the host.
[[nodiscard]] Message make_macvlan(const Macvlan& macvlan, int parent, LinkTarget inside);
[[nodiscard]] Message make_ipvlan(const Ipvlan& ipvlan, int parent, LinkTarget inside);
[[nodiscard]] Message make_vlan(const Vlan& vlan, int parent, LinkTarget inside);

/// What takes back one of the requests above.
[[nodiscard]] Message remove_address(std::string_view device, const Address& address);
[[nodiscard]] Message remove_neighbour(const Neighbour& neighbour);
[[nodiscard]] Message remove_route(const Route& route);
[[nodiscard]] Message remove_rule(const Rule& rule);
[[nodiscard]] Message remove_link(int index);
/// The header of what is about one link.
[[nodiscard]] ifinfomsg link_header(int index);
/// Changes nothing as yet: what is to be changed is added to it.
[[nodiscard]] Message change_link(int index);
/// Into the network namespace \p net, under the name \p name; there it is down.
[[nodiscard]] Message move_link(int index, int net, std::string_view name);
/// The bridge sends packets back by the port that they came in by.
[[nodiscard]] Message reflect_at(int port);

} // namespace ct::internal
