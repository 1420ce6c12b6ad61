// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Networks described by structs, configured or of a running container; what the first libct had is in net.cpp.
#include <libct/libct-network.h>

#include <limits>
#include <utility>

#include <ct/export.hpp>
#include <ct/network.hpp>

#include "capi/change_network.hpp"

namespace ct::capi {

namespace {

std::vector<Address> addresses_of(const char* const* list) {
    std::vector<Address> addresses;
    for (std::string& address : text_list(list)) addresses.push_back({.address = std::move(address)});
    return addresses;
}

MacvlanMode macvlan_mode(int given) {
    switch (given) {
    case LIBCT_NET_MODE_DEFAULT: return MacvlanMode::Bridge;
    case LIBCT_MACVLAN_PRIVATE: return MacvlanMode::Private;
    case LIBCT_MACVLAN_VEPA: return MacvlanMode::Vepa;
    case LIBCT_MACVLAN_PASSTHRU: return MacvlanMode::Passthru;
    default: throw Failure(LCTERR_BADTYPE, "there is no such mode of a macvlan");
    }
}

IpvlanMode ipvlan_mode(int given) {
    switch (given) {
    case LIBCT_NET_MODE_DEFAULT: return IpvlanMode::L2;
    case LIBCT_IPVLAN_L3: return IpvlanMode::L3;
    case LIBCT_IPVLAN_L3S: return IpvlanMode::L3s;
    default: throw Failure(LCTERR_BADTYPE, "there is no such mode of an ipvlan");
    }
}

/// \throws Failure for one that has no mode
void require_no_mode(const libct_net_device& given) {
    require(given.mode == LIBCT_NET_MODE_DEFAULT, LCTERR_BADTYPE, "a device of this kind has no mode");
}

Veth veth_of(const libct_net_device& given) {
    return {.host_name = text_or(given.host_name),
            .container_name = text_or(given.container_name, "eth0"),
            .host_mac = text_or(given.host_mac),
            .container_mac = text_or(given.mac),
            .mtu = given.mtu,
            .bridge = text_or(given.bridge),
            .addresses = addresses_of(given.addresses),
            .lease = given.lease != 0,
            .host_addresses = addresses_of(given.host_addresses)};
}

Vlan vlan_of(const libct_net_device& given) {
    const bool valid = given.vlan_id <= std::numeric_limits<std::uint16_t>::max();
    require(valid, LCTERR_INVARG, "there is no such VLAN");
    return {.parent = text_or(given.parent),
            .id = static_cast<std::uint16_t>(given.vlan_id),
            .container_name = text_or(given.container_name, "eth0"),
            .mac = text_or(given.mac),
            .mtu = given.mtu,
            .addresses = addresses_of(given.addresses)};
}

NetworkDevice device_of(const libct_net_device& given) {
    const bool has_mode = given.kind == LIBCT_NET_MACVLAN || given.kind == LIBCT_NET_IPVLAN;
    if (!has_mode) require_no_mode(given);
    switch (given.kind) {
    case LIBCT_NET_VETH: return veth_of(given);
    case LIBCT_NET_MACVLAN:
        return Macvlan{.parent = text_or(given.parent),
                       .container_name = text_or(given.container_name, "eth0"),
                       .mode = macvlan_mode(given.mode),
                       .mac = text_or(given.mac),
                       .mtu = given.mtu,
                       .addresses = addresses_of(given.addresses)};
    case LIBCT_NET_IPVLAN:
        return Ipvlan{.parent = text_or(given.parent),
                      .container_name = text_or(given.container_name, "eth0"),
                      .mode = ipvlan_mode(given.mode),
                      .mtu = given.mtu,
                      .addresses = addresses_of(given.addresses)};
    case LIBCT_NET_VLAN: return vlan_of(given);
    case LIBCT_NET_DUMMY:
        return Dummy{.container_name = text_or(given.container_name, "dummy0"),
                     .mac = text_or(given.mac),
                     .mtu = given.mtu,
                     .addresses = addresses_of(given.addresses)};
    case LIBCT_NET_HOSTNIC:
        return HostNic{.host_name = text_or(given.host_name),
                       .container_name = text_or(given.container_name),
                       .mac = text_or(given.mac),
                       .mtu = given.mtu,
                       .keep_addresses = given.keep_addresses != 0,
                       .addresses = addresses_of(given.addresses)};
    default: throw Failure(LCTERR_BADTYPE, "there is no such kind of device");
    }
}

std::optional<Scope> scope_of(int given) {
    switch (given) {
    case LIBCT_SCOPE_DEFAULT: return {};
    case LIBCT_SCOPE_GLOBAL: return Scope::Global;
    case LIBCT_SCOPE_SITE: return Scope::Site;
    case LIBCT_SCOPE_LINK: return Scope::Link;
    case LIBCT_SCOPE_HOST: return Scope::Host;
    default: throw Failure(LCTERR_BADTYPE, "there is no such scope");
    }
}

std::optional<std::chrono::seconds> seconds_of(std::uint64_t given) {
    if (given == 0 || given == LIBCT_FOREVER) return {};
    require(given <= std::numeric_limits<std::uint32_t>::max(), LCTERR_INVARG, "an address cannot last so long");
    return std::chrono::seconds(given);
}

Address address_of(const libct_address& given) {
    Address address{.address = text_or(given.address),
                    .peer = text_or(given.peer),
                    .scope = scope_of(given.scope),
                    .valid = seconds_of(given.valid_s),
                    .preferred = seconds_of(given.preferred_s),
                    .no_dad = given.no_dad != 0};
    if (given.deprecated != 0) address.preferred = std::chrono::seconds(0);
    return address;
}

Neighbour neighbour_of(const libct_neighbour& given) {
    return {.device = text_or(given.device), .address = text_or(given.address), .mac = text_or(given.mac)};
}

ct::Route route_of(const libct_route& given) {
    static_assert(static_cast<int>(RouteType::Blackhole) == LIBCT_ROUTE_BLACKHOLE &&
                  static_cast<int>(RouteType::Unreachable) == LIBCT_ROUTE_UNREACHABLE &&
                  static_cast<int>(RouteType::Prohibit) == LIBCT_ROUTE_PROHIBIT);
    const bool known = given.type >= LIBCT_ROUTE_UNICAST && given.type <= LIBCT_ROUTE_PROHIBIT;
    require(known, LCTERR_BADTYPE, "there is no such type of route");
    ct::Route route{.destination = text_or(given.destination, "default"),
                    .gateway = text_or(given.gateway),
                    .device = text_or(given.device),
                    .source = text_or(given.source),
                    .table = given.table,
                    .mtu = given.mtu,
                    .scope = scope_of(given.scope),
                    .on_link = given.on_link != 0,
                    .type = static_cast<RouteType>(given.type)};
    if (given.has_metric != 0) route.metric = given.metric;
    require(given.next_hops != nullptr || given.next_hop_count == 0, LCTERR_INVARG, "there are no next hops");
    for (std::size_t i = 0; i < given.next_hop_count; ++i) {
        const libct_next_hop& hop = given.next_hops[i];
        route.next_hops.push_back({.gateway = text_or(hop.gateway),
                                   .device = text_or(hop.device),
                                   .weight = hop.weight == 0 ? 1 : hop.weight,
                                   .on_link = hop.on_link != 0});
    }
    return route;
}

Rule rule_of(const libct_rule& given) {
    static_assert(static_cast<int>(RuleAction::Blackhole) == LIBCT_RULE_BLACKHOLE &&
                  static_cast<int>(RuleAction::Unreachable) == LIBCT_RULE_UNREACHABLE &&
                  static_cast<int>(RuleAction::Prohibit) == LIBCT_RULE_PROHIBIT);
    const bool known = given.action >= LIBCT_RULE_TABLE && given.action <= LIBCT_RULE_PROHIBIT;
    require(known, LCTERR_BADTYPE, "there is no such action of a rule");
    Rule rule{.from = text_or(given.from),
              .to = text_or(given.to),
              .input = text_or(given.input),
              .output = text_or(given.output),
              .action = static_cast<RuleAction>(given.action),
              .table = given.table,
              .ipv6 = given.ipv6 != 0};
    if (given.has_mark != 0) rule.mark = given.mark;
    if (given.mark_mask != 0) rule.mark_mask = given.mark_mask;
    if (given.has_priority != 0) rule.priority = given.priority;
    return rule;
}

Names names_of(const libct_names& given) {
    Names names{.servers = text_list(given.servers),
                .search = text_list(given.search),
                .options = text_list(given.options),
                .host_entries = given.host_entries != 0,
                .writable = given.writable != 0};
    require(given.hosts != nullptr || given.host_count == 0, LCTERR_INVARG, "there are no hosts");
    for (std::size_t i = 0; i < given.host_count; ++i)
        names.hosts.push_back({.address = text_or(given.hosts[i].address), .names = text_list(given.hosts[i].names)});
    return names;
}

/// Does something to the network of a running container. What is given is read first.
template <typename Struct, typename Change>
int change_live(ct_handler_t ct, const Struct* given, const Change& change) {
    return guard([&] {
        const auto container = get(ct);
        const Struct known = read_struct(given);
        with_codes([&] {
            ct::Container core = container->object();
            change(core, known);
        });
    });
}

} // namespace

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_net_add_device(ct_handler_t ct, const struct libct_net_device* device) {
    return change_network(ct, device, [](ct::Network& network, const libct_net_device& given) {
        network.devices.push_back(device_of(given));
    });
}

CT_EXPORT int libct_net_attach_device(ct_handler_t ct, const struct libct_net_device* device) {
    return change_live(ct, device, [](ct::Container& container, const libct_net_device& given) {
        container.attach_network(device_of(given));
    });
}

CT_EXPORT int libct_net_detach_device(ct_handler_t ct, const char* container_name) {
    return guard([&] {
        const auto container = get(ct);
        require(container_name != nullptr, LCTERR_INVARG, "the device has no name");
        with_codes([&] { container->object().detach_network(container_name); });
    });
}

CT_EXPORT int libct_net_attach_address(ct_handler_t ct, const struct libct_address* address) {
    return change_live(ct, address, [](ct::Container& container, const libct_address& given) {
        container.attach_address(text_or(given.device), address_of(given));
    });
}

CT_EXPORT int libct_net_detach_address(ct_handler_t ct, const struct libct_address* address) {
    return change_live(ct, address, [](ct::Container& container, const libct_address& given) {
        container.detach_address(text_or(given.device), address_of(given));
    });
}

CT_EXPORT int libct_net_add_neighbour(ct_handler_t ct, const struct libct_neighbour* neighbour) {
    return change_network(ct, neighbour, [](ct::Network& network, const libct_neighbour& given) {
        network.neighbours.push_back(neighbour_of(given));
    });
}

CT_EXPORT int libct_net_attach_neighbour(ct_handler_t ct, const struct libct_neighbour* neighbour) {
    return change_live(ct, neighbour, [](ct::Container& container, const libct_neighbour& given) {
        container.attach_neighbour(neighbour_of(given));
    });
}

CT_EXPORT int libct_net_detach_neighbour(ct_handler_t ct, const struct libct_neighbour* neighbour) {
    return change_live(ct, neighbour, [](ct::Container& container, const libct_neighbour& given) {
        container.detach_neighbour(neighbour_of(given));
    });
}

CT_EXPORT int libct_net_add_route(ct_handler_t ct, const struct libct_route* route) {
    return change_network(
        ct, route, [](ct::Network& network, const libct_route& given) { network.routes.push_back(route_of(given)); });
}

CT_EXPORT int libct_net_attach_route(ct_handler_t ct, const struct libct_route* route) {
    return change_live(
        ct, route, [](ct::Container& container, const libct_route& given) { container.attach_route(route_of(given)); });
}

CT_EXPORT int libct_net_detach_route(ct_handler_t ct, const struct libct_route* route) {
    return change_live(
        ct, route, [](ct::Container& container, const libct_route& given) { container.detach_route(route_of(given)); });
}

CT_EXPORT int libct_net_add_rule(ct_handler_t ct, const struct libct_rule* rule) {
    return change_network(
        ct, rule, [](ct::Network& network, const libct_rule& given) { network.rules.push_back(rule_of(given)); });
}

CT_EXPORT int libct_net_attach_rule(ct_handler_t ct, const struct libct_rule* rule) {
    return change_live(
        ct, rule, [](ct::Container& container, const libct_rule& given) { container.attach_rule(rule_of(given)); });
}

CT_EXPORT int libct_net_detach_rule(ct_handler_t ct, const struct libct_rule* rule) {
    return change_live(
        ct, rule, [](ct::Container& container, const libct_rule& given) { container.detach_rule(rule_of(given)); });
}

CT_EXPORT int libct_net_set_names(ct_handler_t ct, const struct libct_names* names) {
    return guard([&] {
        const auto container = get(ct);
        const ct::Names wanted = names_of(read_struct(names));
        container->configure([&](Config& config) { config.base.network.names = wanted; });
    });
}

} // extern "C"
