// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <map>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cerrno>

#include "base/concat.hpp"
#include "config/network.hpp"
#include "config/validate.hpp"
#include "net/requests.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

namespace {

/// The requests that the child sends, in the network namespace that it is in.
class Requests {
public:
    explicit Requests(Plan& plan) : plan_(plan) {}

    /// From now on \p device can be referred to.
    void find(const std::string& device) {
        auto* const index = plan_.make<std::int32_t>();
        indexes_[device] = index;
        const char* const name = plan_.text(device);
        plan_.steps.add(Op::FindLink, FindLinkArgs{name, index}, {Stage::Network, "find the link", name});
    }

    void add(const Message& message, const StepInfo& info) {
        std::vector<LinkIndex> links;
        for (const LinkReference& reference : message.references()) {
            links.push_back({static_cast<std::uint32_t>(reference.offset), index_of(reference.device)});
        }
        const auto bytes = message.bytes();
        plan_.steps.add(Op::Netlink,
                        NetlinkArgs{plan_.bytes(bytes.data(), bytes.size()), static_cast<std::uint32_t>(bytes.size()),
                                    plan_.array(links), static_cast<std::uint32_t>(links.size())},
                        info);
    }

private:
    const std::int32_t* index_of(std::string_view device) {
        const auto found = indexes_.find(device);
        if (found != indexes_.end()) return found->second;
        auto* const index = plan_.make<std::int32_t>(); // "lo": the rest was refused by network_violations()
        *index = 1;                                     // always
        return indexes_[std::string(device)] = index;
    }

    Plan& plan_;
    std::map<std::string, std::int32_t*, std::less<>> indexes_;
};

/// Brings up "lo", as bring_up() would, for those who have nothing else.
void plan_loopback(Plan& plan) {
    struct {
        nlmsghdr header;
        ifinfomsg link;
    } message{};
    message.header = {sizeof message, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, 0, 0};
    message.link.ifi_index = 1; // always
    message.link.ifi_flags = message.link.ifi_change = IFF_UP;
    plan.steps.add(Op::Netlink, NetlinkArgs{plan.bytes(&message, sizeof message), sizeof message, nullptr, 0},
                   {Stage::Network, "bring up", "lo"});
}

void plan_device(Plan& plan, Requests& requests, const NetworkDevice& device) {
    const std::string& name = container_name_of(device);
    const char* const path = plan.text(name);
    if (const auto* const dummy = std::get_if<Dummy>(&device)) {
        requests.add(make_dummy(*dummy), {Stage::Network, "create the dummy", path});
    }
    requests.find(name);
    requests.add(bring_up(name), {Stage::Network, "bring up", path});
    for (const Address& address : addresses_of(device)) {
        requests.add(add_address(name, address),
                     {Stage::Network, plan.text("add address '", address.address, "' to"), path});
    }
}

} // namespace

void plan_network(Plan& plan, const Spec& spec) {
    if (!makes_namespace(spec, Namespace::Net)) return;
    const Network& network = spec.network;
    const bool configured = has_network(network);
    if (!network.loopback_up && !configured) return;
    plan.steps.add(Op::OpenNetlink, {Stage::Network, "open a netlink socket"});
    if (network.loopback_up) plan_loopback(plan);
    if (!configured) return;
    Requests requests(plan);
    for (const NetworkDevice& device : network.devices) plan_device(plan, requests, device);
    for (const Neighbour& neighbour : network.neighbours) {
        requests.add(add_neighbour(neighbour), {Stage::Network, plan.text("add neighbour '", neighbour.address, "' on"),
                                                plan.text(neighbour.device)});
    }
    for (const Route& route : network.routes) {
        const std::string text = describe(route);
        // The device comes last, if one is named.
        requests.add(add_route(route),
                     route.device.empty()
                         ? StepInfo{Stage::Network, "add route", plan.text(text)}
                         : StepInfo{Stage::Network, plan.text("add route '", text, "' on"), plan.text(route.device)});
    }
    for (const Rule& rule : network.rules) {
        requests.add(add_rule(rule), {Stage::Network, "add rule", plan.text(describe(rule))});
    }
}

std::string network_hint(std::string_view said, std::string_view action, int error) {
    std::string clause = said.empty() ? "" : concat("(", said, ")");
    std::string_view more;
    if (error == EPERM) more = "needs CAP_NET_ADMIN in the user namespace that owns the network namespace";
    if (error == EOPNOTSUPP && action.starts_with("create")) {
        more = "this kernel has no such links, neither built in nor as a module that is there";
    }
    if (error == ENETDOWN && action == "bring up") more = "the link of the host that it is on is down";
    if (!more.empty()) clause += concat(clause.empty() ? "" : "; ", more);
    return clause;
}

} // namespace ct::internal
