// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <netlink/attr.h>
#include <netlink/msg.h>

#include <cstdint>
#include <string>

/// Looks into the messages that NetlinkSocket::fetch() has got: whole ones, as the kernel has sent them.
namespace ct::internal {

[[nodiscard]] inline nlmsghdr* header_of(const std::string& message) {
    return reinterpret_cast<nlmsghdr*>(const_cast<char*>(message.data())); // libnl takes no const one
}

/// What follows the common header: struct ifinfomsg and the like.
template <typename Header>
[[nodiscard]] Header& body_of(const std::string& message) {
    return *static_cast<Header*>(::nlmsg_data(header_of(message)));
}

/// An attribute behind such a header; null if there is none.
template <typename Header>
[[nodiscard]] nlattr* find_attribute(const std::string& message, int type) {
    return ::nlmsg_find_attr(header_of(message), sizeof(Header), type);
}

/// The same for what is in them; nothing, 0 and empty without an attribute.
[[nodiscard]] inline std::string bytes_of(const nlattr* attribute) {
    if (attribute == nullptr) return {};
    return {static_cast<const char*>(::nla_data(attribute)), static_cast<std::size_t>(::nla_len(attribute))};
}
[[nodiscard]] inline std::uint32_t number_of(const nlattr* attribute) {
    return attribute == nullptr || ::nla_len(attribute) < 4 ? 0 : ::nla_get_u32(attribute);
}
[[nodiscard]] inline std::string text_of(const nlattr* attribute) {
    return bytes_of(attribute).c_str(); // up to the NUL byte
}

} // namespace ct::internal
