// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <ct/network.hpp>
#include <ct/spec.hpp>

/// What can be said of a network without looking at the host; see validate.hpp.
namespace ct::internal {

/// Each throws ct::Error with Errc::InvalidConfig for a malformed value.
void check_network_device(const NetworkDevice& device);
void check_link_address(const std::string& device, const Address& address);
void check_neighbour(const Neighbour& neighbour);
void check_route(const Route& route);
void check_rule(const Rule& rule);
void check_network(const Network& network);

/// As the kernel checks it. \param what  for the message
void check_link_name(std::string_view what, std::string_view name);

/// The contradictions between its parts.
void network_violations(std::vector<std::string>& found, const Spec& spec);

/// Whether there is anything in it besides the loopback device.
[[nodiscard]] bool has_network(const Network& network) noexcept;

/// What all devices have.
[[nodiscard]] const std::string& container_name_of(const NetworkDevice& device);
[[nodiscard]] const std::vector<Address>& addresses_of(const NetworkDevice& device);
/// "veth", "macvlan", ...
[[nodiscard]] std::string_view kind_of(const NetworkDevice& device);

/// "10.9.0.0/16 via 10.0.0.1", as ip(8) would write it, without the device.
[[nodiscard]] std::string describe(const Route& route);
[[nodiscard]] std::string describe(const Rule& rule);

/// AF_INET or AF_INET6.
[[nodiscard]] int family_of(const Route& route);
[[nodiscard]] int family_of(const Rule& rule);
/// Whether it is one of those that take everything.
[[nodiscard]] bool is_default(const Route& route);

} // namespace ct::internal
