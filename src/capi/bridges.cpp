// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/sched.h>

#include <limits>
#include <utility>

#include <ct/bridge.hpp>
#include <ct/export.hpp>
#include <ct/network.hpp>

#include "capi/change_network.hpp"

namespace ct::capi {

namespace {

std::uint16_t port_of(unsigned number) {
    const bool valid = number > 0 && number <= std::numeric_limits<std::uint16_t>::max();
    require(valid, LCTERR_BADARG, "a port is not between 1 and 65535");
    return static_cast<std::uint16_t>(number);
}

} // namespace

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_net_loopback_up(ct_handler_t ct) {
    return guard([&] {
        get(ct)->configure([](Config& config) {
            require(config.makes(CLONE_NEWNET), LCTERR_NONS, "there is no new network namespace");
            config.loopback_up = true;
        });
    });
}

CT_EXPORT int libct_net_add_bridge(ct_handler_t ct, const struct libct_bridge* bridge) {
    return change_network(ct, bridge, [](ct::Network& network, const libct_bridge& given) {
        require(given.name != nullptr, LCTERR_BADARG, "the bridge has no name");
        network.bridges.push_back(
            {.name = given.name, .addresses = text_list(given.addresses), .mtu = given.mtu, .nat = given.nat != 0});
    });
}

CT_EXPORT int libct_net_add_veth(ct_handler_t ct, const struct libct_veth* veth) {
    return change_network(ct, veth, [](ct::Network& network, const libct_veth& given) {
        ct::Veth added{.host_name = text_or(given.host_name),
                       .container_name = text_or(given.container_name, "eth0"),
                       .host_mac = text_or(given.host_mac),
                       .container_mac = text_or(given.container_mac),
                       .mtu = given.mtu,
                       .bridge = text_or(given.bridge),
                       .lease = given.lease != 0};
        for (std::string& address : text_list(given.addresses))
            added.addresses.push_back({.address = std::move(address)});
        network.devices.emplace_back(std::move(added));
    });
}

CT_EXPORT int libct_net_publish(ct_handler_t ct, const struct libct_port* port) {
    return change_network(ct, port, [](ct::Network& network, const libct_port& given) {
        network.ports.push_back({.host_port = port_of(given.host_port),
                                 .container_port = port_of(given.container_port),
                                 .count = given.count == 0 ? std::uint16_t{1} : port_of(given.count),
                                 .protocol = given.udp != 0 ? ct::Protocol::Udp : ct::Protocol::Tcp,
                                 .host_address = text_or(given.host_address)});
    });
}

} // extern "C"
