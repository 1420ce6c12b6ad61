// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ct/network.hpp>

#include "base/unique_fd.hpp"
#include "net/link_state.hpp"
#include "net/socket.hpp"

namespace ct::internal {

/// The links of the host that a container has: moved into its network namespace, and back at its end. The namespace is
/// kept until then: when it dies the kernel destroys what exists in software only, and gives the rest to the first
/// namespace of the machine, under any name.
///
/// "The host" is the network namespace of the thread that makes this object. One call at a time.
class HostNics {
public:
    /// Changes nothing. \p warn is told what could not be restored at the end.
    HostNics(const Network& network, Warn warn);
    /// Those that somebody has moved into \p net. \throws Error if they belong into another network namespace
    HostNics(const std::vector<NicState>& states, UniqueFd net, Warn warn);
    HostNics(const HostNics&) = delete;
    HostNics& operator=(const HostNics&) = delete;
    /// In a copy of the host made by fork(2) nothing happens.
    ~HostNics() { (void)try_to_bring_back(); }

    [[nodiscard]] static bool needed(const Network& network) noexcept;

    /// Told what they are like, and where they go: before the first one moves, and once all have.
    using Tell = std::function<void(const std::vector<NicState>& states, int net)>;
    /// Moves them into the namespace \p net. No other user of the library takes or returns a link of the host
    /// meanwhile. \throws Error; what was moved by then is brought back at the end
    void move_in(UniqueFd net, const Tell& tell);
    /// What they are like on the host.
    [[nodiscard]] std::vector<NicState> states() const;
    [[nodiscard]] bool empty() const noexcept { return nics_.empty(); }
    /// The one of these that is the link \p link of the namespace \p net; null if it is none.
    [[nodiscard]] const NicState* find(const LinkView& link, int net) const;
    /// Brings back at the end what \p other has moved, too. Both have the same namespace.
    void take_over(HostNics& other);
    /// They stay where they are.
    void leave() noexcept;
    /// \throws Error if it has to stay where it is; that can be tried again
    void bring_back(const std::string& name);
    /// All of them. What fails is told, and can be tried again. \returns whether nothing has failed
    [[nodiscard]] bool try_to_bring_back() noexcept;

private:
    struct Moved {
        HostNic wanted;
        NicState state;
    };
    void move(Moved& nic);

    const pid_t process_;
    const Warn warn_;
    NetlinkSocket host_;
    UniqueFd host_namespace_;
    std::vector<Moved> nics_;
    UniqueFd net_;
    std::optional<NetlinkSocket> inside_; ///< Made early: the host may be out of descriptors at the end.
};

/// Lets the namespace \p net outlive this process, by the directory \p pin, see pins.hpp. Nothing happens if it does.
void pin_for_nics(const std::string& pin, int net);

/// Whether \p link of the namespace \p net is among \p nics, which are in the namespace at \p pin.
[[nodiscard]] bool has_nic(const std::vector<NicState>& nics, const std::string& pin, const LinkView& link, int net);

/// Brings back what somebody who has been killed has moved.
/// \param pin  the directory of pin_for_nics(); it is gone afterwards, and nothing happens if there is none
/// \throws Error if a link has to stay in the namespace, which is kept then
void bring_back(std::vector<NicState> nics, const std::string& pin, const Warn& warn);

} // namespace ct::internal
