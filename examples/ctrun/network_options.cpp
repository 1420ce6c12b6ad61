// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "network_options.hpp"

#include <arpa/inet.h>

#include <array>
#include <stdexcept>
#include <string>
#include <utility>

#include "values.hpp"

namespace ctrun {

namespace {

constexpr const char* DefaultAddress = "10.199.0.1/16"; ///< Of the host on the bridge of --network bridge.

using Words = std::vector<std::pair<std::string, std::string>>; // keys and values

[[noreturn]] void reject(const std::string& text, const std::string& expected) {
    throw std::invalid_argument("'" + text + "' is not " + expected);
}

/// "KEY=VALUE,...", where a value may be missing.
Words words_of(const std::string& text) {
    Words words;
    if (text.empty()) return words;
    for (const std::string& word : split(text, ',')) {
        const std::size_t equals = word.find('=');
        words.emplace_back(word.substr(0, equals), equals == std::string::npos ? "" : word.substr(equals + 1));
    }
    return words;
}

std::uint32_t parse_mtu(const std::string& text) {
    return static_cast<std::uint32_t>(parse_number(text, 65535));
}

/// What all kinds have. \returns false if the key is none of these
template <typename Device>
bool set_common(Device& device, ct::Network& network, const std::string& key, const std::string& value) {
    if (key == "name") {
        device.container_name = value;
    } else if (key == "mtu") {
        device.mtu = parse_mtu(value);
    } else if (key == "ip") {
        device.addresses.push_back({.address = value});
    } else if (key == "gw") {
        network.routes.push_back({.gateway = value});
    } else {
        return false;
    }
    return true;
}

template <std::size_t N>
std::size_t find_word(const std::array<const char*, N>& words, const std::string& word) {
    std::string known;
    for (std::size_t i = 0; i < N; ++i) {
        if (word == words.at(i)) return i;
        known += (i == 0 ? "" : ", ") + std::string(words.at(i));
    }
    reject(word, "one of " + known);
}

bool set_key(ct::Veth& veth, const std::string& key, const std::string& value) {
    if (key == "host") return veth.host_name = value, true;
    if (key == "bridge") return veth.bridge = value, true;
    if (key == "mac") return veth.container_mac = value, true;
    if (key == "host-mac") return veth.host_mac = value, true;
    return false;
}

bool set_key(ct::Macvlan& macvlan, const std::string& key, const std::string& value) {
    constexpr std::array modes{"bridge", "private", "vepa", "passthru"};
    if (key == "parent") return macvlan.parent = value, true;
    if (key == "mac") return macvlan.mac = value, true;
    if (key == "mode") return macvlan.mode = static_cast<ct::MacvlanMode>(find_word(modes, value)), true;
    return false;
}

bool set_key(ct::Ipvlan& ipvlan, const std::string& key, const std::string& value) {
    constexpr std::array modes{"l2", "l3", "l3s"};
    if (key == "parent") return ipvlan.parent = value, true;
    if (key == "mode") return ipvlan.mode = static_cast<ct::IpvlanMode>(find_word(modes, value)), true;
    return false;
}

bool set_key(ct::Vlan& vlan, const std::string& key, const std::string& value) {
    if (key == "parent") return vlan.parent = value, true;
    if (key == "mac") return vlan.mac = value, true;
    if (key == "id") return vlan.id = static_cast<std::uint16_t>(parse_number(value, 4094)), true;
    return false;
}

bool set_key(ct::Dummy& dummy, const std::string& key, const std::string& value) {
    if (key == "mac") return dummy.mac = value, true;
    return false;
}

bool set_key(ct::HostNic& nic, const std::string& key, const std::string& value) {
    if (key == "host") return nic.host_name = value, true;
    if (key == "mac") return nic.mac = value, true;
    if (key == "keep") return nic.keep_addresses = true, true;
    return false;
}

template <typename Device>
ct::NetworkDevice parse_device(const Words& words, ct::Network& network) {
    Device device;
    for (const auto& [key, value] : words) {
        if (!set_common(device, network, key, value) && !set_key(device, key, value))
            reject(key, "a setting of such a device");
    }
    return device;
}

/// The address that the host has in a subnet: the one that is given, or the first if that is the subnet itself.
std::string host_address(const std::string& text) {
    const std::size_t slash = text.find('/');
    const std::string address = text.substr(0, slash);
    const int family = address.find(':') == std::string::npos ? AF_INET : AF_INET6;
    std::array<unsigned char, 16> bytes{};
    if (slash == std::string::npos || ::inet_pton(family, address.c_str(), bytes.data()) != 1) {
        reject(text, "a subnet, such as 10.0.0.0/24");
    }
    const std::size_t size = family == AF_INET ? 4 : 16;
    const std::uint64_t length = parse_number(text.substr(slash + 1), size * 8);
    for (std::size_t bit = length; bit < size * 8; ++bit) {
        if ((bytes.at(bit / 8) >> (7 - bit % 8) & 1U) != 0) return text;
    }
    bytes.at(size - 1) |= 1U;
    std::array<char, INET6_ADDRSTRLEN> first{};
    ::inet_ntop(family, bytes.data(), first.data(), first.size());
    return std::string(first.data()) + text.substr(slash);
}

/// A veth on a bridge that libct keeps.
void add_bridge(const Words& words, ct::Network& network) {
    ct::Bridge bridge{.nat = true};
    ct::Veth veth;
    for (const auto& [key, value] : words) {
        if (key == "subnet") {
            bridge.addresses.push_back(host_address(value));
        } else if (key == "bridge") {
            bridge.name = value;
        } else if (key == "nonat") {
            bridge.nat = false;
        } else if (!set_common(veth, network, key, value) && !set_key(veth, key, value)) {
            reject(key, "a setting of such a network");
        }
    }
    if (bridge.addresses.empty()) bridge.addresses = {DefaultAddress};
    veth.bridge = bridge.name;
    veth.lease = veth.addresses.empty();
    network.devices.emplace_back(std::move(veth));
    network.bridges.push_back(std::move(bridge));
}

std::uint16_t parse_port(const std::string& text) {
    return static_cast<std::uint16_t>(parse_number(text, 65535));
}

/// "80" or "80-82": the first and how many.
std::pair<std::uint16_t, std::uint16_t> parse_ports(const std::string& text) {
    const std::size_t dash = text.find('-');
    const std::uint16_t first = parse_port(text.substr(0, dash));
    if (dash == std::string::npos) return {first, std::uint16_t{1}};
    const std::uint16_t last = parse_port(text.substr(dash + 1));
    if (last < first) reject(text, "a range of ports");
    return {first, static_cast<std::uint16_t>(last - first + 1)};
}

/// [ADDRESS:]HOST[-LAST]:CONTAINER[-LAST][/PROTOCOL]
ct::PublishedPort parse_publish(const std::string& text) {
    const std::string expected = "[ADDRESS:]HOST[-LAST]:CONTAINER[-LAST][/tcp|/udp]";
    ct::PublishedPort port;
    const std::size_t slash = text.find('/');
    if (slash != std::string::npos) {
        constexpr std::array protocols{"tcp", "udp"};
        port.protocol = static_cast<ct::Protocol>(find_word(protocols, text.substr(slash + 1)));
    }
    const std::string ports = text.substr(0, slash);
    const std::size_t inner = ports.rfind(':');
    if (inner == std::string::npos || inner == 0) reject(text, expected);
    const std::size_t outer = ports.rfind(':', inner - 1);
    if (outer == 0) reject(text, expected); // such as "$ADDRESS:80:80" where that is empty, and not all addresses
    const std::size_t begin = outer == std::string::npos ? 0 : outer + 1;
    const auto [host, count] = parse_ports(ports.substr(begin, inner - begin));
    const auto [container, same_count] = parse_ports(ports.substr(inner + 1));
    if (count != same_count) reject(text, "as many ports on either side");
    port.host_port = host;
    port.container_port = container;
    port.count = count;
    if (outer == std::string::npos) return port;
    port.host_address = ports.substr(0, outer);
    if (port.host_address.starts_with('[') && port.host_address.ends_with(']')) {
        port.host_address = port.host_address.substr(1, port.host_address.size() - 2);
    }
    return port;
}

} // namespace

void parse_network(ct::Network& network, const std::string& text) {
    const std::size_t colon = text.find(':');
    const std::string kind = text.substr(0, colon);
    if (kind == "none" && colon == std::string::npos) return;
    const Words words = words_of(colon == std::string::npos ? "" : text.substr(colon + 1));
    const auto add = [&]<typename Device>(Device) { network.devices.push_back(parse_device<Device>(words, network)); };
    if (kind == "bridge") return add_bridge(words, network);
    if (kind == "veth") return add(ct::Veth{});
    if (kind == "macvlan") return add(ct::Macvlan{});
    if (kind == "ipvlan") return add(ct::Ipvlan{});
    if (kind == "vlan") return add(ct::Vlan{});
    if (kind == "dummy") return add(ct::Dummy{});
    if (kind == "nic") return add(ct::HostNic{});
    reject(kind, "none, bridge, veth, macvlan, ipvlan, vlan, dummy, nic, container:NAME or netns:NAME");
}

ct::Route parse_route(const std::string& text) {
    ct::Route route;
    bool first = true;
    for (const auto& [key, value] : words_of(text)) {
        if (std::exchange(first, false)) {
            route.destination = key;
        } else if (key == "via") {
            route.gateway = value;
        } else if (key == "dev") {
            route.device = value;
        } else if (key == "src") {
            route.source = value;
        } else if (key == "metric") {
            route.metric = static_cast<std::uint32_t>(parse_number(value, ~std::uint32_t{0}));
        } else if (key == "table") {
            route.table = static_cast<std::uint32_t>(parse_number(value, ~std::uint32_t{0}));
        } else if (key == "mtu") {
            route.mtu = parse_mtu(value);
        } else if (key == "onlink") {
            route.on_link = true;
        } else {
            reject(key, "via, dev, src, metric, table, mtu or onlink");
        }
    }
    return route;
}

namespace {

/// NAME[,NAME...]:ADDRESS, the address with or without brackets.
ct::HostEntry parse_host(const std::string& text) {
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos) reject(text, "NAME:ADDRESS");
    std::string address = text.substr(colon + 1);
    if (address.size() > 2 && address.front() == '[' && address.back() == ']')
        address = address.substr(1, address.size() - 2);
    return {.address = address, .names = split(text.substr(0, colon), ',')};
}

void add_name_options(Adder& add, ct::Spec& spec) {
    const auto names = [&]() -> ct::Names& {
        return spec.network.names ? *spec.network.names : spec.network.names.emplace();
    };
    add.option("--dns", "ADDRESS|host",
               "Make /etc/resolv.conf, hosts and hostname for the container,\n"
               "and ask this name server (repeat for more), or the host's",
               [names](const std::string& text) {
                   ct::Names& present = names();
                   if (text != "host") present.servers.push_back(text);
               });
    add.option("--dns-search", "DOMAIN", "The same, and look up short names in this domain; . is none",
               [names](const std::string& text) { names().search.push_back(text); });
    add.option("--dns-option", "OPTION", "The same, with an option of resolv.conf(5) such as ndots:2",
               [names](const std::string& text) { names().options.push_back(text); });
    add.option("--add-host", "NAME:ADDRESS", "The same, with a line in /etc/hosts; further names by NAME,ALIAS",
               [names](const std::string& text) { names().hosts.push_back(parse_host(text)); });
    add.flag("--hosts", "The same, with what the host's own /etc/hosts has", [names] { names().host_entries = true; });
}

} // namespace

void add_network_options(Adder& add, ct::Spec& spec) {
    add.group("Network");
    add.option("--network", "KIND[:KEY=VALUE,...]",
               "Make a network namespace, and in it: bridge (a free address\n"
               "on a bridge that is made, and NAT), veth, macvlan, ipvlan,\n"
               "vlan, dummy, nic or none; keys are name, ip, gw, mtu, mac,\n"
               "bridge, host and host-mac of a veth, subnet and nonat of a\n"
               "bridge, parent, mode and id of others, host and keep of a\n"
               "nic, a link of the host; or join that of a container,\n"
               "container:NAME, or one of ip-netns(8), netns:NAME",
               [&](const std::string& text) {
                   constexpr std::string_view named = "netns:";
                   if (text.starts_with("container:")) {
                       spec.namespaces[ct::Namespace::Net] = parse_join("net=" + text).second;
                   } else if (text.starts_with(named)) {
                       const std::string path = ct::named_network(text.substr(named.size()));
                       spec.namespaces[ct::Namespace::Net] = ct::NamespacePath{path};
                   } else {
                       spec.namespaces[ct::Namespace::Net] = ct::NewNamespace{};
                       parse_network(spec.network, text);
                   }
               });
    add.option("--publish", "[ADDRESS:]HOST[-LAST]:CONTAINER[-LAST][/udp]",
               "Let ports of the host lead to the container, such as 8080:80;\n"
               "needs --network bridge",
               [&](const std::string& text) { spec.network.ports.push_back(parse_publish(text)); });
    add.option("--route", "DESTINATION[,KEY=VALUE...]",
               "Add a route, such as 10.9.0.0/16,via=10.0.0.1;\n"
               "keys are via, dev, src, metric, table, mtu and onlink",
               [&](const std::string& text) { spec.network.routes.push_back(parse_route(text)); });
    add_name_options(add, spec);
}

} // namespace ctrun
