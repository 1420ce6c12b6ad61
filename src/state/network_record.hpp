// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <ct/bridge.hpp>

#include "net/host_links.hpp"
#include "state/process_id.hpp"

namespace ct::internal {

/// A link of a container on a bridge.
struct BridgedLink {
    std::string bridge;
    HostLink link;
    std::vector<std::string> addresses = {}; ///< Without lengths.
    bool operator==(const BridgedLink&) const = default;
};

/// A published port, for one family.
struct Forward {
    PublishedPort port;
    std::string address; ///< The container's.
    bool operator==(const Forward&) const = default;
};

/// What a container has on the host's side of bridges. It is held as long as the process lives that made it, or one of
/// the links is there: the kernel removes those with the container's network namespace. Of a process that cannot be
/// looked up only a start counts.
struct Lease {
    std::string container;
    ProcessId owner; ///< None once it was detached.
    Viewpoint viewpoint;
    std::vector<BridgedLink> links = {};
    std::vector<Forward> forwards = {};
    bool started = false; ///< All links have been there.
    bool operator==(const Lease&) const = default;
};

/// A bridge on which there are containers, or which is still to be removed.
struct HostBridge {
    Bridge described;
    std::string made;                   ///< The MAC address that libct made it with; empty if it was there.
    std::vector<std::string> last = {}; ///< The address of each subnet that was chosen last.
    std::vector<std::string> own = {};  ///< Of one that was there: the host's addresses on it, without lengths.
    bool operator==(const HostBridge&) const = default;
};

/// A file of /proc/sys that said 0 before.
struct SwitchedOn {
    std::string file;
    std::vector<std::string> lost_on = {};  ///< Others that said 1, and say 0 once it does.
    std::vector<std::string> lost_off = {}; ///< The other way round.
    bool operator==(const SwitchedOn&) const = default;
};

/// What sessions know of each other's bridges in one network namespace: the content of a file.
struct NetworkRecord {
    static constexpr int Version = 1;

    std::string boot; ///< The kernel's boot id: nothing of this outlives the kernel.
    std::vector<HostBridge> bridges = {};
    std::vector<Lease> leases = {};
    std::vector<SwitchedOn> switched_on = {};

    [[nodiscard]] HostBridge* find(std::string_view name) noexcept;
    /// The first container on it, or null.
    [[nodiscard]] const Lease* user_of(std::string_view bridge) const noexcept;
    bool operator==(const NetworkRecord&) const = default;
};

[[nodiscard]] std::string write_network_record(const NetworkRecord& record);
/// \throws Error with Errc::BadRecord that says what is wrong
[[nodiscard]] NetworkRecord read_network_record(std::string_view text);

} // namespace ct::internal
