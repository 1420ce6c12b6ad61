// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "bridge/locked_network.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <map>

#include <ct/error.hpp>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "bridge/bridge_link.hpp"
#include "bridge/nat_rules.hpp"
#include "bridge/nftables.hpp"
#include "bridge/parameters.hpp"
#include "net/link_view.hpp"

namespace ct::internal {

namespace {

constexpr const char* Mend =
    "stop the containers on bridges that libct has made, and remove the file, the bridges and the table 'inet libct'";

bool has_link(NetlinkSocket& socket, const Lease& lease) {
    return std::any_of(lease.links.begin(), lease.links.end(), [&](const BridgedLink& each) {
        return find_link(socket, each.link.name, each.link.mac).has_value();
    });
}

/// Who is there, each looked up once.
class Owners {
public:
    explicit Owners(const Viewpoint& here) : here_(here) {}

    bool may_live(const Lease& lease) {
        const ProcessId& owner = lease.owner;
        if (owner.pid <= 0) return false;
        if (owner == self_ && lease.viewpoint == here_) return true;
        // What a pid means in another pid namespace is not known here.
        if (lease.viewpoint != here_) return !lease.started;
        const auto key = std::pair(owner.pid, owner.start_time);
        const auto known = known_.find(key);
        if (known != known_.end()) return known->second;
        return known_[key] = open_if_alive(owner).get() >= 0;
    }

private:
    const Viewpoint& here_;
    const ProcessId self_ = ProcessId::self();
    std::map<std::pair<pid_t, std::uint64_t>, bool> known_;
};

} // namespace

class LockedNetwork::Attempts {
public:
    template <typename Body>
    bool attempt(const Body& body) {
        try {
            body();
            return true;
        } catch (...) {
            if (!first_) first_ = std::current_exception();
            return false;
        }
    }
    void finish() const {
        if (first_) std::rethrow_exception(first_);
    }

private:
    std::exception_ptr first_;
};

std::string LockedNetwork::place_of(NetlinkSocket& socket) {
    if (const auto cookie = socket.namespace_cookie()) return concat("netns-", *cookie);
    struct stat status {};
    if (::stat("/proc/thread-self/ns/net", &status) < 0) {
        throw sys::error(errno, Stage::Network, "look at", "/proc/thread-self/ns/net");
    }
    return concat("netns-inode-", status.st_ino);
}

LockedNetwork::LockedNetwork(const Store& store, std::string place)
    : entry_(store.lock(place)), viewpoint_(store.viewpoint()), path_(concat(store.path_of(place), "/record.json")) {
    try {
        const std::optional<std::string> text = entry_.read_text();
        present_ = text.has_value();
        if (text) record = read_network_record(*text);
    } catch (const Error& error) {
        // It stays, whatever is wrong with it: others may be able to read it.
        if (error.code() != Errc::BadRecord) throw;
        throw Error(Errc::BadRecord, Stage::Network, "read the record of bridges", path_,
                    concat(error.hint(), "; ", Mend));
    }
    if (record.boot != viewpoint_.boot) record = NetworkRecord{viewpoint_.boot};
}

void LockedNetwork::write() {
    sys::fault_point(Stage::Network, "write", path_);
    const bool empty = record.bridges.empty() && record.leases.empty() && record.switched_on.empty();
    if (!empty) entry_.write_text(write_network_record(record));
    present_ = !empty;
}

LockedNetwork::~LockedNetwork() {
    if (!present_) entry_.remove();
}

Lease* LockedNetwork::find(const Lease& lease) {
    const auto found = std::find_if(record.leases.begin(), record.leases.end(),
                                    [&](const Lease& each) { return each.links == lease.links; });
    return found == record.leases.end() ? nullptr : &*found;
}

void LockedNetwork::update_table(const NetworkRecord& before) const {
    constexpr const char* action = "take back rules of nftables";
    if (!needs_table(before)) return;
    if (!needs_table(record)) {
        (void)Nftables::run(remove_table(), action);
        return;
    }
    std::vector<Forward> gone;
    for (const Lease& lease : before.leases) {
        const bool stays = std::any_of(record.leases.begin(), record.leases.end(),
                                       [&](const Lease& other) { return other.links == lease.links; });
        if (!stays) gone.insert(gone.end(), lease.forwards.begin(), lease.forwards.end());
    }
    const bool same_rules = table_rules(before) == table_rules(record);
    if (same_rules && gone.empty()) return;
    try {
        if (same_rules) {
            (void)Nftables::run(remove_forwards(gone), action);
            return;
        }
    } catch (const Error&) {
        // Somebody has done something to the table.
    }
    (void)Nftables::run(whole_table(record), action);
}

void LockedNetwork::reset_parameters() {
    const std::vector<std::string> needed = needed_parameters(record);
    Attempts all;
    std::erase_if(record.switched_on, [&](const SwitchedOn& parameter) {
        if (std::find(needed.begin(), needed.end(), parameter.file) != needed.end()) return false;
        return all.attempt([&] { switch_back(parameter); });
    });
    all.finish();
}

void LockedNetwork::clean_up(const NetworkRecord& before, NetlinkSocket& socket) {
    Attempts all;
    // What lets packets in goes before what keeps them out.
    const bool undone = all.attempt([&] {
        reset_parameters();
        update_table(before);
    });
    if (!undone) {
        auto left = std::move(record.switched_on);
        record = before; // with the ports: they are not to be given to others
        record.switched_on = std::move(left);
        all.finish();
    }
    std::erase_if(record.bridges, [&](const HostBridge& bridge) {
        const std::string& name = bridge.described.name;
        if (record.user_of(name) != nullptr) return false;
        bool gone = bridge.made.empty();
        if (!gone) all.attempt([&] { gone = remove_bridge(socket, name, bridge.made); });
        return gone;
    });
    all.attempt([&] { write(); });
    all.finish();
}

void LockedNetwork::reclaim(NetlinkSocket& socket) {
    NetworkRecord before = record;
    Owners owners(viewpoint_);
    std::erase_if(record.leases,
                  [&](const Lease& lease) { return !owners.may_live(lease) && !has_link(socket, lease); });
    const bool unused = std::any_of(record.bridges.begin(), record.bridges.end(), [&](const HostBridge& bridge) {
        return record.user_of(bridge.described.name) == nullptr;
    });
    const bool idle = record.leases.empty() && !record.switched_on.empty();
    if (unused || idle || record.leases.size() != before.leases.size()) clean_up(before, socket);
}

} // namespace ct::internal
