// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/socket.hpp"

namespace ct::internal {

/// A link as rtnetlink(7) shows it.
struct LinkView {
    int index = 0;
    std::string name;
    std::string kind;      ///< "veth", "bridge", ...; empty for a device of its own.
    std::string mac;       ///< Bytes.
    std::string permanent; ///< The MAC address that the hardware has; bytes.
    std::uint32_t mtu = 0;
    std::uint32_t flags = 0; ///< IFF_UP and the like.
    int master = 0;
    int peer = 0; ///< The other end of a veth, or what the link is on.
    std::vector<std::string> other_names;
};

/// All links of the namespace.
[[nodiscard]] std::vector<LinkView> all_links(NetlinkSocket& socket);
/// By any of its names. Nothing if there is none.
[[nodiscard]] std::optional<LinkView> find_link(NetlinkSocket& socket, const std::string& name);
/// The same, but only if it has the MAC address \p mac: another link may have got the name.
[[nodiscard]] std::optional<LinkView> find_link(NetlinkSocket& socket, const std::string& name, std::string_view mac);
/// Whether it has the MAC address \p text.
[[nodiscard]] bool has_mac(const LinkView& link, std::string_view text);

} // namespace ct::internal
