// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "config/bridge.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <set>

#include <ct/error.hpp>

#include "base/concat.hpp"
#include "config/network.hpp"
#include "config/subnet.hpp"

namespace ct::internal {

namespace {

constexpr unsigned LastPort = 65535;
/// The kernel has uses of its own for them: this host, loopback, links, multicast.
constexpr std::array Reserved{"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/8", "fe80::/10", "ff00::/8"};
constexpr std::string_view NameCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

[[noreturn]] void reject(std::string violation) {
    throw Error::invalid_config({}, {std::move(violation)});
}

/// 0 for none.
int family_of(const std::string& address) {
    const auto parsed = parse_address(address);
    return parsed ? parsed->family : 0;
}

/// Whether the container gets an address of that family on a bridge; of any family if that is 0.
bool has_address(const Network& network, int family) {
    const auto is_it = [&](const std::string& address) { return family == 0 || family_of(address) == family; };
    return std::any_of(network.devices.begin(), network.devices.end(), [&](const NetworkDevice& device) {
        const Veth* const veth = bridged_veth(network, device);
        if (veth == nullptr) return false;
        const Bridge& bridge = *find_bridge(network, veth->bridge);
        return std::any_of(veth->addresses.begin(), veth->addresses.end(),
                           [&](const Address& address) { return is_it(address.address); }) ||
               (veth->lease && std::any_of(bridge.addresses.begin(), bridge.addresses.end(), is_it));
    });
}

void address_violations(std::vector<std::string>& found, const Network& network) {
    std::set<std::pair<std::string_view, std::string>> used;
    for (const NetworkDevice& device : network.devices) {
        const Veth* const veth = bridged_veth(network, device);
        if (veth == nullptr) continue;
        for (const Address& each : veth->addresses) {
            const auto address = parse_address(each.address);
            if (!address) continue;
            const std::string what = concat("address '", each.address, "' of the veth '", veth->container_name, "' ");
            if (!used.emplace(veth->bridge, text_of(*address)).second) found.push_back(what + "is given twice");
            for (const std::string& text : find_bridge(network, veth->bridge)->addresses) {
                const auto subnet = parse_address(text);
                if (!subnet || subnet->family != address->family) continue;
                if (subnet->bytes == address->bytes) {
                    found.push_back(concat(what, "is that of the bridge '", veth->bridge, "'"));
                } else if (address->family == AF_INET && contains(*subnet, *address) && !number_of(*subnet, *address)) {
                    found.push_back(what + "is that of the subnet itself, or for broadcasts");
                }
            }
        }
    }
}

void port_violations(std::vector<std::string>& found, const Network& network) {
    for (auto port = network.ports.begin(); port != network.ports.end(); ++port) {
        const bool again =
            std::any_of(network.ports.begin(), port, [&](const PublishedPort& other) { return collide(other, *port); });
        if (again) found.push_back(concat("port ", describe(*port), " is published twice"));
        const int family = family_of(port->host_address);
        if (has_address(network, family)) continue;
        found.push_back(concat("port ", describe(*port), " is published, but no veth on a ct::Bridge has an ",
                               family == AF_INET    ? "IPv4 "
                               : family == AF_INET6 ? "IPv6 "
                                                    : "",
                               "address"));
    }
}

} // namespace

void check_bridge(const Bridge& bridge) {
    check_link_name("name of the bridge", bridge.name);
    // It becomes part of rules for the packet filter.
    if (bridge.name.find_first_not_of(NameCharacters) != std::string::npos) {
        reject(concat("name of the bridge '", bridge.name, "' has other characters than A-Z, a-z, 0-9, '_', '.', '-'"));
    }
    if (bridge.mtu != 0 && (bridge.mtu < 68 || bridge.mtu > 65535)) {
        reject(concat("MTU of the bridge '", bridge.name, "' is not between 68 and 65535"));
    }
    std::vector<IpAddress> known;
    for (const std::string& text : bridge.addresses) {
        const auto address = parse_address(text);
        const std::string what = concat("address '", text.substr(0, 64), "' of the bridge '", bridge.name, "'");
        if (!address) reject(concat(what, " is no IP address"));
        if (address->bits() - address->prefix < 2) reject(concat(what, " has no length that leaves room for others"));
        if (!number_of(*address, *address) && last_number(*address) < ~std::uint32_t{0}) {
            reject(concat(what, " is that of the subnet itself, or for broadcasts"));
        }
        if (address->is_default()) reject(concat(what, " has no subnet"));
        for (const char* const range : Reserved) {
            if (overlap(*address, *parse_address(range))) reject(concat(what, " is in the reserved range ", range));
        }
        if (bridge.mtu != 0 && bridge.mtu < 1280 && address->family == AF_INET6) {
            reject(concat("IPv6 on the bridge '", bridge.name, "' needs an MTU of 1280 at least"));
        }
        for (const IpAddress& other : known) {
            if (overlap(*address, other)) reject(concat(what, " is in the subnet of another one"));
        }
        known.push_back(*address);
    }
}

void check_port(const PublishedPort& port) {
    const std::string what = concat("published port ", describe(port));
    if (port.protocol > Protocol::Udp) reject("a published port has an unknown protocol");
    if (port.host_port == 0 || port.container_port == 0) reject(concat(what, " is 0"));
    if (port.count == 0) reject(concat(what, " is none: its count is 0"));
    if (std::max(port.host_port, port.container_port) + (port.count - 1U) > LastPort) {
        reject(concat(what, " goes beyond ", LastPort));
    }
    if (port.host_address.empty()) return;
    if (port.host_address.find('/') != std::string::npos || family_of(port.host_address) == 0) {
        reject(concat("address of the host '", port.host_address.substr(0, 64), "' is no IP address"));
    }
    if (port.host_address == "0.0.0.0" || port.host_address == "::") {
        reject(concat("address of the host '", port.host_address, "' is none: leave it out for all of them"));
    }
    if (port.host_address == "::1") {
        reject("address of the host '::1' cannot lead to a container: the kernel does not let it out of the host");
    }
}

void bridge_violations(std::vector<std::string>& found, const Network& network) {
    std::set<std::string_view> used;
    for (const NetworkDevice& device : network.devices) {
        const auto* const veth = std::get_if<Veth>(&device);
        if (veth == nullptr) continue;
        const Bridge* const bridge = find_bridge(network, veth->bridge);
        if (bridge != nullptr) used.insert(bridge->name);
        if (!veth->lease) continue;
        if (bridge == nullptr || bridge->addresses.empty()) {
            found.push_back(concat("the veth '", veth->container_name,
                                   "' leases an address, which needs a ct::Bridge with addresses"));
        }
    }
    std::set<std::string_view> names;
    for (const Bridge& bridge : network.bridges) {
        if (!names.insert(bridge.name).second) found.push_back(concat("two bridges are called '", bridge.name, "'"));
        if (!used.contains(bridge.name)) found.push_back(concat("no veth is on the bridge '", bridge.name, "'"));
    }
    address_violations(found, network);
    port_violations(found, network);
}

const Bridge* find_bridge(const Network& network, std::string_view name) noexcept {
    const auto found = std::find_if(network.bridges.begin(), network.bridges.end(),
                                    [&](const Bridge& bridge) { return bridge.name == name; });
    return found == network.bridges.end() ? nullptr : &*found;
}

const Veth* bridged_veth(const Network& network, const NetworkDevice& device) noexcept {
    const auto* const veth = std::get_if<Veth>(&device);
    return veth != nullptr && find_bridge(network, veth->bridge) != nullptr ? veth : nullptr;
}

bool collide(const PublishedPort& one, const PublishedPort& other) {
    if (one.protocol != other.protocol) return false;
    const bool apart = one.host_port + one.count <= other.host_port || other.host_port + other.count <= one.host_port;
    if (apart) return false;
    if (one.host_address.empty() || other.host_address.empty()) return true;
    const auto first = parse_address(one.host_address);
    const auto second = parse_address(other.host_address);
    return first && second && first->family == second->family && first->bytes == second->bytes;
}

std::string describe(const PublishedPort& port) {
    std::string text;
    if (!port.host_address.empty()) {
        const bool v6 = port.host_address.find(':') != std::string::npos;
        text = v6 ? concat('[', port.host_address, "]:") : concat(port.host_address, ':');
    }
    text += std::to_string(port.host_port);
    if (port.count > 1) text += concat('-', port.host_port + (port.count - 1U));
    return port.protocol <= Protocol::Udp ? concat(text, '/', to_string(port.protocol)) : text;
}

std::string_view to_string(Protocol protocol) {
    return protocol == Protocol::Udp ? "udp" : "tcp";
}

} // namespace ct::internal
