// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "config/ip_address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace ct::internal {

namespace {

template <typename Number>
bool read_number(std::string_view text, Number& number, int base) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    return error == std::errc() && end == text.data() + text.size();
}

} // namespace

std::uint8_t IpAddress::bits() const noexcept {
    return family == AF_INET ? 32 : 128;
}

std::optional<IpAddress> parse_address(std::string_view text) noexcept {
    const std::size_t slash = text.find('/');
    std::array<char, INET6_ADDRSTRLEN> name{};
    const std::string_view host = text.substr(0, slash);
    if (host.size() >= name.size() || host.find('\0') != std::string_view::npos) return std::nullopt;
    std::copy(host.begin(), host.end(), name.begin());
    IpAddress address;
    address.family = host.find(':') == std::string_view::npos ? AF_INET : AF_INET6;
    if (::inet_pton(address.family, name.data(), address.bytes.data()) != 1) return std::nullopt;
    address.prefix = address.bits();
    if (slash == std::string_view::npos) return address;
    if (!read_number(text.substr(slash + 1), address.prefix, 10) || address.prefix > address.bits()) {
        return std::nullopt;
    }
    return address;
}

std::optional<MacAddress> parse_mac(std::string_view text) noexcept {
    MacAddress mac{};
    if (text.size() != mac.size() * 3 - 1) return std::nullopt;
    for (std::size_t i = 0; i < mac.size(); ++i) {
        const bool separated = i == 0 || text[i * 3 - 1] == ':';
        if (!separated || !read_number(text.substr(i * 3, 2), mac.at(i), 16)) return std::nullopt;
    }
    return mac;
}

} // namespace ct::internal
