// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// The part of ct/container.hpp about the network.
#include <ct/container.hpp>

#include "config/bridge.hpp"
#include "config/names.hpp"
#include "config/network.hpp"
#include "container_core.hpp"

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

} // namespace ct
