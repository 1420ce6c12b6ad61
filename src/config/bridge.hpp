// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <ct/network.hpp>

/// What can be said of bridges and published ports without looking at the host; see validate.hpp.
namespace ct::internal {

/// Each throws ct::Error with Errc::InvalidConfig for a malformed value.
void check_bridge(const Bridge& bridge);
void check_port(const PublishedPort& port);

/// The contradictions between them and the devices.
void bridge_violations(std::vector<std::string>& found, const Network& network);

/// The bridge of that name in the network, or null.
[[nodiscard]] const Bridge* find_bridge(const Network& network, std::string_view name) noexcept;
/// The veth if it is on a bridge of the network, else null.
[[nodiscard]] const Veth* bridged_veth(const Network& network, const NetworkDevice& device) noexcept;

/// Whether the two have a port of the host in common.
[[nodiscard]] bool collide(const PublishedPort& one, const PublishedPort& other);

/// "127.0.0.1:8080-8081/udp"
[[nodiscard]] std::string describe(const PublishedPort& port);
/// "tcp"
[[nodiscard]] std::string_view to_string(Protocol protocol);

} // namespace ct::internal
