// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

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

/// A pair with the host's end called \p host_name, up, with the MAC \p host_mac, a port of \p bridge unless that is 0.
/// The other end, as those that follow, comes to be in the network namespace of the process \p child, and is down.
[[nodiscard]] Message make_veth(const Veth& veth, std::string_view host_name, std::string_view host_mac, int bridge,
                                int child);
/// Links on the link \p parent of the host.
[[nodiscard]] Message make_macvlan(const Macvlan& macvlan, int parent, int child);
[[nodiscard]] Message make_ipvlan(const Ipvlan& ipvlan, int parent, int child);
[[nodiscard]] Message make_vlan(const Vlan& vlan, int parent, int child);

[[nodiscard]] Message remove_link(int index);
/// The bridge sends packets back by the port that they came in by.
[[nodiscard]] Message reflect_at(int port);

} // namespace ct::internal
