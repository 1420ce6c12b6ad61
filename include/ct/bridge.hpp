// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ct/export.hpp>

namespace ct {

/// A bridge of the host on which containers have their veths, see Veth::bridge.
///
/// It is made if there is no link of that name, and removed with the last container on it if nobody else has a port
/// there. One that is there and that libct has not made is used as it is, and left as it is: it needs to have these
/// addresses. One is not made in a subnet in which the host has an address, or to which it has a route. Containers on
/// one bridge describe it in the same way. Needs CAP_NET_ADMIN on the host.
struct Bridge {
    std::string name = "ct0";
    /// Of the host on the bridge, each with the length of its subnet: "10.88.0.1/16". From these subnets come the
    /// addresses of Veth::lease; the bridge's own is the gateway of the containers.
    std::vector<std::string> addresses = {};
    std::uint32_t mtu = 0; ///< Also of veths there that have none of their own; 0: the kernel's.
    /// Containers reach whatever the host reaches, under the host's address. The host forwards packets meanwhile
    /// (net.ipv4.ip_forward, and net.ipv6.conf.all.forwarding if there is an IPv6 subnet), and no longer than that if
    /// it did not before. Veths without a default route get one by the bridge's address in their subnet.
    bool nat = false;
    bool operator==(const Bridge&) const = default;
};

enum class Protocol : std::uint8_t { Tcp, Udp };

/// Ports of the host that lead to the container: to its first address of either family on a ct::Bridge. Not for sockets
/// that connect to ::1, which the kernel does not let out of the host.
struct PublishedPort {
    std::uint16_t host_port = 0;
    std::uint16_t container_port = 0;
    std::uint16_t count = 1; ///< So many, from these two on.
    Protocol protocol = Protocol::Tcp;
    /// One of the host's, which also chooses the family. Default: all addresses that the host has.
    std::string host_address = {};
    bool operator==(const PublishedPort&) const = default;
};

} // namespace ct
