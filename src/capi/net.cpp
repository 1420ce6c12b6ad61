// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "capi/net.hpp"

#include <linux/sched.h>

#include <algorithm>

#include <ct/error.hpp>
#include <ct/export.hpp>

#include "base/concat.hpp"
#include "capi/container.hpp"
#include "capi/guard.hpp"

namespace ct::capi {

namespace {

std::vector<Address> addresses_of(const LinkRequest& request) {
    std::vector<Address> addresses;
    for (const std::string& address : request.addresses) addresses.push_back({.address = address});
    return addresses;
}

std::uint32_t mtu_of(const LinkRequest& request) {
    if (request.mtu >= 0) return static_cast<std::uint32_t>(request.mtu);
    throw Error::invalid_config("network", {internal::concat("there is no MTU of ", request.mtu)});
}

} // namespace

NetworkDevice NetDevice::device() const {
    const LinkRequest own = request();
    if (!own.master.empty()) {
        throw Error(Errc::Unsupported, Stage::Network, "make a device of the container a port of", own.master,
                    "only the host's end of a pair can be one, of a bridge of the host");
    }
    if (type == CT_NET_HOSTNIC) {
        return HostNic{.host_name = host_name, .mac = own.mac, .mtu = mtu_of(own), .addresses = addresses_of(own)};
    }
    const LinkRequest host = peer->request();
    return Veth{.host_name = host_name,
                .container_name = container_name,
                .host_mac = host.mac,
                .container_mac = own.mac,
                .mtu = own.mtu != 0 ? mtu_of(own) : mtu_of(host),
                .bridge = host.master,
                .addresses = addresses_of(own),
                .host_addresses = addresses_of(host)};
}

void Route::add(std::shared_ptr<NextHop> hop) {
    const std::lock_guard lock(mutex_);
    hops_.push_back(std::move(hop));
}

std::vector<std::shared_ptr<NextHop>> Route::hops() const {
    const std::lock_guard lock(mutex_);
    return hops_;
}

ct::Route Route::route() const {
    const std::lock_guard lock(mutex_);
    ct::Route route = route_;
    for (const auto& next : hops_) {
        ct::NextHop hop = next->hop();
        if (hop.device.empty()) hop.device = route_.device;
        route.next_hops.push_back(std::move(hop));
    }
    if (route.next_hops.size() == 1) {
        route.gateway = route.next_hops.front().gateway;
        route.device = route.next_hops.front().device;
        route.next_hops.clear();
    } else if (!route.next_hops.empty()) {
        route.device.clear();
    }
    return route;
}

void forget(const NetDevice& device) noexcept {
    remove_object(device.handle);
    if (device.peer) remove_object(device.peer->handle);
}

void forget(const Route& route) noexcept {
    for (const auto& hop : route.hops()) remove_object(hop->handle);
    remove_object(route.handle);
}

void drop_network(Config& config) noexcept {
    for (const auto& device : config.net_devices) forget(*device);
    for (const auto& route : config.routes) forget(*route);
    config.net_devices.clear();
    config.routes.clear();
    config.base.network = {};
}

namespace {

/// The names of a device; both empty if the argument has none.
std::pair<std::string, std::string> names_of(ct_net_type type, const void* arg) {
    require(type == CT_NET_HOSTNIC || type == CT_NET_VETH, LCTERR_BADTYPE, "there is no such type of device");
    require(arg != nullptr, LCTERR_BADARG, "the device has no name");
    if (type == CT_NET_HOSTNIC) {
        const std::string name = static_cast<const char*>(arg);
        return {name, name};
    }
    const auto& names = *static_cast<const ct_net_veth_arg*>(arg);
    require(names.host_name != nullptr && names.ct_name != nullptr, LCTERR_BADARG, "the pair lacks a name");
    return {names.host_name, names.ct_name};
}

template <typename Change>
int change_link(ct_net_t n, const char* text, const Change& change) {
    return guard([&] {
        const auto device = get(n);
        require(text != nullptr, LCTERR_INVARG, "an argument is NULL");
        device->change([&](LinkRequest& request) { change(request, std::string(text)); });
    });
}

template <typename Handle, typename Change>
int change_text(Handle handle, const char* text, const Change& change) {
    return guard([&] {
        const auto object = get(handle);
        require(text != nullptr, LCTERR_INVARG, "an argument is NULL");
        object->change([&](auto& value) { change(value) = text; });
    });
}

} // namespace

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT ct_net_t libct_net_add(ct_handler_t ct, enum ct_net_type ntype, void* arg) {
    return guard_handle([&]() -> ct_net_t {
        ct_net_t added = nullptr;
        get(ct)->configure([&](Config& config) {
            require(config.makes(CLONE_NEWNET), LCTERR_NONS, "there is no new network namespace");
            if (ntype == CT_NET_NONE) return;
            auto [host_name, container_name] = names_of(ntype, arg);
            auto device = std::make_shared<NetDevice>(ntype, host_name, container_name);
            config.net_devices.reserve(config.net_devices.size() + 1);
            if (ntype == CT_NET_VETH) {
                device->peer = std::make_shared<NetDevice>(CT_NET_NONE, std::move(host_name), std::string());
                add_handle<ct_net_t>(device->peer);
            }
            added = add_handle<ct_net_t>(device);
            config.net_devices.push_back(std::move(device));
        });
        return added;
    });
}

CT_EXPORT int libct_net_del(ct_handler_t ct, enum ct_net_type ntype, void* arg) {
    return guard([&] {
        get(ct)->configure([&](Config& config) {
            if (ntype == CT_NET_NONE) return;
            const std::string name = names_of(ntype, arg).first;
            auto& devices = config.net_devices;
            const auto found = std::find_if(devices.begin(), devices.end(), [&](const auto& device) {
                return device->type == ntype && device->host_name == name;
            });
            require(found != devices.end(), LCTERR_NOTFOUND, "there is no such device");
            forget(**found);
            devices.erase(found);
        });
    });
}

CT_EXPORT ct_net_t libct_net_dev_get_peer(ct_net_t n) {
    return guard_handle([&] {
        const auto device = get(n);
        require(device->peer != nullptr, LCTERR_BADARG, "the device has no other end");
        return static_cast<ct_net_t>(device->peer->handle);
    });
}

CT_EXPORT int libct_net_dev_set_mac_addr(ct_net_t n, const char* addr) {
    return change_link(n, addr, [](LinkRequest& request, std::string text) { request.mac = std::move(text); });
}

CT_EXPORT int libct_net_dev_set_master(ct_net_t n, const char* master) {
    return change_link(n, master, [](LinkRequest& request, std::string text) { request.master = std::move(text); });
}

CT_EXPORT int libct_net_dev_add_ip_addr(ct_net_t n, const char* addr) {
    return change_link(n, addr,
                       [](LinkRequest& request, std::string text) { request.addresses.push_back(std::move(text)); });
}

CT_EXPORT int libct_net_dev_set_mtu(ct_net_t n, int mtu) {
    return guard([&] { get(n)->change([&](LinkRequest& request) { request.mtu = mtu; }); });
}

CT_EXPORT ct_net_route_t libct_net_route_add(ct_handler_t ct) {
    return guard_handle([&] {
        return get(ct)->change([](Config& config, ct_state) {
            auto route = std::make_shared<Route>();
            config.routes.push_back(route);
            return add_handle<ct_net_route_t>(std::move(route));
        });
    });
}

CT_EXPORT int libct_net_route_set_src(ct_net_route_t r, const char* src) {
    return guard([&] {
        const auto route = get(r);
        require(src != nullptr, LCTERR_INVARG, "an argument is NULL");
        std::string address = src;
        // The first libct took a prefix; that of one address is the address.
        if (address.ends_with("/32") && address.find(':') == std::string::npos) address.resize(address.size() - 3);
        if (address.ends_with("/128")) address.resize(address.size() - 4);
        route->change([&](ct::Route& value) { value.source = std::move(address); });
    });
}

CT_EXPORT int libct_net_route_set_dst(ct_net_route_t r, const char* dst) {
    return change_text(r, dst, [](ct::Route& route) -> std::string& { return route.destination; });
}

CT_EXPORT int libct_net_route_set_dev(ct_net_route_t r, const char* dev) {
    return change_text(r, dev, [](ct::Route& route) -> std::string& { return route.device; });
}

CT_EXPORT ct_net_route_nh_t libct_net_route_add_nh(ct_net_route_t r) {
    return guard_handle([&] {
        const auto route = get(r);
        const auto hop = std::make_shared<NextHop>();
        route->add(hop);
        return add_handle<ct_net_route_nh_t>(hop);
    });
}

CT_EXPORT int libct_net_route_nh_set_gw(ct_net_route_nh_t nh, const char* gw) {
    return change_text(nh, gw, [](ct::NextHop& hop) -> std::string& { return hop.gateway; });
}

CT_EXPORT int libct_net_route_nh_set_dev(ct_net_route_nh_t nh, const char* dev) {
    return change_text(nh, dev, [](ct::NextHop& hop) -> std::string& { return hop.device; });
}

} // extern "C"
