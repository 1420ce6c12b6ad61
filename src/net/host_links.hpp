// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ct/network.hpp>

#include "net/requests.hpp"
#include "net/socket.hpp"

namespace ct::internal {

/// A link of a container in the host's network namespace, by what it is recognised.
struct HostLink {
    std::string name;
    std::string mac; ///< Another link may have got the name.
    bool operator==(const HostLink&) const = default;
};

/// What the host does for the devices of a container: it makes those that hang on links of its own. Each is born in
/// the container's namespace, under its name. Everything happens in the network namespace that the thread has that
/// makes this object.
class HostLinks {
public:
    /// Looks up the links that are referred to, and decides what is left to choose; changes nothing.
    explicit HostLinks(const Network& network);
    HostLinks(const HostLinks&) = delete;
    HostLinks& operator=(const HostLinks&) = delete;
    /// Removes what was created.
    ~HostLinks() { remove(); }

    /// The veths on bridges of the network, in the order of the devices, each with the bridge's name. These bridges
    /// need not be there yet ...
    [[nodiscard]] std::vector<std::pair<std::string, HostLink>> on_bridges(const Network& network) const;
    /// ... until now.
    void set_bridge(const std::string& name, int index);
    /// In the network namespace of the links.
    [[nodiscard]] NetlinkSocket& socket() noexcept { return socket_; }

    /// Those that create() will make on the host.
    [[nodiscard]] std::vector<HostLink> planned() const;
    /// \throws Error; what was made by then is left to remove()
    void create(LinkTarget inside);
    /// Removes at the end what \p other has created, too.
    void take_over(HostLinks& other);
    /// Somebody has removed the one with that number.
    void forget(int index) noexcept { std::erase(created_, index); }
    /// Returns when they are gone.
    void remove() noexcept;
    /// They stay.
    void leave() noexcept { created_.clear(); }

    /// Whether the network has anything for this class to do.
    [[nodiscard]] static bool needed(const Network& network) noexcept;

private:
    struct Planned {
        NetworkDevice device;
        HostLink host = {}; ///< Of a veth.
        int link = 0;       ///< The bridge or the parent, or 0.
        /// The container reaches its own published ports: where the kernel filters what is bridged (br_netfilter), the
        /// bridge itself delivers what was led back to it.
        bool reflects = false;
    };
    [[nodiscard]] Planned plan(const Network& network, const NetworkDevice& device);
    [[nodiscard]] int find(const std::string& name, std::string_view action, std::string_view kind);
    void create(const Planned& planned, LinkTarget inside);
    /// To the link that was created last, which is called \p link.
    void add_to_host(const Address& address, const std::string& link);

    NetlinkSocket socket_;
    std::vector<Planned> planned_;
    std::vector<int> created_; ///< By their numbers.
};

/// Removes those that are there still.
void remove_links(const std::vector<HostLink>& links);

} // namespace ct::internal
