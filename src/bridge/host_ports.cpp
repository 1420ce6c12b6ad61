// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "bridge/host_ports.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "config/bridge.hpp"
#include "config/ip_address.hpp"

namespace ct::internal {

namespace {

/// 0 or errno.
int try_to_bind(const PublishedPort& port, std::uint16_t number, const IpAddress& address) {
    const int type = port.protocol == Protocol::Udp ? SOCK_DGRAM : SOCK_STREAM;
    const UniqueFd socket(::socket(address.family, type | SOCK_CLOEXEC, 0));
    if (!socket) return errno;
    const int on = 1;
    // What TCP has done with before does not count, only who listens. UDP would take this for permission to share.
    if (type == SOCK_STREAM) (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    int result = 0;
    if (address.family == AF_INET6) {
        (void)::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        sockaddr_in6 name{};
        name.sin6_family = AF_INET6;
        name.sin6_port = htons(number);
        std::copy_n(address.bytes.begin(), 16, name.sin6_addr.s6_addr);
        result = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name);
    } else {
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_port = htons(number);
        std::copy_n(address.bytes.begin(), 4, reinterpret_cast<std::uint8_t*>(&name.sin_addr));
        result = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name);
    }
    return result < 0 ? errno : 0;
}

} // namespace

void check_host_ports(const PublishedPort& port, bool ipv6) {
    const std::string what = describe(port);
    sys::fault_point(Stage::Network, "publish port", what);
    IpAddress address = parse_address(port.host_address).value_or(IpAddress{});
    if (port.host_address.empty()) address.family = ipv6 ? AF_INET6 : AF_INET;
    for (unsigned i = 0; i < port.count; ++i) {
        const auto number = static_cast<std::uint16_t>(port.host_port + i);
        const int error = try_to_bind(port, number, address);
        if (error == EADDRINUSE) {
            throw sys::error(error, Stage::Network, "publish port", what,
                             concat("a socket of the host has port ", number));
        }
        if (error == EADDRNOTAVAIL) {
            throw sys::error(error, Stage::Network, "publish port", what, "the host has no such address");
        }
        if (error == EMFILE || error == ENFILE) throw sys::error(error, Stage::Network, "publish port", what);
        // Others, such as a port that only root may have, say nothing about it.
    }
}

} // namespace ct::internal
