// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "state/network_record.hpp"

#include <algorithm>

#include <ct/error.hpp>

#include "config/bridge.hpp"
#include "config/subnet.hpp"
#include "state/json.hpp"
#include "state/record_fields.hpp"
#include "state/versioned.hpp"

namespace ct::internal {

template <>
struct Fields<BridgedLink> {
    static constexpr std::tuple list{
        field("bridge", &BridgedLink::bridge),
        field("link", &BridgedLink::link),
        field("addresses", &BridgedLink::addresses),
    };
};
template <>
struct Fields<Forward> {
    static constexpr std::tuple list{
        field("port", &Forward::port),
        field("address", &Forward::address),
    };
};
template <>
struct Fields<Lease> {
    static constexpr std::tuple list{
        field("container", &Lease::container), field("owner", &Lease::owner),
        field("viewpoint", &Lease::viewpoint), field("links", &Lease::links),
        field("forwards", &Lease::forwards),   field("started", &Lease::started),
    };
};
template <>
struct Fields<HostBridge> {
    static constexpr std::tuple list{
        field("described", &HostBridge::described),
        field("made", &HostBridge::made),
        field("last", &HostBridge::last),
        field("own", &HostBridge::own),
    };
};
template <>
struct Fields<SwitchedOn> {
    static constexpr std::tuple list{
        field("file", &SwitchedOn::file),
        field("lost_on", &SwitchedOn::lost_on),
        field("lost_off", &SwitchedOn::lost_off),
    };
};
template <>
struct Fields<NetworkRecord> {
    static constexpr std::tuple list{
        field("boot", &NetworkRecord::boot),
        field("bridges", &NetworkRecord::bridges),
        field("leases", &NetworkRecord::leases),
        field("switched_on", &NetworkRecord::switched_on),
    };
};

namespace {

void check_ip(const std::string& text) {
    const auto address = parse_address(text);
    if (!address || text_of(*address) != text) throw JsonError(concat(": has '", text, "', which is no address"));
}

void check_last(const Bridge& bridge, const std::string& text) {
    check_ip(text);
    const IpAddress last = *parse_address(text);
    const bool leased = std::any_of(bridge.addresses.begin(), bridge.addresses.end(), [&](const std::string& subnet) {
        return number_of(*parse_address(subnet), last).has_value();
    });
    if (!leased) throw JsonError(concat("last: has '", text, "', which is no address of a container"));
}

void check_file(const std::string& file) {
    if (!file.starts_with("net/") || file.find("/../") != std::string::npos) {
        throw JsonError(concat("switched_on: has '", file, "', which is no parameter of a network"));
    }
}

/// What becomes part of commands to the kernel has to be what it looks like.
void check_content(const NetworkRecord& record) {
    for (const HostBridge& bridge : record.bridges) {
        check_bridge(bridge.described);
        for (const std::string& last : bridge.last) check_last(bridge.described, last);
        for (const std::string& own : bridge.own) check_ip(own);
    }
    for (const Lease& lease : record.leases) {
        if (lease.links.empty()) throw JsonError(concat("leases: has one of '", lease.container, "' without links"));
        for (const BridgedLink& link : lease.links) {
            for (const std::string& address : link.addresses) check_ip(address);
        }
        for (const Forward& forward : lease.forwards) {
            check_port(forward.port);
            check_ip(forward.address);
        }
    }
    for (const SwitchedOn& parameter : record.switched_on) {
        check_file(parameter.file);
        for (const std::string& file : parameter.lost_on) check_file(file);
        for (const std::string& file : parameter.lost_off) check_file(file);
    }
}

} // namespace

HostBridge* NetworkRecord::find(std::string_view name) noexcept {
    const auto found = std::find_if(bridges.begin(), bridges.end(),
                                    [&](const HostBridge& each) { return each.described.name == name; });
    return found == bridges.end() ? nullptr : &*found;
}

const Lease* NetworkRecord::user_of(std::string_view bridge) const noexcept {
    const auto found = std::find_if(leases.begin(), leases.end(), [&](const Lease& lease) {
        return std::any_of(lease.links.begin(), lease.links.end(),
                           [&](const BridgedLink& link) { return link.bridge == bridge; });
    });
    return found == leases.end() ? nullptr : &*found;
}

std::string write_network_record(const NetworkRecord& record) {
    return write_versioned(record);
}

NetworkRecord read_network_record(std::string_view text) {
    return read_versioned<NetworkRecord>(text, Stage::Network, check_content);
}

} // namespace ct::internal
