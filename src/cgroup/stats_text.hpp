// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ct/stats.hpp>

/// The texts of control files. Pure functions: whatever is malformed or too large for its type is not known, and what
/// has an unknown name is passed over.
namespace ct::internal {

/// A decimal number, alone but for white space around it.
[[nodiscard]] std::optional<std::uint64_t> parse_count(std::string_view text);

/// The same, or "max". Version 1 has a number of pages in bytes that no limit reaches.
[[nodiscard]] std::optional<std::uint64_t> parse_limit(std::string_view text);

/// \p count times \p unit, if a duration can be that long.
[[nodiscard]] std::optional<std::chrono::nanoseconds> duration_of(std::optional<std::uint64_t> count,
                                                                  std::chrono::nanoseconds unit);

/// Where the number of a key goes.
struct KeyedCount {
    std::string_view key;
    std::optional<std::uint64_t>& count;
};

/// "key number" per line; of keys that are there several times the first one counts.
void parse_keyed(std::string_view text, std::initializer_list<KeyedCount> wanted);

/// io.stat of version 2.
[[nodiscard]] std::vector<IoStats> parse_io(std::string_view text);

/// blkio.throttle.io_service_bytes and io_serviced of version 1, with their "_recursive" kin.
[[nodiscard]] std::vector<IoStats> parse_blkio(std::string_view bytes, std::string_view operations);

/// cpu.pressure and its kin.
[[nodiscard]] Pressure parse_pressure(std::string_view text);

/// Of "hugepages-2048kB", as directories in /sys/kernel/mm/hugepages are called.
[[nodiscard]] std::optional<Bytes> parse_page_size(std::string_view directory);

/// As names of control files have it: "2MB".
[[nodiscard]] std::string page_size_name(Bytes size);

} // namespace ct::internal
