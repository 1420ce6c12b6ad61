// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "net/random.hpp"

#include <sys/random.h>

#include <cerrno>
#include <cstddef>

#include "base/concat.hpp"
#include "base/hex.hpp"
#include "base/sys.hpp"

namespace ct::internal {

namespace {

std::string random_bytes(std::size_t size) {
    std::string bytes(size, '\0');
    if (::getrandom(bytes.data(), bytes.size(), 0) < 0) {
        throw sys::error(errno, Stage::Network, "choose names and addresses at random");
    }
    return bytes;
}

} // namespace

std::string random_link_name(std::string_view prefix) {
    return concat(prefix, to_hex(random_bytes(4)));
}

std::string random_mac(std::uint8_t first) {
    std::string text = to_hex({reinterpret_cast<const char*>(&first), 1});
    for (const char byte : random_bytes(5)) text += concat(':', to_hex({&byte, 1}));
    return text;
}

} // namespace ct::internal
