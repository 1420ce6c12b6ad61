// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <ct/network.hpp>

#include "state/fields.hpp"

/// The fields of a network; see spec_fields.hpp.
namespace ct::internal {

template <>
struct Words<Scope> {
    static constexpr std::array<std::string_view, 4> list{"global", "site", "link", "host"};
};
template <>
struct Words<MacvlanMode> {
    static constexpr std::array<std::string_view, 4> list{"bridge", "private", "vepa", "passthru"};
};
template <>
struct Words<IpvlanMode> {
    static constexpr std::array<std::string_view, 3> list{"l2", "l3", "l3s"};
};
template <>
struct Words<Protocol> {
    static constexpr std::array<std::string_view, 2> list{"tcp", "udp"};
};
template <>
struct Words<RouteType> {
    static constexpr std::array<std::string_view, 4> list{"unicast", "blackhole", "unreachable", "prohibit"};
};
template <>
struct Words<RuleAction> {
    static constexpr std::array<std::string_view, 4> list{"table", "blackhole", "unreachable", "prohibit"};
};

template <>
struct Fields<Address> {
    static constexpr std::tuple list{
        field("address", &Address::address), field("peer", &Address::peer),           field("scope", &Address::scope),
        field("valid", &Address::valid),     field("preferred", &Address::preferred), field("no_dad", &Address::no_dad),
    };
};
template <>
struct Fields<Veth> {
    static constexpr const char* name = "veth";
    static constexpr std::tuple list{
        field("host_name", &Veth::host_name),
        field("container_name", &Veth::container_name),
        field("host_mac", &Veth::host_mac),
        field("container_mac", &Veth::container_mac),
        field("mtu", &Veth::mtu),
        field("bridge", &Veth::bridge),
        field("addresses", &Veth::addresses),
        field("lease", &Veth::lease),
        field("host_addresses", &Veth::host_addresses),
    };
};
template <>
struct Fields<Macvlan> {
    static constexpr const char* name = "macvlan";
    static constexpr std::tuple list{
        field("parent", &Macvlan::parent), field("container_name", &Macvlan::container_name),
        field("mode", &Macvlan::mode),     field("mac", &Macvlan::mac),
        field("mtu", &Macvlan::mtu),       field("addresses", &Macvlan::addresses),
    };
};
template <>
struct Fields<Ipvlan> {
    static constexpr const char* name = "ipvlan";
    static constexpr std::tuple list{
        field("parent", &Ipvlan::parent),       field("container_name", &Ipvlan::container_name),
        field("mode", &Ipvlan::mode),           field("mtu", &Ipvlan::mtu),
        field("addresses", &Ipvlan::addresses),
    };
};
template <>
struct Fields<Vlan> {
    static constexpr const char* name = "vlan";
    static constexpr std::tuple list{
        field("parent", &Vlan::parent), field("id", &Vlan::id),   field("container_name", &Vlan::container_name),
        field("mac", &Vlan::mac),       field("mtu", &Vlan::mtu), field("addresses", &Vlan::addresses),
    };
};
template <>
struct Fields<Dummy> {
    static constexpr const char* name = "dummy";
    static constexpr std::tuple list{
        field("container_name", &Dummy::container_name),
        field("mac", &Dummy::mac),
        field("mtu", &Dummy::mtu),
        field("addresses", &Dummy::addresses),
    };
};
template <>
struct Fields<HostNic> {
    static constexpr const char* name = "host_nic";
    static constexpr std::tuple list{
        field("host_name", &HostNic::host_name),
        field("container_name", &HostNic::container_name),
        field("mac", &HostNic::mac),
        field("mtu", &HostNic::mtu),
        field("keep_addresses", &HostNic::keep_addresses),
        field("addresses", &HostNic::addresses),
    };
};
template <>
struct Fields<Neighbour> {
    static constexpr std::tuple list{
        field("device", &Neighbour::device),
        field("address", &Neighbour::address),
        field("mac", &Neighbour::mac),
    };
};
template <>
struct Fields<NextHop> {
    static constexpr std::tuple list{
        field("gateway", &NextHop::gateway),
        field("device", &NextHop::device),
        field("weight", &NextHop::weight),
        field("on_link", &NextHop::on_link),
    };
};
template <>
struct Fields<Route> {
    static constexpr std::tuple list{
        field("destination", &Route::destination),
        field("gateway", &Route::gateway),
        field("device", &Route::device),
        field("source", &Route::source),
        field("metric", &Route::metric),
        field("table", &Route::table),
        field("mtu", &Route::mtu),
        field("scope", &Route::scope),
        field("on_link", &Route::on_link),
        field("type", &Route::type),
        field("next_hops", &Route::next_hops),
    };
};
template <>
struct Fields<Rule> {
    static constexpr std::tuple list{
        field("from", &Rule::from),         field("to", &Rule::to),         field("input", &Rule::input),
        field("output", &Rule::output),     field("mark", &Rule::mark),     field("mark_mask", &Rule::mark_mask),
        field("priority", &Rule::priority), field("action", &Rule::action), field("table", &Rule::table),
        field("ipv6", &Rule::ipv6),
    };
};
template <>
struct Fields<Bridge> {
    static constexpr std::tuple list{
        field("name", &Bridge::name),
        field("addresses", &Bridge::addresses),
        field("mtu", &Bridge::mtu),
        field("nat", &Bridge::nat),
    };
};
template <>
struct Fields<PublishedPort> {
    static constexpr std::tuple list{
        field("host_port", &PublishedPort::host_port),
        field("container_port", &PublishedPort::container_port),
        field("count", &PublishedPort::count),
        field("protocol", &PublishedPort::protocol),
        field("host_address", &PublishedPort::host_address),
    };
};
template <>
struct Fields<HostEntry> {
    static constexpr std::tuple list{
        field("address", &HostEntry::address),
        field("names", &HostEntry::names),
    };
};
template <>
struct Fields<Names> {
    static constexpr std::tuple list{
        field("servers", &Names::servers),           field("search", &Names::search),
        field("options", &Names::options),           field("hosts", &Names::hosts),
        field("host_entries", &Names::host_entries), field("writable", &Names::writable),
    };
};
template <>
struct Fields<Network> {
    static constexpr std::tuple list{
        field("loopback_up", &Network::loopback_up),
        field("devices", &Network::devices),
        field("neighbours", &Network::neighbours),
        field("routes", &Network::routes),
        field("rules", &Network::rules),
        field("bridges", &Network::bridges),
        field("ports", &Network::ports),
        field("names", &Network::names),
    };
};

} // namespace ct::internal
