// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "config/network.hpp"

#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <set>

#include <ct/error.hpp>

#include "base/concat.hpp"
#include "config/bridge.hpp"
#include "config/ip_address.hpp"
#include "config/names.hpp"
#include "config/validate.hpp"

namespace ct::internal {

namespace {

[[noreturn]] void reject(std::string violation) {
    throw Error::invalid_config({}, {std::move(violation)});
}

void check_optional_link(std::string_view what, std::string_view name) {
    if (!name.empty()) check_link_name(what, name);
}

IpAddress check_ip(std::string_view what, std::string_view text) {
    const auto address = parse_address(text);
    if (!address) reject(concat(what, " '", text.substr(0, 64), "' is no IP address"));
    return *address;
}

/// Without a length.
IpAddress check_host_ip(std::string_view what, std::string_view text) {
    if (text.find('/') != std::string_view::npos) reject(concat(what, " '", text.substr(0, 64), "' has a length"));
    return check_ip(what, text);
}

/// What the kernel refuses: bits beyond the length.
IpAddress check_prefix(std::string_view what, std::string_view text) {
    const IpAddress address = check_ip(what, text);
    for (unsigned bit = address.prefix; bit < address.bits(); ++bit) {
        if ((address.bytes.at(bit / 8) >> (7 - bit % 8) & 1U) == 0) continue;
        reject(concat(what, " '", text, "' has bits beyond its length"));
    }
    return address;
}

void check_mac(std::string_view what, std::string_view text) {
    if (text.empty()) return;
    const auto mac = parse_mac(text);
    if (!mac) reject(concat(what, " '", text.substr(0, 64), "' is no MAC address"));
    if ((mac->front() & 1U) != 0) reject(concat(what, " '", text, "' is one of a group"));
    if (*mac == MacAddress{}) reject(concat(what, " '", text, "' is that of nobody"));
}

void check_address(std::string_view link, const Address& address) {
    const IpAddress own = check_ip(concat("address of '", link, "'"), address.address);
    const std::string what = concat("address '", address.address, "' of '", link, "'");
    if (!address.peer.empty()) {
        if (check_ip(concat("peer of ", what), address.peer).family != own.family) {
            reject(concat("peer of ", what, " is of another family"));
        }
    }
    if (own.family == AF_INET6 && address.scope) reject(concat(what, " cannot have a scope: only IPv4 can"));
    if (own.family == AF_INET && address.no_dad) reject(concat(what, " cannot have no_dad: only IPv6 can"));
    if (address.scope.value_or(Scope::Global) > Scope::Host) reject(concat(what, " has an unknown scope"));
    constexpr std::chrono::seconds longest{~std::uint32_t{0} - 1};
    for (const auto& time : {address.valid, address.preferred}) {
        if (time && (time->count() < 0 || *time > longest)) reject(concat(what, " has a lifetime out of range"));
    }
    if (address.valid && address.valid->count() == 0) reject(concat(what, " is valid for no time"));
    if (address.valid.value_or(longest) < address.preferred.value_or(std::chrono::seconds(0))) {
        reject(concat(what, " is preferred longer than it is valid"));
    }
}

void check_addresses(const std::string& name, const std::vector<Address>& addresses, std::uint32_t mtu) {
    std::set<std::string_view> known;
    for (const Address& address : addresses) {
        check_address(name, address);
        if (!known.insert(address.address).second) {
            reject(concat("'", name, "' has the address '", address.address, "' twice"));
        }
        // addrconf_notify() in the kernel
        if (mtu != 0 && mtu < 1280 && parse_address(address.address)->family == AF_INET6) {
            reject(concat("IPv6 on '", name, "' needs an MTU of 1280 at least"));
        }
    }
}

void check_common(const NetworkDevice& device, std::uint32_t mtu) {
    const std::string& name = container_name_of(device);
    check_link_name(concat("name of the ", kind_of(device), " in the container"), name);
    if (name == "lo") reject(concat("a ", kind_of(device), " cannot be called 'lo', as the loopback device is"));
    if (mtu != 0 && (mtu < 68 || mtu > 65535)) reject(concat("MTU of '", name, "' is not between 68 and 65535"));
    check_addresses(name, addresses_of(device), mtu);
}

void check(const Veth& veth) {
    check_optional_link("name of the veth on the host", veth.host_name);
    check_optional_link("bridge", veth.bridge);
    check_mac(concat("host's MAC of '", veth.container_name, "'"), veth.host_mac);
    check_mac(concat("MAC of '", veth.container_name, "'"), veth.container_mac);
    check_addresses(concat("the host's end of '", veth.container_name, "'"), veth.host_addresses, veth.mtu);
}

void check(const Macvlan& macvlan) {
    check_link_name("parent of the macvlan", macvlan.parent);
    check_mac(concat("MAC of '", macvlan.container_name, "'"), macvlan.mac);
    if (macvlan.mode > MacvlanMode::Passthru) reject("the macvlan has an unknown mode");
}

void check(const Ipvlan& ipvlan) {
    check_link_name("parent of the ipvlan", ipvlan.parent);
    if (ipvlan.mode > IpvlanMode::L3s) reject("the ipvlan has an unknown mode");
}

void check(const Vlan& vlan) {
    check_link_name("parent of the vlan", vlan.parent);
    check_mac(concat("MAC of '", vlan.container_name, "'"), vlan.mac);
    if (vlan.id < 1 || vlan.id > 4094) reject(concat("the vlan has the id ", vlan.id, ", which is not 1 to 4094"));
}

void check(const Dummy& dummy) {
    check_mac(concat("MAC of '", dummy.container_name, "'"), dummy.mac);
}

void check(const HostNic& nic) {
    check_link_name("name of the link of the host", nic.host_name);
    check_optional_link("name of the host's link in the container", nic.container_name);
    if (nic.host_name == "lo") reject("the host's loopback device cannot be moved");
    check_mac(concat("MAC of '", nic.host_name, "'"), nic.mac);
}

/// A text that tells the family, or none.
std::string_view telling_text(const Route& route) {
    if (!is_default(route)) return route.destination;
    if (!route.gateway.empty()) return route.gateway;
    if (!route.source.empty()) return route.source;
    for (const NextHop& hop : route.next_hops) {
        if (!hop.gateway.empty()) return hop.gateway;
    }
    return {};
}

int family_or_ipv4(std::string_view text) {
    const auto address = parse_address(text);
    return address ? address->family : AF_INET;
}

/// An IPv4 destination takes gateways of both families.
void check_hop(const std::string& what, const std::string& gateway, const std::string& device, bool on_link,
               int family) {
    check_optional_link(concat("device of the ", what), device);
    if (gateway.empty() && device.empty()) reject(concat("the ", what, " has neither a gateway nor a device"));
    if (!gateway.empty()) {
        const int hop_family = check_host_ip(concat("gateway of the ", what), gateway).family;
        if (hop_family != family && hop_family == AF_INET) {
            reject(concat("the ", what, " cannot have an IPv4 gateway"));
        }
    }
    if (on_link && (gateway.empty() || device.empty())) {
        reject(concat("the ", what, " is on-link, which needs a gateway and a device"));
    }
}

constexpr std::array Scopes{"global", "site", "link", "host"};
constexpr std::array Types{"unicast", "blackhole", "unreachable", "prohibit"};

} // namespace

/// As dev_valid_name() in the kernel, which would take a '%' for a place to put a number.
void check_link_name(std::string_view what, std::string_view name) {
    if (name.empty()) reject(concat(what, " is empty"));
    if (name.size() >= IFNAMSIZ) reject(concat(what, " '", name, "' is longer than 15 bytes"));
    const auto forbidden = [](unsigned char c) { return c <= ' ' || c == 0x7f || c == '/' || c == ':' || c == '%'; };
    if (name == "." || name == ".." || std::any_of(name.begin(), name.end(), forbidden)) {
        reject(concat(what, " '", name, "' is no name of a link"));
    }
}

const std::string& container_name_of(const NetworkDevice& device) {
    const auto* const nic = std::get_if<HostNic>(&device);
    if (nic != nullptr && nic->container_name.empty()) return nic->host_name;
    return std::visit([](const auto& each) -> const std::string& { return each.container_name; }, device);
}

const std::vector<Address>& addresses_of(const NetworkDevice& device) {
    return std::visit([](const auto& each) -> const std::vector<Address>& { return each.addresses; }, device);
}

std::string_view kind_of(const NetworkDevice& device) {
    constexpr std::array<std::string_view, std::variant_size_v<NetworkDevice>> kinds{"veth", "macvlan", "ipvlan",
                                                                                     "vlan", "dummy",   "host's link"};
    return kinds.at(device.index());
}

bool is_default(const Route& route) {
    return route.destination.empty() || route.destination == "default";
}

int family_of(const Route& route) {
    return family_or_ipv4(telling_text(route));
}

int family_of(const Rule& rule) {
    if (!rule.from.empty()) return family_or_ipv4(rule.from);
    if (!rule.to.empty()) return family_or_ipv4(rule.to);
    return rule.ipv6 ? AF_INET6 : AF_INET;
}

std::string describe(const Route& route) {
    std::string text =
        route.type == RouteType::Unicast ? "" : concat(Types.at(static_cast<std::size_t>(route.type)), " ");
    text += is_default(route) ? "default" : route.destination;
    if (!route.gateway.empty()) text += concat(" via ", route.gateway);
    for (const NextHop& hop : route.next_hops) {
        text += " nexthop";
        if (!hop.gateway.empty()) text += concat(" via ", hop.gateway);
        if (!hop.device.empty()) text += concat(" dev ", hop.device);
    }
    if (!route.source.empty()) text += concat(" src ", route.source);
    if (route.metric) text += concat(" metric ", *route.metric);
    if (route.table != 0) text += concat(" table ", route.table);
    if (route.scope) text += concat(" scope ", Scopes.at(static_cast<std::size_t>(*route.scope)));
    return text;
}

std::string describe(const Rule& rule) {
    std::string text = concat("from ", rule.from.empty() ? "all" : rule.from);
    if (!rule.to.empty()) text += concat(" to ", rule.to);
    if (!rule.input.empty()) text += concat(" iif ", rule.input);
    if (!rule.output.empty()) text += concat(" oif ", rule.output);
    if (rule.mark) text += concat(" fwmark ", *rule.mark);
    if (rule.priority) text += concat(" priority ", *rule.priority);
    if (rule.action != RuleAction::Table) return concat(text, ' ', Types.at(static_cast<std::size_t>(rule.action)));
    return concat(text, " lookup ", rule.table == 0 ? "main" : std::to_string(rule.table));
}

void check_network_device(const NetworkDevice& device) {
    std::visit(
        [&](const auto& each) {
            check(each);
            check_common(device, each.mtu);
        },
        device);
}

void check_link_address(const std::string& device, const Address& address) {
    check_link_name("name of the device", device);
    check_address(device, address);
}

void check_neighbour(const Neighbour& neighbour) {
    check_link_name("device of a neighbour", neighbour.device);
    (void)check_host_ip("address of a neighbour", neighbour.address);
    if (neighbour.mac.empty()) reject(concat("the neighbour '", neighbour.address, "' has no MAC address"));
    check_mac("MAC of a neighbour", neighbour.mac);
}

void check_route(const Route& route) {
    if (!is_default(route)) (void)check_prefix("destination of a route", route.destination);
    if (route.type > RouteType::Prohibit || route.scope.value_or(Scope::Global) > Scope::Host) {
        reject("a route has an unknown type or scope");
    }
    const std::string what = concat("route '", describe(route), "'");
    const int family = family_of(route);
    const auto check_one = [&](const std::string& gateway, const std::string& device, bool on_link) {
        check_hop(what, gateway, device, on_link, family);
    };
    if (!route.source.empty() && check_host_ip(concat("source of the ", what), route.source).family != family) {
        reject(concat("the source of the ", what, " is of another family"));
    }
    if (route.mtu != 0 && (route.mtu < 68 || route.mtu > 65535)) {
        reject(concat("MTU of the ", what, " is not between 68 and 65535"));
    }
    const bool single = !route.gateway.empty() || !route.device.empty() || route.on_link;
    if (route.type != RouteType::Unicast) {
        if (single || !route.next_hops.empty()) reject(concat("the ", what, " sends nothing on, and needs no way"));
    } else if (route.next_hops.empty()) {
        check_one(route.gateway, route.device, route.on_link);
    } else if (single) {
        reject(concat("the ", what, " has next hops as well as a gateway or a device"));
    }
    for (const NextHop& hop : route.next_hops) {
        check_one(hop.gateway, hop.device, hop.on_link);
        if (hop.weight < 1 || hop.weight > 256) reject(concat("a next hop of the ", what, " weighs not 1 to 256"));
    }
}

void check_rule(const Rule& rule) {
    int family = 0;
    for (const auto* const text : {&rule.from, &rule.to}) {
        if (text->empty()) continue;
        const int own = check_prefix("address of a rule", *text).family;
        if (family != 0 && own != family) reject("the addresses of a rule are of different families");
        family = own;
    }
    if (family == AF_INET && rule.ipv6) reject("a rule for IPv6 has IPv4 addresses");
    check_optional_link("input device of a rule", rule.input);
    check_optional_link("output device of a rule", rule.output);
    if (rule.action > RuleAction::Prohibit) reject("a rule has an unknown action");
    if (rule.action != RuleAction::Table && rule.table != 0) reject("a rule that looks nothing up has a table");
    if (!rule.mark && rule.mark_mask != ~0U) reject("a rule has a mask for a mark, but no mark");
}

void check_network(const Network& network) {
    for (const NetworkDevice& device : network.devices) check_network_device(device);
    for (const Neighbour& neighbour : network.neighbours) check_neighbour(neighbour);
    for (const Route& route : network.routes) check_route(route);
    for (const Rule& rule : network.rules) check_rule(rule);
    for (const Bridge& bridge : network.bridges) check_bridge(bridge);
    for (const PublishedPort& port : network.ports) check_port(port);
    if (network.names) check_names(*network.names);
}

bool has_network(const Network& network) noexcept {
    return !network.devices.empty() || !network.neighbours.empty() || !network.routes.empty() ||
           !network.rules.empty() || !network.bridges.empty() || !network.ports.empty();
}

void network_violations(std::vector<std::string>& found, const Spec& spec) {
    const Network& network = spec.network;
    if (!has_network(network)) return;
    if (!makes_namespace(spec, Namespace::Net)) {
        found.push_back("network devices, neighbours, routes and rules need a new net namespace");
    }
    std::set<std::string> names{"lo"};
    std::set<std::string> host_names;
    for (const NetworkDevice& device : network.devices) {
        const std::string& name = container_name_of(device);
        if (!names.insert(name).second) found.push_back(concat("two network devices are called '", name, "'"));
        const std::string* host_name = nullptr;
        if (const auto* const veth = std::get_if<Veth>(&device)) host_name = &veth->host_name;
        if (const auto* const nic = std::get_if<HostNic>(&device)) host_name = &nic->host_name;
        if (host_name != nullptr && !host_name->empty() && !host_names.insert(*host_name).second) {
            found.push_back(concat("two network devices are called '", *host_name, "' on the host"));
        }
    }
    const auto check_device = [&](const std::string& device, std::string_view what) {
        if (device.empty() || names.contains(device)) return;
        found.push_back(concat("the ", what, " is on '", device, "', which is no network device of the container"));
    };
    for (const Neighbour& neighbour : network.neighbours) {
        check_device(neighbour.device, concat("neighbour '", neighbour.address, "'"));
    }
    for (const Route& route : network.routes) {
        check_device(route.device, concat("route '", describe(route), "'"));
        for (const NextHop& hop : route.next_hops) check_device(hop.device, concat("route '", describe(route), "'"));
    }
    bridge_violations(found, network);
}

} // namespace ct::internal
