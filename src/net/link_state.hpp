// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "net/link_view.hpp"
#include "net/message.hpp"
#include "net/socket.hpp"

/// How a link of the host is set up, to make it the same again.
namespace ct::internal {

/// What a link of the host was like before a container got it. Plain data, which a record can hold.
struct NicState {
    std::string name;
    std::string inner_name; ///< In the container.
    int index = 0;
    std::string kind;
    std::string mac;       ///< In hexadecimal digits, as all that follows.
    std::string permanent; ///< Empty if the hardware has none.
    std::uint32_t mtu = 0;
    std::uint32_t flags = 0;
    int peer = 0;
    int inner_index = 0;                  ///< In the container, which cannot change it; 0: not known.
    std::uint64_t home = 0;               ///< The cookie of the host's network namespace; 0: not known.
    std::vector<std::string> other_names; ///< As `ip link property add altname` gives them.
    std::string master;                   ///< By name.
    std::vector<std::string> addresses;   ///< The kernel's own messages.
    std::vector<std::string> routes;      ///< In an order in which they can be added.
    bool operator==(const NicState&) const = default;
};

/// \throws Error; ENODEV if there is no such link
[[nodiscard]] NicState state_of(NetlinkSocket& socket, const std::string& name, const std::string& inner_name);

/// Whose links are looked through: a container has few, and may have changed all that can be changed of them.
enum class Where { Container, Host };
/// Which of \p links it is, whatever it is called now; null if none. What only looks like it does not do if it is known
/// which number it has in the container.
[[nodiscard]] const LinkView* find_nic(const std::vector<LinkView>& links, const NicState& nic, Where where);

/// The one of the host's \p links that has never moved; null if it is not there.
[[nodiscard]] const LinkView* find_unmoved(const std::vector<LinkView>& links, const NicState& nic);

/// Told what could not be done.
using Warn = std::function<void(const std::string&)>;

/// Makes \p link, which is in the namespace of \p socket and down, as it was: all but its name.
void restore_nic(NetlinkSocket& socket, const NicState& nic, const LinkView& link, const Warn& warn);
/// Adds or takes away a further name of a link. \param type  RTM_NEWLINKPROP or RTM_DELLINKPROP
[[nodiscard]] Message change_other_name(int type, int index, const std::string& name);
/// Gives the addresses alone to the link \p index. \throws Error
void add_addresses(NetlinkSocket& socket, const NicState& nic, int index);

} // namespace ct::internal
