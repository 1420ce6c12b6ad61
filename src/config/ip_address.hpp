// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ct::internal {

/// An IPv4 or IPv6 address with the length of its prefix.
struct IpAddress {
    int family = 0; ///< AF_INET or AF_INET6
    std::array<std::uint8_t, 16> bytes{};
    std::uint8_t prefix = 0;

    bool operator==(const IpAddress&) const = default;
    [[nodiscard]] std::size_t size() const noexcept { return bits() / 8U; }
    [[nodiscard]] std::uint8_t bits() const noexcept;
    /// Whether it stands for all addresses of its family.
    [[nodiscard]] bool is_default() const noexcept { return prefix == 0; }
};

using MacAddress = std::array<std::uint8_t, 6>;

/// "10.0.0.2/24" or "fd00::2"; without a length all bits count. Nothing if it is no such text.
[[nodiscard]] std::optional<IpAddress> parse_address(std::string_view text) noexcept;
/// "02:00:00:00:00:0a"
[[nodiscard]] std::optional<MacAddress> parse_mac(std::string_view text) noexcept;

} // namespace ct::internal
