// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "quantities.hpp"

#include <cstdio>

namespace ctrun {

std::string text(const std::optional<std::uint64_t>& count) {
    if (!count) return "-";
    return *count == ct::Unlimited ? "max" : std::to_string(*count);
}

std::string text(const std::optional<ct::Bytes>& bytes) {
    if (!bytes) return "-";
    if (*bytes == ct::Bytes::unlimited()) return "max";
    if (*bytes < ct::KiB) return std::to_string(bytes->count);
    const auto [unit, letter] = *bytes >= ct::GiB   ? std::pair(ct::GiB, 'G')
                                : *bytes >= ct::MiB ? std::pair(ct::MiB, 'M')
                                                    : std::pair(ct::KiB, 'K');
    char number[32];
    (void)std::snprintf(number, sizeof number, "%.1f%c",
                        static_cast<double>(bytes->count) / static_cast<double>(unit.count), letter);
    return number;
}

std::string text(const std::optional<std::chrono::nanoseconds>& time) {
    if (!time) return "-";
    char number[32];
    (void)std::snprintf(number, sizeof number, "%.2fs", std::chrono::duration<double>(*time).count());
    return number;
}

std::string percent(const std::optional<double>& part) {
    if (!part) return "-";
    char number[32];
    (void)std::snprintf(number, sizeof number, "%.1f%%", *part);
    return number;
}

std::optional<ct::Bytes> sum(const std::optional<std::vector<ct::IoStats>>& io,
                             std::optional<ct::Bytes> ct::IoStats::*part) {
    if (!io) return std::nullopt;
    std::optional<ct::Bytes> all = io->empty() ? std::optional(ct::Bytes{0}) : std::nullopt;
    for (const ct::IoStats& device : *io) {
        if (device.*part) all = ct::Bytes{all.value_or(ct::Bytes{0}).count + (device.*part)->count};
    }
    return all;
}

} // namespace ctrun
