// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// The part of ct/container.hpp about the network.
#include <ct/container.hpp>

#include "base/concat.hpp"
#include "base/subject.hpp"
#include "config/bridge.hpp"
#include "config/names.hpp"
#include "config/network.hpp"
#include "container_core.hpp"
#include "net/requests.hpp"

namespace ct {

Container& Container::add_network(NetworkDevice device) {
    core_->configure([&](Spec& spec) {
        internal::check_network_device(device);
        spec.network.devices.push_back(std::move(device));
    });
    return *this;
}

Container& Container::set_names(Names names) {
    core_->configure([&](Spec& spec) {
        internal::check_names(names);
        spec.network.names = std::move(names);
    });
    return *this;
}

Container& Container::add_neighbour(Neighbour neighbour) {
    core_->configure([&](Spec& spec) {
        internal::check_neighbour(neighbour);
        spec.network.neighbours.push_back(std::move(neighbour));
    });
    return *this;
}

Container& Container::add_route(Route route) {
    core_->configure([&](Spec& spec) {
        internal::check_route(route);
        spec.network.routes.push_back(std::move(route));
    });
    return *this;
}

Container& Container::add_rule(Rule rule) {
    core_->configure([&](Spec& spec) {
        internal::check_rule(rule);
        spec.network.rules.push_back(std::move(rule));
    });
    return *this;
}

Container& Container::add_bridge(Bridge bridge) {
    core_->configure([&](Spec& spec) {
        internal::check_bridge(bridge);
        spec.network.bridges.push_back(std::move(bridge));
    });
    return *this;
}

Container& Container::publish(PublishedPort port) {
    core_->configure([&](Spec& spec) {
        internal::check_port(port);
        spec.network.ports.push_back(std::move(port));
    });
    return *this;
}

Container& Container::leave_loopback_down() {
    core_->configure([](Spec& spec) { spec.network.loopback_up = false; });
    return *this;
}

void Container::attach_network(const NetworkDevice& device) {
    core_->attach_network(device);
}

void Container::detach_network(const std::string& device) {
    core_->detach_network(device);
}

namespace {

using internal::concat;

/// Checks the shape of what is to be changed, and changes it.
template <typename Check, typename Make>
void change(internal::ContainerCore& core, const Check& check, const Make& make, std::string_view action,
            std::string_view path) {
    internal::with_subject(concat("container '", core.name(), "'"), check);
    core.change_network(make(), action, path);
}

/// As at a start: the device comes last, if one is named.
std::string action_on(std::string_view what, const Route& route) {
    return route.device.empty() ? concat(what, " route") : concat(what, " route '", internal::describe(route), "' on");
}
std::string subject_of(const Route& route) {
    return route.device.empty() ? internal::describe(route) : route.device;
}

} // namespace

void Container::attach_address(const std::string& device, const Address& address) {
    change(
        *core_, [&] { internal::check_link_address(device, address); },
        [&] { return internal::add_address(device, address); }, concat("add address '", address.address, "' to"),
        device);
}

void Container::detach_address(const std::string& device, const Address& address) {
    change(
        *core_, [&] { internal::check_link_address(device, address); },
        [&] { return internal::remove_address(device, address); },
        concat("remove address '", address.address, "' from"), device);
}

void Container::attach_neighbour(const Neighbour& neighbour) {
    change(
        *core_, [&] { internal::check_neighbour(neighbour); }, [&] { return internal::add_neighbour(neighbour); },
        concat("add neighbour '", neighbour.address, "' on"), neighbour.device);
}

void Container::detach_neighbour(const Neighbour& neighbour) {
    change(
        *core_, [&] { internal::check_neighbour(neighbour); }, [&] { return internal::remove_neighbour(neighbour); },
        concat("remove neighbour '", neighbour.address, "' on"), neighbour.device);
}

void Container::attach_route(const Route& route) {
    change(
        *core_, [&] { internal::check_route(route); }, [&] { return internal::add_route(route); },
        action_on("add", route), subject_of(route));
}

void Container::detach_route(const Route& route) {
    const auto check = [&] {
        Route complete = route; // any way will do
        if (route.gateway.empty() && route.next_hops.empty() && route.type == RouteType::Unicast)
            complete.device = "lo";
        internal::check_route(complete);
    };
    change(
        *core_, check, [&] { return internal::remove_route(route); }, action_on("remove", route), subject_of(route));
}

void Container::attach_rule(const Rule& rule) {
    change(
        *core_, [&] { internal::check_rule(rule); }, [&] { return internal::add_rule(rule); }, "add rule",
        internal::describe(rule));
}

void Container::detach_rule(const Rule& rule) {
    change(
        *core_, [&] { internal::check_rule(rule); }, [&] { return internal::remove_rule(rule); }, "remove rule",
        internal::describe(rule));
}

NetworkState Container::network() {
    return core_->network();
}

} // namespace ct
