// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "config/subnet.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "base/concat.hpp"

namespace ct::internal {

namespace {

IpAddress network_of(IpAddress address) noexcept {
    for (unsigned bit = address.prefix; bit < address.bits(); ++bit) {
        address.bytes[bit / 8] = static_cast<std::uint8_t>(address.bytes[bit / 8] & ~(0x80U >> bit % 8));
    }
    return address;
}

} // namespace

std::string text_of(const IpAddress& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(address.family, address.bytes.data(), text.data(), text.size());
    return text.data();
}

std::string subnet_text(IpAddress subnet) {
    return concat(text_of(network_of(subnet)), '/', subnet.prefix);
}

bool contains(const IpAddress& subnet, const IpAddress& address) noexcept {
    IpAddress cut = address;
    cut.prefix = subnet.prefix;
    return subnet.family == address.family && network_of(cut).bytes == network_of(subnet).bytes;
}

bool overlap(const IpAddress& one, const IpAddress& other) noexcept {
    return one.prefix < other.prefix ? contains(one, other) : contains(other, one);
}

std::uint64_t last_number(const IpAddress& subnet) noexcept {
    const auto free_bits = std::min(static_cast<unsigned>(subnet.bits() - subnet.prefix), 32U);
    const std::uint64_t all = (std::uint64_t{1} << free_bits) - 1;
    return subnet.family == AF_INET && all > 0 ? all - 1 : all; // the highest of IPv4 is for broadcasts
}

std::optional<std::uint64_t> number_of(const IpAddress& subnet, const IpAddress& address) noexcept {
    if (!contains(subnet, address)) return std::nullopt;
    const IpAddress network = network_of(subnet);
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < address.size(); ++i) {
        if (number >> 32U != 0) return std::nullopt;
        number = number << 8U | static_cast<std::uint8_t>(address.bytes[i] ^ network.bytes[i]);
    }
    if (number == 0 || number > last_number(subnet)) return std::nullopt;
    return number;
}

IpAddress address_at(const IpAddress& subnet, std::uint64_t number) noexcept {
    IpAddress address = network_of(subnet);
    for (std::size_t i = address.size(); number != 0 && i-- > 0; number >>= 8U) {
        address.bytes[i] = static_cast<std::uint8_t>(address.bytes[i] | (number & 0xffU));
    }
    return address;
}

std::optional<std::uint64_t> next_free(const IpAddress& subnet, const std::set<std::uint64_t>& taken,
                                       std::uint64_t last) noexcept {
    const std::uint64_t end = last_number(subnet);
    const auto search = [&](std::uint64_t from, std::uint64_t to) -> std::optional<std::uint64_t> {
        auto next = taken.lower_bound(from);
        std::uint64_t number = from;
        for (; next != taken.end() && *next == number; ++next) ++number;
        if (number > to) return std::nullopt;
        return number;
    };
    if (last < end) {
        if (const auto found = search(last + 1, end)) return found;
    }
    return search(1, std::min(last, end));
}

} // namespace ct::internal
