// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include <ct/limits.hpp>

namespace ct::capi {

inline std::uint64_t number_of(std::uint64_t value) {
    return value;
}
inline std::uint64_t number_of(Bytes value) {
    return value.count;
}
inline std::uint64_t number_of(std::chrono::nanoseconds value) {
    return static_cast<std::uint64_t>(value.count());
}

/// Numbers that may be unknown, as structs have them.
class Known {
public:
    explicit Known(std::uint64_t& bits) : bits_(bits) {}

    template <typename Value>
    void tell(std::uint64_t bit, std::uint64_t& to, const std::optional<Value>& value) const {
        if (!value) return;
        to = number_of(*value);
        bits_ |= bit;
    }

private:
    std::uint64_t& bits_;
};

} // namespace ct::capi
