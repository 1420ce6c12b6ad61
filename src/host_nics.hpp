// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

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
    /// Looks at the links; changes nothing. \p warn is told what could not be restored at the end.
    HostNics(const Network& network, Warn warn);
    HostNics(const HostNics&) = delete;
    HostNics& operator=(const HostNics&) = delete;
    /// In a copy of the host made by fork(2) nothing happens.
    ~HostNics() { bring_back(); }

    [[nodiscard]] static bool needed(const Network& network) noexcept;

    /// What they are like on the host.
    [[nodiscard]] std::vector<NicState> states() const;
    /// Those that somebody has moved into \p net.
    HostNics(const std::vector<NicState>& states, UniqueFd net, Warn warn);
    /// Moves them into the namespace \p net.
    /// \throws Error; what was moved by then is brought back at the end
    void move_in(UniqueFd net);
    /// Brings back at the end what \p other has moved, too. Both have the same namespace.
    void take_over(HostNics& other);
    /// The one that is called \p name on the host, if it is among them: it comes back at the end of the result.
    [[nodiscard]] std::shared_ptr<HostNics> split(const std::string& name);
    /// They stay where they are.
    void leave() noexcept;
    void bring_back() noexcept;

private:
    struct Moved {
        HostNic wanted;
        NicState state;
    };
    void move(const Moved& nic);

    const pid_t process_;
    const Warn warn_;
    NetlinkSocket host_;
    UniqueFd host_namespace_;
    std::vector<Moved> nics_;
    UniqueFd net_;
};

/// Lets the namespace \p net outlive this process, by the directory \p pin, see pins.hpp. Nothing happens if it does.
void pin_for_nics(const std::string& pin, int net);

/// Brings back what somebody who has been killed has moved.
/// \param pin  the directory of pin_for_nics(); it is gone afterwards, and nothing happens if there is none
/// \throws Error if a link has to stay in the namespace, which is kept then
void bring_back(const std::vector<NicState>& nics, const std::string& pin, const Warn& warn);

} // namespace ct::internal
