// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "bridge/host_network.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <ct/error.hpp>
#include <ct/state.hpp>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "bridge/bridge_link.hpp"
#include "bridge/host_ports.hpp"
#include "bridge/host_subnets.hpp"
#include "bridge/locked_network.hpp"
#include "bridge/nat_rules.hpp"
#include "bridge/nftables.hpp"
#include "bridge/parameters.hpp"
#include "config/bridge.hpp"
#include "config/network.hpp"
#include "config/subnet.hpp"
#include "net/link_view.hpp"
#include "net/random.hpp"

namespace ct::internal {

namespace {

IpAddress ip(const std::string& text) {
    return parse_address(text).value_or(IpAddress{});
}

Error in_use(int error, std::string_view action, const std::string& path, const Lease& by) {
    return sys::error(error, Stage::Network, action, path, concat("container '", by.container, "' has it"));
}

} // namespace

/// One container's taking, under the lock.
class HostNetwork::Taking {
public:
    Taking(LockedNetwork& locked, NetlinkSocket& socket, Given& given)
        : record_(locked.record), socket_(socket), given_(given) {}

    /// Changes nothing but the record in memory.
    void plan() {
        const bool had_table = needs_table(record_);
        for (const Bridge& bridge : given_.network.bridges) plan_bridge(bridge);
        std::size_t number = 0;
        for (NetworkDevice& device : given_.network.devices) {
            if (bridged_veth(given_.network, device) == nullptr) continue;
            plan_veth(std::get<Veth>(device), given_.lease.links.at(number++));
        }
        for (const PublishedPort& port : given_.network.ports) plan_port(port);
        record_.leases.push_back(given_.lease);
        if (needs_table(record_)) look_at_table(had_table);
        for (const std::string& file : needed_parameters(record_)) {
            if (!is_off(file)) continue;
            missing_.push_back(file);
            // Somebody may have switched it off meanwhile, or have removed our bridge.
            auto& all = record_.switched_on;
            const auto same = [&](const SwitchedOn& known) { return known.file == file; };
            if (std::none_of(all.begin(), all.end(), same)) all.push_back(look_at_parameter(file, socket_));
        }
    }

    /// \param before  the record without this container
    void carry_out(const NetworkRecord& before) {
        for (const Bridge& bridge : given_.network.bridges) make(bridge, record_.find(bridge.name)->made);
        add_rules(before);
        // Only now: some of them let in what the rules keep out.
        for (const std::string& file : missing_) switch_on(file);
    }

private:
    void look_at_table(bool known) {
        Nftables::require();
        has_table_ = Nftables::has_table();
        if (!has_table_ || known) return;
        throw sys::error(EEXIST, Stage::Network, "make the table", "inet libct",
                         "there is one that this record does not know: it may be that of sessions with another "
                         "network_directory; if it is nobody's, 'nft delete table inet libct' removes it");
    }

    void add_rules(const NetworkRecord& before) const {
        constexpr const char* action = "add rules for nftables";
        if (!needs_table(record_)) return;
        if (has_table_ && table_rules(before) == table_rules(record_)) {
            if (given_.lease.forwards.empty()) return;
            try {
                (void)Nftables::run(add_forwards(given_.lease.forwards), action);
                return;
            } catch (const Error& error) {
                if (error.code() != Errc::Unsupported) throw;
                // Somebody has removed the table.
            }
        }
        (void)Nftables::run(whole_table(record_), action);
    }

    /// \param mac  of one that libct makes
    void make(const Bridge& bridge, const std::string& mac) {
        const std::optional<LinkView> link = find_link(socket_, bridge.name);
        if (!link && mac.empty()) throw sys::error(ENODEV, Stage::Network, "use the bridge", bridge.name);
        if (!link) return make_bridge(socket_, bridge, mac);
        if (mac.empty() || (link->kind == "bridge" && has_mac(*link, mac))) return;
        throw sys::error(EEXIST, Stage::Network, "make the bridge", bridge.name,
                         "somebody else has made a link of that name meanwhile");
    }

    void plan_bridge(const Bridge& bridge) {
        constexpr std::string_view action = "use the bridge";
        sys::fault_point(Stage::Network, action, bridge.name);
        if (const HostBridge* const known = record_.find(bridge.name)) {
            const Lease* const user = record_.user_of(bridge.name);
            if (known->described == bridge) return;
            if (user != nullptr) {
                throw sys::error(EBUSY, Stage::Network, action, bridge.name,
                                 concat("container '", user->container, "' has described it in another way"));
            }
            if (!known->made.empty()) {
                throw sys::error(EBUSY, Stage::Network, action, bridge.name,
                                 "it was described in another way, and somebody else has a port there");
            }
        }
        for (const HostBridge& other : record_.bridges) check_overlap(bridge, other.described);
        for (const Bridge& other : given_.network.bridges) check_overlap(bridge, other);
        const std::optional<LinkView> link = find_link(socket_, bridge.name);
        HostBridge chosen{bridge, link ? "" : random_mac(0x02)};
        if (link) {
            chosen.own = check_foreign(bridge, *link);
        } else {
            check_host(bridge);
        }
        record_.bridges.push_back(std::move(chosen));
    }

    static void check_overlap(const Bridge& bridge, const Bridge& other) {
        if (other.name == bridge.name) return;
        for (const std::string& one : bridge.addresses) {
            for (const std::string& two : other.addresses) {
                if (!overlap(ip(one), ip(two))) continue;
                throw sys::error(EADDRINUSE, Stage::Network, concat("use the subnet of '", one, "' for the bridge"),
                                 bridge.name, concat("the bridge '", other.name, "' has '", two, "'"));
            }
        }
    }

    /// Whether the host is not in these subnets already.
    void check_host(const Bridge& bridge) {
        for (const std::string& address : bridge.addresses) {
            const std::string user = user_of_subnet(socket_, ip(address));
            if (user.empty()) continue;
            throw sys::error(EADDRINUSE, Stage::Network, concat("use the subnet of '", address, "' for the bridge"),
                             bridge.name, user);
        }
    }

    /// One that libct has not made. \returns the addresses that the host has there
    std::vector<std::string> check_foreign(const Bridge& bridge, const LinkView& link) {
        if (link.kind != "bridge") {
            throw sys::error(EINVAL, Stage::Network, "use the bridge", bridge.name, "it is no bridge");
        }
        const std::vector<IpAddress> all = addresses_of(socket_, link.index);
        for (const std::string& address : bridge.addresses) {
            if (std::find(all.begin(), all.end(), ip(address)) != all.end()) continue;
            throw sys::error(EADDRNOTAVAIL, Stage::Network, "use the bridge", bridge.name,
                             concat("it is there, and has no address '", address, "'"));
        }
        std::vector<std::string> texts;
        for (const IpAddress& address : all) texts.push_back(text_of(address));
        return texts;
    }

    /// All addresses that containers have, with those who have them.
    [[nodiscard]] const Lease* holder_of(const std::string& bridge, const std::string& address) const {
        for (const Lease& lease : record_.leases) {
            for (const BridgedLink& link : lease.links) {
                const auto& taken = link.addresses;
                if (link.bridge == bridge && std::find(taken.begin(), taken.end(), address) != taken.end()) {
                    return &lease;
                }
            }
        }
        return nullptr;
    }

    void plan_veth(Veth& veth, BridgedLink& link) {
        for (const Address& each : veth.addresses) {
            std::string address = text_of(ip(each.address));
            if (const Lease* const holder = holder_of(veth.bridge, address)) {
                throw in_use(EADDRINUSE, "use the address", address, *holder);
            }
            const auto& own = record_.find(veth.bridge)->own;
            if (std::find(own.begin(), own.end(), address) != own.end()) {
                throw sys::error(EADDRINUSE, Stage::Network, "use the address", address,
                                 concat("the host has it on the bridge '", veth.bridge, "'"));
            }
            link.addresses.push_back(std::move(address));
        }
        const Bridge bridge = *find_bridge(given_.network, veth.bridge);
        if (bridge.nat) add_gateways(veth, bridge);
        if (!veth.lease) return;
        for (const std::string& gateway : bridge.addresses) {
            const IpAddress subnet = ip(gateway);
            const std::string chosen = choose(bridge.name, subnet);
            link.addresses.push_back(chosen);
            // Nobody else has it.
            veth.addresses.push_back(
                {.address = concat(chosen, '/', subnet.prefix), .no_dad = subnet.family == AF_INET6});
            add_default_route(text_of(subnet), subnet.family, veth.container_name);
        }
    }

    /// For addresses that were chosen by hand: NAT is there in order to be used.
    void add_gateways(const Veth& veth, const Bridge& bridge) {
        for (const std::string& gateway : bridge.addresses) {
            const IpAddress subnet = ip(gateway);
            const bool inside = std::any_of(veth.addresses.begin(), veth.addresses.end(),
                                            [&](const Address& each) { return contains(subnet, ip(each.address)); });
            if (inside) add_default_route(text_of(subnet), subnet.family, veth.container_name);
        }
    }

    /// A free address of the subnet.
    std::string choose(const std::string& bridge, const IpAddress& subnet) {
        HostBridge& known = *record_.find(bridge);
        std::set<std::uint64_t> taken;
        const auto add = [&](const IpAddress& address) {
            if (const auto number = number_of(subnet, address)) taken.insert(*number);
        };
        const auto add_links = [&](const std::vector<BridgedLink>& links) {
            for (const BridgedLink& link : links) {
                if (link.bridge != bridge) continue;
                for (const std::string& address : link.addresses) add(ip(address));
            }
        };
        add(subnet);
        for (const std::string& address : known.own) add(ip(address));
        for (const Lease& lease : record_.leases) add_links(lease.links);
        add_links(given_.lease.links);
        // After the last one: whoever still knows the one before it does not mistake this container for that.
        const auto last = std::find_if(known.last.begin(), known.last.end(),
                                       [&](const std::string& text) { return contains(subnet, ip(text)); });
        const auto free = next_free(subnet, taken, last == known.last.end() ? 0 : *number_of(subnet, ip(*last)));
        if (!free) {
            throw sys::error(EADDRNOTAVAIL, Stage::Network, "lease an address of", subnet_text(subnet),
                             concat("all ", last_number(subnet), " are taken"));
        }
        std::string address = text_of(address_at(subnet, *free));
        if (last == known.last.end()) {
            known.last.push_back(address);
        } else {
            *last = address;
        }
        return address;
    }

    void add_default_route(const std::string& gateway, int family, const std::string& device) {
        auto& routes = given_.network.routes;
        const bool has_one = std::any_of(routes.begin(), routes.end(), [&](const Route& route) {
            return is_default(route) && route.table == 0 && family_of(route) == family;
        });
        if (!has_one) routes.push_back({.gateway = gateway, .device = device});
    }

    void plan_port(const PublishedPort& port) {
        for (const Lease& lease : record_.leases) {
            for (const Forward& forward : lease.forwards) {
                if (collide(forward.port, port)) throw in_use(EADDRINUSE, "publish port", describe(port), lease);
            }
        }
        const int wanted = port.host_address.empty() ? 0 : ip(port.host_address).family;
        for (const int family : {AF_INET, AF_INET6}) {
            if (wanted != 0 && wanted != family) continue;
            const std::string* const address = first_address(family);
            if (address == nullptr) continue;
            check_host_ports(port, family == AF_INET6);
            given_.lease.forwards.push_back({port, *address});
            if (wanted != 0) given_.lease.forwards.back().port.host_address = text_of(ip(port.host_address));
        }
    }

    [[nodiscard]] const std::string* first_address(int family) const {
        for (const BridgedLink& link : given_.lease.links) {
            for (const std::string& address : link.addresses) {
                if (ip(address).family == family) return &address;
            }
        }
        return nullptr;
    }

    NetworkRecord& record_;
    NetlinkSocket& socket_;
    Given& given_;
    std::vector<std::string> missing_; ///< Parameters that are to be set.
    bool has_table_ = false;           ///< Not if somebody has removed it.
};

std::string HostNetwork::directory() const {
    if (directory_) return *directory_;
    return concat(::geteuid() == 0 ? "/run/libct" : default_state_directory(), "/.network");
}

const Store& HostNetwork::store() {
    const std::lock_guard lock(mutex_);
    if (store_) return *store_;
    const std::string path = directory();
    sys::fault_point(Stage::Network, "open the directory of networks", path);
    // The one above it is a state directory.
    if (!directory_) (void)::mkdir(path.substr(0, path.rfind('/')).c_str(), 0700);
    return store_.emplace(path);
}

BridgeUse::~BridgeUse() {
    // In a copy of the host made by fork(2) it is not this one's.
    if (process_ == ::getpid()) network_.give_back(given_);
}

void BridgeUse::leave() noexcept {
    process_ = -1;
    network_.disown(given_);
}

HostNetwork::Given HostNetwork::take(const Network& network, const std::string& container, HostLinks& links) {
    const Store& places = store();
    NetlinkSocket& socket = links.socket();
    Given given{LockedNetwork::place_of(socket), {container, ProcessId::self(), places.viewpoint()}, network};
    for (auto& [bridge, link] : links.on_bridges(network)) given.lease.links.push_back({bridge, link});
    LockedNetwork locked(places, given.place);
    const auto needs_reclaim = [&] {
        const std::lock_guard lock(mutex_);
        return !std::exchange(swept_, true);
    };
    // Others may have died; only the first of this session on a bridge looks for that, and who cannot do without.
    bool reclaimed =
        needs_reclaim() || std::any_of(network.bridges.begin(), network.bridges.end(), [&](auto& bridge) {
            return std::none_of(locked.record.leases.begin(), locked.record.leases.end(), [&](const Lease& lease) {
                return lease.owner == given.lease.owner && lease.links.front().bridge == bridge.name;
            });
        });
    const auto reclaim = [&] {
        try {
            locked.reclaim(socket);
        } catch (const Error& error) {
            warn_(error.what()); // what it is about may be nothing to this start
        }
    };
    if (reclaimed) reclaim();
    for (;;) {
        const NetworkRecord before = locked.record;
        const Given asked = given;
        Taking taking(locked, socket, given);
        try {
            taking.plan();
        } catch (...) {
            locked.record = before;
            if (std::exchange(reclaimed, true)) throw;
            reclaim();
            given = asked;
            continue;
        }
        try {
            locked.write();
            taking.carry_out(before);
            for (const Bridge& bridge : network.bridges) links.set_bridge(bridge.name, socket.find_index(bridge.name));
        } catch (...) {
            try {
                drop(locked, given.lease, socket);
            } catch (const std::exception& error) {
                warn_(error.what());
            }
            throw;
        }
        return given;
    }
}

void HostNetwork::drop(LockedNetwork& locked, const Lease& lease, NetlinkSocket& socket) {
    Lease* const found = locked.find(lease);
    if (found == nullptr) return;
    const NetworkRecord before = locked.record;
    locked.record.leases.erase(locked.record.leases.begin() + (found - locked.record.leases.data()));
    try {
        locked.clean_up(before, socket);
    } catch (const std::exception& error) {
        warn_(error.what());
        if (Lease* const left = locked.find(lease)) left->owner = {};
        locked.write();
    }
}

void HostNetwork::give_back(const Given& given) noexcept {
    try {
        NetlinkSocket socket;
        if (LockedNetwork::place_of(socket) != given.place) {
            // Rules and parameters are those of the thread that changes them.
            warn_(concat("what container '", given.lease.container, "' had of bridges is left to the next session in ",
                         "the network namespace that it was started from: it ended in another one"));
            return disown(given);
        }
        LockedNetwork locked(store(), given.place);
        drop(locked, given.lease, socket);
    } catch (const std::exception& error) {
        warn_(error.what());
    }
}

void HostNetwork::set_started(const Given& given) {
    LockedNetwork locked(store(), given.place);
    if (Lease* const lease = locked.find(given.lease)) {
        lease->started = true;
        locked.write();
    }
}

void HostNetwork::disown(const Given& given) noexcept {
    try {
        LockedNetwork locked(store(), given.place);
        if (Lease* const lease = locked.find(given.lease)) {
            lease->owner = {};
            locked.write();
        }
    } catch (const std::exception& error) {
        warn_(error.what());
    }
}

void HostNetwork::sweep() noexcept {
    try {
        struct stat status {};
        if (::stat(directory().c_str(), &status) < 0) return;
        NetlinkSocket socket;
        const std::string place = LockedNetwork::place_of(socket);
        if (::stat(concat(directory(), '/', place).c_str(), &status) < 0) return;
        LockedNetwork(store(), place).reclaim(socket);
    } catch (const std::exception& error) {
        warn_(error.what());
    }
}

} // namespace ct::internal
