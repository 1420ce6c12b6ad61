// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>

#include <ct/bridge.hpp>

#include "config/ip_address.hpp"
#include "net/socket.hpp"

/// Bridges of the host by rtnetlink(7).
namespace ct::internal {

/// Makes it, up, with that MAC address and its addresses. \throws Error; then it may be there
void make_bridge(NetlinkSocket& socket, const Bridge& bridge, const std::string& mac);
/// Removes it if it is the one that was made with that MAC address and has no ports.
/// \returns whether there is none now
bool remove_bridge(NetlinkSocket& socket, const std::string& name, const std::string& mac);

} // namespace ct::internal
