// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <unistd.h>

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ct/network.hpp>

#include "net/host_links.hpp"
#include "state/network_record.hpp"
#include "state/store.hpp"

namespace ct::internal {

class LockedNetwork;

/// What a session does on the host's side of bridges: it makes and removes them, gives out addresses and ports, and
/// keeps the record by which sessions know of each other, see Documentation/design/bridges.md.
///
/// The record is always the larger one: it has what is about to be made, and still has what is about to be removed.
class HostNetwork {
public:
    using Warn = std::function<void(const std::string&)>;
    /// Opens nothing yet.
    HostNetwork(std::optional<std::string> directory, Warn warn)
        : directory_(std::move(directory)), warn_(std::move(warn)) {}
    HostNetwork(const HostNetwork&) = delete;
    HostNetwork& operator=(const HostNetwork&) = delete;

    /// What a start was given.
    struct Given {
        std::string place; ///< Of the record.
        Lease lease;
        Network network; ///< With the addresses and the routes that were chosen.
    };
    /// Makes what is missing of the bridges, and publishes ports. \p links has the veths, which are still to be made.
    /// \throws Error; nothing is left then
    [[nodiscard]] Given take(const Network& network, const std::string& container, HostLinks& links);
    /// The links are there.
    void set_started(const Given& given);
    /// The links are gone. Changes nothing but the record if the thread is in another network namespace meanwhile.
    void give_back(const Given& given) noexcept;
    /// From now on the links alone tell whether it is in use.
    void disown(const Given& given) noexcept;

    /// Undoes what nobody has any more.
    void sweep() noexcept;

private:
    class Taking;
    /// What cannot be undone is left to the next one who tries.
    void drop(LockedNetwork& locked, const Lease& lease, NetlinkSocket& socket);
    [[nodiscard]] const Store& store();
    [[nodiscard]] std::string directory() const;

    const std::optional<std::string> directory_;
    const Warn warn_;
    std::mutex mutex_; ///< Guards what follows.
    std::optional<Store> store_;
    bool swept_ = false;
};

/// What a container has been given, until this is destroyed.
class BridgeUse {
public:
    BridgeUse(HostNetwork& network, HostNetwork::Given given)
        : network_(network), given_(std::move(given)), process_(::getpid()) {}
    BridgeUse(const BridgeUse&) = delete;
    BridgeUse& operator=(const BridgeUse&) = delete;
    ~BridgeUse();

    /// Its links have been made. \throws Error
    void set_started() { network_.set_started(given_); }
    /// It stays with the container.
    void leave() noexcept;
    /// As the container is to have it.
    [[nodiscard]] const Network& network() const noexcept { return given_.network; }

private:
    HostNetwork& network_;
    const HostNetwork::Given given_;
    pid_t process_;
};

} // namespace ct::internal
