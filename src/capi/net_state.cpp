// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <libct/libct-network.h>

#include <ct/export.hpp>
#include <ct/network_state.hpp>

#include "capi/container.hpp"
#include "capi/structs.hpp"

namespace ct::capi {

namespace {

libct_scope scope_of(std::optional<Scope> scope) {
    static_assert(static_cast<int>(Scope::Global) + 1 == LIBCT_SCOPE_GLOBAL &&
                  static_cast<int>(Scope::Site) + 1 == LIBCT_SCOPE_SITE &&
                  static_cast<int>(Scope::Link) + 1 == LIBCT_SCOPE_LINK &&
                  static_cast<int>(Scope::Host) + 1 == LIBCT_SCOPE_HOST);
    return scope ? static_cast<libct_scope>(static_cast<int>(*scope) + 1) : LIBCT_SCOPE_DEFAULT;
}

std::uint64_t seconds_of(std::optional<std::chrono::seconds> time) {
    return time ? static_cast<std::uint64_t>(time->count()) : LIBCT_FOREVER;
}

libct_traffic traffic_of(const Traffic& traffic) {
    return {traffic.bytes, traffic.packets, traffic.errors, traffic.dropped};
}

int tell_link(const libct_net_visitor& visitor, const LinkState& link) {
    std::vector<libct_address_state> addresses;
    for (const AddressState& one : link.addresses) {
        addresses.push_back({.address = one.address.address.c_str(),
                             .peer = one.address.peer.c_str(),
                             .scope = scope_of(one.scope),
                             .valid_s = seconds_of(one.address.valid),
                             .preferred_s = seconds_of(one.address.preferred),
                             .tentative = one.tentative ? 1 : 0,
                             .duplicate = one.duplicate ? 1 : 0,
                             .deprecated = one.deprecated ? 1 : 0});
    }
    const libct_link_state told{.struct_size = sizeof told,
                                .index = link.index,
                                .name = link.name.c_str(),
                                .kind = link.kind.c_str(),
                                .mac = link.mac.c_str(),
                                .mtu = link.mtu,
                                .up = link.up ? 1 : 0,
                                .carrier = link.carrier ? 1 : 0,
                                .state = link.state.c_str(),
                                .peer = link.peer,
                                .master = link.master.c_str(),
                                .addresses = addresses.data(),
                                .address_count = addresses.size(),
                                .received = traffic_of(link.received),
                                .sent = traffic_of(link.sent)};
    return visitor.link(&told, visitor.user);
}

int tell_route(const libct_net_visitor& visitor, const RouteState& state) {
    const ct::Route& route = state.route;
    std::vector<libct_next_hop> hops;
    for (const ct::NextHop& hop : route.next_hops)
        hops.push_back({hop.gateway.c_str(), hop.device.c_str(), hop.weight, hop.on_link ? 1 : 0});
    const libct_route told{.struct_size = sizeof told,
                           .destination = route.destination.c_str(),
                           .gateway = route.gateway.c_str(),
                           .device = route.device.c_str(),
                           .source = route.source.c_str(),
                           .has_metric = route.metric ? 1 : 0,
                           .metric = route.metric.value_or(0),
                           .table = route.table,
                           .mtu = route.mtu,
                           .scope = scope_of(route.scope),
                           .on_link = route.on_link ? 1 : 0,
                           .type = static_cast<libct_route_type>(route.type),
                           .next_hops = hops.data(),
                           .next_hop_count = hops.size()};
    return visitor.route(&told, state.type.c_str(), state.protocol.c_str(), visitor.user);
}

int tell_rule(const libct_net_visitor& visitor, const RuleState& state) {
    const Rule& rule = state.rule;
    const libct_rule told{.struct_size = sizeof told,
                          .from = rule.from.c_str(),
                          .to = rule.to.c_str(),
                          .input = rule.input.c_str(),
                          .output = rule.output.c_str(),
                          .has_mark = rule.mark ? 1 : 0,
                          .mark = rule.mark.value_or(0),
                          .mark_mask = rule.mark_mask,
                          .has_priority = rule.priority ? 1 : 0,
                          .priority = rule.priority.value_or(0),
                          .action = static_cast<libct_rule_action>(rule.action),
                          .table = rule.table,
                          .ipv6 = rule.ipv6 ? 1 : 0};
    return visitor.rule(&told, state.action.c_str(), visitor.user);
}

int tell_neighbour(const libct_net_visitor& visitor, const NeighbourState& state) {
    const libct_neighbour told{.struct_size = sizeof told,
                               .device = state.neighbour.device.c_str(),
                               .address = state.neighbour.address.c_str(),
                               .mac = state.neighbour.mac.c_str()};
    return visitor.neighbour(&told, state.state.c_str(), visitor.user);
}

/// Until one returns something other than 0.
template <typename List, typename Tell>
int tell_all(const libct_net_visitor& visitor, const List& list, const Tell& tell) {
    int result = 0;
    for (const auto& one : list) {
        result = tell(visitor, one);
        if (result != 0) break;
    }
    return result;
}

} // namespace

} // namespace ct::capi

using namespace ct::capi;

extern "C" CT_EXPORT int libct_net_read(ct_handler_t ct, const struct libct_net_visitor* visitor) {
    return guard([&] {
        const auto container = get(ct);
        const libct_net_visitor given = read_struct(visitor);
        const ct::NetworkState state = with_codes([&] { return container->object().network(); });
        int result = 0;
        if (given.link != nullptr) result = tell_all(given, state.links, tell_link);
        if (result == 0 && given.route != nullptr) result = tell_all(given, state.routes, tell_route);
        if (result == 0 && given.rule != nullptr) result = tell_all(given, state.rules, tell_rule);
        if (result == 0 && given.neighbour != nullptr) result = tell_all(given, state.neighbours, tell_neighbour);
        return result;
    });
}
