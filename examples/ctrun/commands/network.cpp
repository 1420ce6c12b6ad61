// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// network: what a running container has, and changes of it.
#include <array>
#include <iostream>

#include "../json.hpp"
#include "../table.hpp"
#include "commands.hpp"

namespace ctrun {

namespace {

/// The one device of a network that an option has described, and its routes.
void attach(ct::Container& container, const ct::Network& network) {
    for (const ct::NetworkDevice& device : network.devices) container.attach_network(device);
    for (const ct::Route& route : network.routes) container.attach_route(route);
}

Json to_json(const ct::AddressState& state) {
    const auto seconds = [](const std::optional<std::chrono::seconds>& time) {
        return time ? Json(time->count()) : Json();
    };
    constexpr std::array scopes{"global", "site", "link", "host"};
    return {{"address", state.address.address},
            {"peer", state.address.peer},
            {"scope", scopes.at(static_cast<std::size_t>(state.scope))},
            {"valid_s", seconds(state.address.valid)},
            {"preferred_s", seconds(state.address.preferred)},
            {"tentative", state.tentative},
            {"duplicate", state.duplicate},
            {"deprecated", state.deprecated}};
}

Json to_json(const ct::Traffic& traffic) {
    return {{"bytes", traffic.bytes},
            {"packets", traffic.packets},
            {"errors", traffic.errors},
            {"dropped", traffic.dropped}};
}

Json to_json(const ct::LinkState& link) {
    Json addresses = Json::array();
    for (const ct::AddressState& address : link.addresses) addresses.push_back(to_json(address));
    return {{"index", link.index},
            {"name", link.name},
            {"kind", link.kind},
            {"mac", link.mac},
            {"mtu", link.mtu},
            {"up", link.up},
            {"carrier", link.carrier},
            {"state", link.state},
            {"peer", link.peer},
            {"master", link.master},
            {"addresses", std::move(addresses)},
            {"received", to_json(link.received)},
            {"sent", to_json(link.sent)}};
}

Json to_json(const ct::RouteState& state) {
    Json hops = Json::array();
    for (const ct::NextHop& hop : state.route.next_hops) {
        hops.push_back({{"gateway", hop.gateway}, {"device", hop.device}, {"weight", hop.weight}});
    }
    return {{"destination", state.route.destination},
            {"gateway", state.route.gateway},
            {"device", state.route.device},
            {"source", state.route.source},
            {"metric", state.route.metric ? Json(*state.route.metric) : Json()},
            {"table", state.route.table},
            {"type", state.type},
            {"protocol", state.protocol},
            {"ipv6", state.ipv6},
            {"next_hops", std::move(hops)}};
}

Json to_json(const ct::RuleState& state) {
    return {{"priority", state.rule.priority.value_or(0)},
            {"from", state.rule.from},
            {"to", state.rule.to},
            {"input", state.rule.input},
            {"output", state.rule.output},
            {"mark", state.rule.mark ? Json(*state.rule.mark) : Json()},
            {"action", state.action},
            {"table", state.rule.table},
            {"ipv6", state.rule.ipv6}};
}

Json to_json(const ct::NeighbourState& state) {
    return {{"device", state.neighbour.device},
            {"address", state.neighbour.address},
            {"mac", state.neighbour.mac},
            {"state", state.state}};
}

template <typename List>
Json list_to_json(const List& list) {
    Json json = Json::array();
    for (const auto& each : list) json.push_back(to_json(each));
    return json;
}

std::string or_dash(const std::string& text) {
    return text.empty() ? "-" : text;
}

void print(const ct::NetworkState& state) {
    Table links({"LINK", "KIND", "STATE", "MAC", "MTU", "ADDRESS", "RECEIVED", "SENT"});
    for (const ct::LinkState& link : state.links) {
        const auto bytes = [](const ct::Traffic& traffic) { return std::to_string(traffic.bytes); };
        std::vector<std::string> row{link.name,
                                     or_dash(link.kind),
                                     link.up ? link.state : "down",
                                     or_dash(link.mac),
                                     std::to_string(link.mtu),
                                     "-",
                                     bytes(link.received),
                                     bytes(link.sent)};
        if (!link.addresses.empty()) row[5] = link.addresses.front().address.address;
        links.add(row);
        for (std::size_t i = 1; i < link.addresses.size(); ++i) {
            links.add({"", "", "", "", "", link.addresses[i].address.address, "", ""});
        }
    }
    links.print(std::cout);
    Table routes({"ROUTE", "VIA", "DEVICE", "METRIC"});
    for (const ct::RouteState& each : state.routes) {
        const ct::Route& route = each.route;
        if (route.table != 0) continue; // the kernel's own, and others: --json has them
        const std::string metric = route.metric ? std::to_string(*route.metric) : "-";
        const std::string type = each.type == "unicast" ? "" : each.type + " ";
        if (route.next_hops.empty()) {
            routes.add({type + route.destination, or_dash(route.gateway), or_dash(route.device), metric});
        }
        for (const ct::NextHop& hop : route.next_hops) {
            routes.add({type + route.destination, or_dash(hop.gateway), or_dash(hop.device), metric});
        }
    }
    routes.print(std::cout);
}

} // namespace

int execute(const NetworkCommand& command) {
    ct::Session session = open_session();
    ct::Container container = session.open(command.name);
    for (const ct::Route& route : command.removed_routes) container.detach_route(route);
    for (const std::string& device : command.removed_devices) container.detach_network(device);
    attach(container, command.added);
    const bool changes =
        !command.removed_routes.empty() || !command.removed_devices.empty() || command.added != ct::Network{};
    if (changes) return 0;
    const ct::NetworkState state = container.network();
    if (command.json) {
        print_json({{"links", list_to_json(state.links)},
                    {"routes", list_to_json(state.routes)},
                    {"rules", list_to_json(state.rules)},
                    {"neighbours", list_to_json(state.neighbours)}});
    } else {
        print(state);
    }
    return 0;
}

} // namespace ctrun
