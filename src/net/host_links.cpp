// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "net/host_links.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <type_traits>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "config/bridge.hpp"
#include "config/network.hpp"
#include "net/link_view.hpp"
#include "net/random.hpp"
#include "net/requests.hpp"

namespace ct::internal {

namespace {

std::string_view hint_of(int error, bool is_veth) {
    switch (error) {
    case EPERM: return "needs CAP_NET_ADMIN in the host's network namespace";
    case EOPNOTSUPP: return "this kernel has no such links, neither built in nor as a module that is there";
    case EEXIST: return is_veth ? "the name is taken" : "";
    default: return {};
    }
}

/// Whether it is made by this class.
bool is_made(const NetworkDevice& device) {
    return !std::holds_alternative<Dummy>(device) && !std::holds_alternative<HostNic>(device);
}

} // namespace

bool HostLinks::needed(const Network& network) noexcept {
    return std::any_of(network.devices.begin(), network.devices.end(), is_made);
}

HostLinks::HostLinks(const Network& network) {
    for (const NetworkDevice& device : network.devices) {
        if (is_made(device)) planned_.push_back(plan(network, device));
    }
}

HostLinks::Planned HostLinks::plan(const Network& network, const NetworkDevice& device) {
    Planned planned{device};
    if (const auto* const veth = std::get_if<Veth>(&device)) {
        planned.host = {veth->host_name, veth->host_mac};
        if (planned.host.name.empty()) planned.host.name = random_link_name("veth");
        // A bridge takes the lowest of its ports' for its own, which had better not change with the containers.
        if (planned.host.mac.empty()) planned.host.mac = random_mac(0xfe);
        const bool ours = bridged_veth(network, device) != nullptr;
        planned.reflects = ours && !network.ports.empty();
        if (ours && veth->mtu == 0) std::get<Veth>(planned.device).mtu = find_bridge(network, veth->bridge)->mtu;
        if (!veth->bridge.empty() && !ours) planned.link = find(veth->bridge, "use the bridge", "bridge");
        return planned;
    }
    std::visit(
        [&](const auto& each) {
            if constexpr (requires { each.parent; }) planned.link = find(each.parent, "use the host's link", "");
        },
        device);
    return planned;
}

int HostLinks::find(const std::string& name, std::string_view action, std::string_view kind) {
    sys::fault_point(Stage::Network, action, name);
    const int index = socket_.find_index(name);
    if (index == 0) throw sys::error(ENODEV, Stage::Network, action, name);
    if (!kind.empty() && socket_.find_driver(name) != kind) {
        throw sys::error(EINVAL, Stage::Network, action, name, concat("it is no ", kind));
    }
    return index;
}

std::vector<std::pair<std::string, HostLink>> HostLinks::on_bridges(const Network& network) const {
    std::vector<std::pair<std::string, HostLink>> links;
    for (const Planned& planned : planned_) {
        if (const Veth* const veth = bridged_veth(network, planned.device))
            links.emplace_back(veth->bridge, planned.host);
    }
    return links;
}

void HostLinks::set_bridge(const std::string& name, int index) {
    for (Planned& planned : planned_) {
        const auto* const veth = std::get_if<Veth>(&planned.device);
        if (veth != nullptr && veth->bridge == name) planned.link = index;
    }
}

std::vector<HostLink> HostLinks::planned() const {
    std::vector<HostLink> links;
    for (const Planned& planned : planned_) {
        if (!planned.host.name.empty()) links.push_back(planned.host);
    }
    return links;
}

void HostLinks::create(LinkTarget inside) {
    for (const Planned& planned : planned_) create(planned, inside);
}

void HostLinks::take_over(HostLinks& other) {
    created_.insert(created_.end(), other.created_.begin(), other.created_.end());
    other.created_.clear();
}

void HostLinks::create(const Planned& planned, LinkTarget inside) {
    const auto* const veth = std::get_if<Veth>(&planned.device);
    const std::string& name = container_name_of(planned.device);
    const std::string action = veth != nullptr ? concat("create the veth pair of '", name, "' and on the host")
                                               : concat("create the ", kind_of(planned.device));
    const std::string& path = veth != nullptr ? planned.host.name : name;
    sys::fault_point(Stage::Network, action, path);
    const Message message = std::visit(
        [&]<typename Device>(const Device& device) {
            if constexpr (std::is_same_v<Device, Veth>) {
                return make_veth(device, planned.host.name, planned.host.mac, planned.link, inside);
            } else if constexpr (std::is_same_v<Device, Macvlan>) {
                return make_macvlan(device, planned.link, inside);
            } else if constexpr (std::is_same_v<Device, Ipvlan>) {
                return make_ipvlan(device, planned.link, inside);
            } else if constexpr (std::is_same_v<Device, Vlan>) {
                return make_vlan(device, planned.link, inside);
            } else {
                return remove_link(0); // not among the planned ones
            }
        },
        planned.device);
    if (veth != nullptr) created_.reserve(created_.size() + 1);
    const Answer answer = socket_.request(message);
    if (answer.error != 0) {
        throw network_error(answer.error, answer.text, action, path, hint_of(answer.error, veth != nullptr));
    }
    // All others go with the container's namespace, and can be seen nowhere else.
    if (veth == nullptr) return;
    created_.push_back(socket_.find_index(planned.host.name));
    for (const Address& address : veth->host_addresses) add_to_host(address, planned.host.name);
    if (!planned.reflects) return;
    sys::fault_point(Stage::Network, "set up the port", path);
    const Answer set = socket_.request(reflect_at(created_.back()));
    if (set.error != 0) throw network_error(set.error, set.text, "set up the port", path);
}

void HostLinks::add_to_host(const Address& address, const std::string& link) {
    const std::string action = concat("add address '", address.address, "' to");
    sys::fault_point(Stage::Network, action, link);
    Message message = add_address(link, address);
    for (const LinkReference& reference : message.references()) message.set_link(reference, created_.back());
    const Answer answer = socket_.request(message);
    if (answer.error != 0) throw network_error(answer.error, answer.text, action, link);
}

void HostLinks::remove() noexcept {
    for (const int index : created_) {
        try {
            // The kernel may have been faster: then there is none.
            if (index != 0) (void)socket_.request(remove_link(index));
        } catch (const std::bad_alloc&) {
            continue; // it goes with the namespace at the other end
        }
    }
    created_.clear();
}

void remove_links(const std::vector<HostLink>& links) {
    if (links.empty()) return;
    NetlinkSocket socket;
    for (const HostLink& link : links) {
        const std::optional<LinkView> found = find_link(socket, link.name, link.mac);
        if (found) (void)socket.request(remove_link(found->index));
    }
}

} // namespace ct::internal
