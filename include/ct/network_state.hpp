// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ct/network.hpp>

/// The network of a running container as the kernel has it, see Container::network(). Words such as the state of a link
/// are those of ip(8).
namespace ct {

struct AddressState {
    Address address = {}; ///< Its scope is set for IPv4 only, its lifetimes are what is left of them.
    Scope scope = Scope::Global;
    bool tentative = false;  ///< IPv6: the kernel still asks whether somebody else has it.
    bool duplicate = false;  ///< IPv6: somebody else has it; it cannot be used.
    bool deprecated = false; ///< Not used for new connections any more.
    bool operator==(const AddressState&) const = default;
};

/// What has come or gone by a link since it was made.
struct Traffic {
    std::uint64_t bytes = 0;
    std::uint64_t packets = 0;
    std::uint64_t errors = 0;
    std::uint64_t dropped = 0;
    bool operator==(const Traffic&) const = default;
};

struct LinkState {
    int index = 0;
    std::string name = {};
    std::string kind = {}; ///< "veth", "macvlan", ...; empty for hardware and the loopback device.
    std::string mac = {};  ///< Empty if it has none.
    std::uint32_t mtu = 0;
    bool up = false;        ///< Somebody has brought it up.
    bool carrier = false;   ///< It can send: what it hangs on is up, too.
    std::string state = {}; ///< "up", "down", "lowerlayerdown", "dormant", ...; "unknown" for drivers that do not tell.
    int peer = 0;           ///< The index of the other end or of the parent, often in another namespace; 0: none.
    std::string master = {}; ///< The bridge or the like whose port it is.
    std::vector<AddressState> addresses = {};
    Traffic received = {};
    Traffic sent = {};
    bool operator==(const LinkState&) const = default;
};

struct RouteState {
    Route route = {};          ///< Its type is meaningful if `type` is one that a Route can have.
    std::string type = {};     ///< "unicast", "local", "broadcast", ...
    std::string protocol = {}; ///< Who has made it: "static", "kernel", "ra", ...
    bool ipv6 = false;
    bool operator==(const RouteState&) const = default;
};

struct RuleState {
    Rule rule = {};          ///< Its action is meaningful if `action` is one that a Rule can have.
    std::string action = {}; ///< "table", "blackhole", "goto", ...
    bool operator==(const RuleState&) const = default;
};

struct NeighbourState {
    Neighbour neighbour = {};
    std::string state = {}; ///< "permanent", "reachable", "stale", ...
    bool operator==(const NeighbourState&) const = default;
};

/// One picture of each table; the tables are read one after the other.
struct NetworkState {
    std::vector<LinkState> links = {};
    std::vector<RouteState> routes = {}; ///< Of all tables. That of the main one is 0, as in Route.
    std::vector<RuleState> rules = {};
    std::vector<NeighbourState> neighbours = {}; ///< Without multicast and the like, which need none.
    bool operator==(const NetworkState&) const = default;
};

} // namespace ct
