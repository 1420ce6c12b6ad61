// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <vector>

#include "config/ip_address.hpp"
#include "net/socket.hpp"

/// What the host has of addresses by rtnetlink(7).
namespace ct::internal {

/// With their lengths.
[[nodiscard]] std::vector<IpAddress> addresses_of(NetlinkSocket& socket, int link);
/// Who of the host is in the subnet already, as "the link 'eth0' has '10.0.0.1/24'" or "the host has a route to ...";
/// empty if nobody is. Default routes do not count.
[[nodiscard]] std::string user_of_subnet(NetlinkSocket& socket, const IpAddress& subnet);

} // namespace ct::internal
