// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <ct/bridge.hpp>
#include <ct/export.hpp>

/// The network of a container with a network namespace of its own. Addresses are text as ip(8) takes them; malformed
/// ones are refused by the setters and by start(), before anything is touched.
namespace ct {

/// How far an address or a destination is valid.
enum class Scope : std::uint8_t {
    Global,
    Site, ///< Deprecated by the standards, as the kernel still has it.
    Link,
    Host,
};

/// An address of a link.
struct Address {
    std::string address = {};        ///< "10.0.0.2/24" or "fd00::2/64"; without a length it stands for itself alone.
    std::string peer = {};           ///< The other end of a point-to-point link: an address with or without a length.
    std::optional<Scope> scope = {}; ///< Default: what the kernel takes for the address. IPv4 only.
    /// How long it lasts, and how long new connections use it. Default: for ever.
    std::optional<std::chrono::seconds> valid = {};
    std::optional<std::chrono::seconds> preferred = {};
    /// IPv6: usable at once, without asking on the link whether somebody else has it, which takes a second or two.
    bool no_dad = false;
    bool operator==(const Address&) const = default;
};

/// A pair of links: what goes into one end comes out of the other. The host's end is in the host process's network
/// namespace and is up; it is gone when the container is stopped. Needs CAP_NET_ADMIN on the host.
struct Veth {
    std::string host_name = {}; ///< Empty: a generated one, "veth" and eight hexadecimal digits.
    std::string container_name = "eth0";
    std::string host_mac = {}; ///< "02:00:00:00:00:01"; empty: a random one, as container_mac.
    std::string container_mac = {};
    std::uint32_t mtu = 0;               ///< Of both ends; 0: the kernel's.
    std::string bridge = {};             ///< A bridge of the host whose port the host's end becomes; empty: none.
    std::vector<Address> addresses = {}; ///< Of the container's end.
    /// Also an address of each subnet of the bridge, which has to be one of Network::bridges: a free one, chosen at
    /// each start; and a default route by way of the bridge unless Network::routes has one of that family.
    bool lease = false;
    std::vector<Address> host_addresses = {}; ///< Of the host's end.
    bool operator==(const Veth&) const = default;
};

enum class MacvlanMode : std::uint8_t {
    Bridge,  ///< Those on one parent reach each other directly.
    Private, ///< They do not.
    Vepa,    ///< By way of what is behind the parent.
    Passthru,
};

/// A link with a MAC address of its own on a link of the host. The host itself is not reached through it. Needs
/// CAP_NET_ADMIN on the host, as Ipvlan and Vlan do.
struct Macvlan {
    std::string parent = {}; ///< A link of the host.
    std::string container_name = "eth0";
    MacvlanMode mode = MacvlanMode::Bridge;
    std::string mac = {}; ///< Empty: a random one.
    std::uint32_t mtu = 0;
    std::vector<Address> addresses = {};
    bool operator==(const Macvlan&) const = default;
};

enum class IpvlanMode : std::uint8_t { L2, L3, L3s };

/// A link that shares the MAC address of a link of the host.
struct Ipvlan {
    std::string parent = {};
    std::string container_name = "eth0";
    IpvlanMode mode = IpvlanMode::L2;
    std::uint32_t mtu = 0;
    std::vector<Address> addresses = {};
    bool operator==(const Ipvlan&) const = default;
};

/// The tagged traffic (IEEE 802.1Q) of one VLAN on a link of the host.
struct Vlan {
    std::string parent = {};
    std::uint16_t id = 0; ///< 1 to 4094
    std::string container_name = "eth0";
    std::string mac = {}; ///< Empty: the parent's.
    std::uint32_t mtu = 0;
    std::vector<Address> addresses = {};
    bool operator==(const Vlan&) const = default;
};

/// A link that swallows everything: a place for addresses.
struct Dummy {
    std::string container_name = "dummy0";
    std::string mac = {};
    std::uint32_t mtu = 0;
    std::vector<Address> addresses = {};
    bool operator==(const Dummy&) const = default;
};

/// A link of the host itself, such as a network card, which moves into the container and is not there on the host
/// meanwhile. At the end of the container, however that comes, at a failed start and at Container::detach_network() it
/// moves back: under its own name, with the MAC address, MTU, flags, bridge or bond, addresses and routes that it had.
/// If the name is taken by then it gets another one, and the log says which. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN on
/// the host.
///
/// If the host process is killed, or the container was detached and ends by itself, the next session with the same
/// state directory brings the link back: its namespace is kept until then. That session has to be in the network
/// namespace that the link has come from. Without a state directory the kernel decides: a network card comes to be in
/// the first network namespace of the machine, and what exists in software only is destroyed.
struct HostNic {
    std::string host_name = {};
    std::string container_name = {}; ///< Empty: the same.
    std::string mac = {};            ///< In the container; empty: its own.
    std::uint32_t mtu = 0;           ///< In the container; 0: as it has been.
    bool keep_addresses = false;     ///< It has in the container, too, the addresses that it has on the host.
    std::vector<Address> addresses = {};
    bool operator==(const HostNic&) const = default;
};

using NetworkDevice = std::variant<Veth, Macvlan, Ipvlan, Vlan, Dummy, HostNic>;

/// An entry of the table of neighbours that stays: who has an address on a link.
struct Neighbour {
    std::string device = {};
    std::string address = {};
    std::string mac = {};
    bool operator==(const Neighbour&) const = default;
};

/// One of several ways of a route.
struct NextHop {
    std::string gateway = {}; ///< This or `device` is needed.
    std::string device = {};
    std::uint32_t weight = 1; ///< 1 to 256
    bool on_link = false;     ///< As Route::on_link.
    bool operator==(const NextHop&) const = default;
};

/// What happens to packets of a route.
enum class RouteType : std::uint8_t {
    Unicast,     ///< They are sent on.
    Blackhole,   ///< They vanish.
    Unreachable, ///< The sender is told so.
    Prohibit,    ///< The sender is told that it is forbidden.
};

/// A route. It needs a gateway, a device or next hops, except for those that send nothing on.
struct Route {
    /// "10.9.0.0/16", or "default": 0.0.0.0/0 or ::/0, as the gateway or the source has it.
    std::string destination = "default";
    std::string gateway = {}; ///< May be an IPv6 address for an IPv4 destination.
    std::string device = {};  ///< One of the container's devices, or "lo".
    std::string source = {};  ///< The address that packets from here prefer as theirs.
    std::optional<std::uint32_t> metric = {};
    std::uint32_t table = 0; ///< 0: the main table.
    std::uint32_t mtu = 0;   ///< 0: the device's.
    std::optional<Scope> scope = {};
    bool on_link = false; ///< The gateway is on the device's link, though no address says so.
    RouteType type = RouteType::Unicast;
    std::vector<NextHop> next_hops = {}; ///< Instead of gateway and device: packets are shared out among them.
    bool operator==(const Route&) const = default;
};

/// What happens to packets that a rule selects.
enum class RuleAction : std::uint8_t {
    Table, ///< They are looked up in `table`.
    Blackhole,
    Unreachable,
    Prohibit,
};

/// A rule of policy routing, see ip-rule(8). It selects what fits all that is set.
struct Rule {
    std::string from = {}; ///< "10.0.0.0/24"
    std::string to = {};
    std::string input = {};  ///< The device that packets come in by.
    std::string output = {}; ///< The device that the sender's socket is bound to.
    std::optional<std::uint32_t> mark = {};
    std::uint32_t mark_mask = ~0U;
    std::optional<std::uint32_t> priority = {}; ///< Low ones first. Default: before those that are there.
    RuleAction action = RuleAction::Table;
    std::uint32_t table = 0; ///< 0: the main table.
    bool ipv6 = false;       ///< For IPv6, if neither `from` nor `to` tells.
    bool operator==(const Rule&) const = default;
};

/// A line of /etc/hosts.
struct HostEntry {
    std::string address = {};
    std::vector<std::string> names = {}; ///< The proper one first.
    bool operator==(const HostEntry&) const = default;
};

/// The files by which programs find names: /etc/resolv.conf, /etc/hosts and, with Spec::hostname, /etc/hostname. They
/// are made at every start and bound over those of the root, whose own stay as they are; a symbolic link of that name
/// is covered, not followed. What is missing for the binds is created as for a Mount; and a Mount on one of these paths
/// takes its place. Needs a new Namespace::Mount.
struct Names {
    /// Up to three addresses of name servers. None: what the host's /etc/resolv.conf has. Of that, a server on the
    /// loopback device is left out for a container with another network, and those that the host's systemd-resolved
    /// asks take its place.
    std::vector<std::string> servers = {};
    std::vector<std::string> search = {};  ///< Domains, or "." for none. Default: as the servers, given or the host's.
    std::vector<std::string> options = {}; ///< "ndots:2" and the like, see resolv.conf(5). Default: as the servers.
    /// In /etc/hosts after localhost and the host name, which has the addresses of Network::devices.
    std::vector<HostEntry> hosts = {};
    bool host_entries = false; ///< Also those of the host's /etc/hosts, but for loopback addresses.
    bool writable = false;     ///< The container may change them, for itself and until it ends.
    bool operator==(const Names&) const = default;
};

/// All of it. Everything but `loopback_up` and `names` needs a new Namespace::Net. It is made at every start: the
/// devices with their addresses, the neighbours, the routes and the rules, each in this order; before them the bridges
/// and the published ports of the host. Kernel parameters of the namespace, such as "net.ipv4.ip_forward", are
/// Spec::sysctls.
struct Network {
    bool loopback_up = true; ///< In a new network namespace. One that is joined is left as it is.
    std::vector<NetworkDevice> devices = {};
    std::vector<Neighbour> neighbours = {};
    std::vector<Route> routes = {};
    std::vector<Rule> rules = {};
    std::vector<Bridge> bridges = {};      ///< Of the host; those of other veths have to be there.
    std::vector<PublishedPort> ports = {}; ///< Of the host.
    std::optional<Names> names = {};       ///< Default: the root's own files.
    bool operator==(const Network&) const = default;
};

/// \name Network namespaces with names, as ip-netns(8) makes, lists and enters them
/// See Container::pin_network() for how a container's gets one.
/// @{

/// The file of the one called \p name, there or not: "/run/netns/NAME". By NamespacePath a container joins it.
/// \throws Error with Errc::InvalidConfig for what cannot be a name
[[nodiscard]] CT_EXPORT std::string named_network(const std::string& name);

/// Takes the name away, as `ip netns delete` does; the namespace ends with the last of its users. Nothing happens if
/// there is none of that name. Needs CAP_SYS_ADMIN as Container::pin_network() does.
/// \throws Error with EEXIST if the file of that name is no network namespace
CT_EXPORT void unpin_network(const std::string& name);
/// @}

} // namespace ct
