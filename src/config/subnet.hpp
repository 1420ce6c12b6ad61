// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "config/ip_address.hpp"

/// The addresses of a subnet, by their numbers in it. A subnet is given by any address in it, with its length.
namespace ct::internal {

/// Without its length.
[[nodiscard]] std::string text_of(const IpAddress& address);
/// The subnet itself: "10.88.0.0/16".
[[nodiscard]] std::string subnet_text(IpAddress subnet);
[[nodiscard]] bool contains(const IpAddress& subnet, const IpAddress& address) noexcept;
[[nodiscard]] bool overlap(const IpAddress& one, const IpAddress& other) noexcept;
/// The highest number that an interface can have; all from 1 on can. Of a large subnet only the first 2^32 count.
[[nodiscard]] std::uint64_t last_number(const IpAddress& subnet) noexcept;
/// Nothing for an address that no interface in the subnet can have, or that does not count.
[[nodiscard]] std::optional<std::uint64_t> number_of(const IpAddress& subnet, const IpAddress& address) noexcept;
[[nodiscard]] IpAddress address_at(const IpAddress& subnet, std::uint64_t number) noexcept;
/// The next number after \p last that is not taken, or the lowest if there is none behind it.
[[nodiscard]] std::optional<std::uint64_t> next_free(const IpAddress& subnet, const std::set<std::uint64_t>& taken,
                                                     std::uint64_t last) noexcept;

} // namespace ct::internal
