// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/stats_text.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <utility>

#include "base/concat.hpp"

namespace ct::internal {

namespace {

constexpr std::string_view Space = " \t\n";

/// Takes the first word off \p text; empty at its end.
std::string_view next_word(std::string_view& text) {
    const std::size_t begin = std::min(text.find_first_not_of(Space), text.size());
    const std::size_t end = std::min(text.find_first_of(Space, begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    text.remove_prefix(end);
    return word;
}

template <typename Use>
void for_each_line(std::string_view text, const Use& use) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        use(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

template <typename Number>
std::optional<Number> parse_number(std::string_view word) {
    Number number{};
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (error != std::errc{} || end != word.data() + word.size()) return std::nullopt;
    return number;
}

using DeviceNumber = std::pair<std::uint32_t, std::uint32_t>;
using Devices = std::map<DeviceNumber, IoStats>;

std::optional<DeviceNumber> parse_device(std::string_view word) {
    const std::size_t colon = word.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const auto major = parse_number<std::uint32_t>(word.substr(0, colon));
    const auto minor = parse_number<std::uint32_t>(word.substr(colon + 1));
    if (!major || !minor) return std::nullopt;
    return DeviceNumber{*major, *minor};
}

std::vector<IoStats> list_of(const Devices& devices) {
    std::vector<IoStats> list;
    list.reserve(devices.size());
    for (const auto& [number, stats] : devices) {
        list.push_back(stats);
        list.back().major = number.first;
        list.back().minor = number.second;
    }
    return list;
}

void set_io(IoStats& device, std::string_view key, std::uint64_t value) {
    if (key == "rbytes") device.read = Bytes{value};
    if (key == "wbytes") device.written = Bytes{value};
    if (key == "dbytes") device.discarded = Bytes{value};
    if (key == "rios") device.reads = value;
    if (key == "wios") device.writes = value;
    if (key == "dios") device.discards = value;
}

/// "8:0 Read 4096" per line, and sums that tell nothing new.
template <typename Set>
void parse_blkio_file(std::string_view text, const Set& set) {
    for_each_line(text, [&](std::string_view line) {
        const auto device = parse_device(next_word(line));
        const std::string_view what = next_word(line);
        const auto value = parse_count(line);
        if (device && value) set(*device, what, *value);
    });
}

/// "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", without the first word.
std::optional<Stall> parse_stall(std::string_view line) {
    std::optional<double> averages[3];
    std::optional<std::uint64_t> total;
    for (std::string_view word = next_word(line); !word.empty(); word = next_word(line)) {
        const std::size_t equals = std::min(word.find('='), word.size());
        const std::string_view key = word.substr(0, equals);
        const std::string_view value = word.substr(std::min(equals + 1, word.size()));
        if (key == "avg10") averages[0] = parse_number<double>(value);
        if (key == "avg60") averages[1] = parse_number<double>(value);
        if (key == "avg300") averages[2] = parse_number<double>(value);
        if (key == "total") total = parse_number<std::uint64_t>(value);
    }
    const auto is_percentage = [](const std::optional<double>& average) {
        return average && *average >= 0 && *average <= 100; // which also leaves out "nan"
    };
    if (!std::all_of(std::begin(averages), std::end(averages), is_percentage)) return std::nullopt;
    if (!total || !duration_of(total, std::chrono::microseconds(1))) return std::nullopt;
    return Stall{*averages[0], *averages[1], *averages[2],
                 std::chrono::microseconds(static_cast<std::int64_t>(*total))};
}

} // namespace

std::optional<std::uint64_t> parse_count(std::string_view text) {
    const std::string_view word = next_word(text);
    if (!next_word(text).empty()) return std::nullopt;
    return parse_number<std::uint64_t>(word);
}

std::optional<std::uint64_t> parse_limit(std::string_view text) {
    std::string_view rest = text;
    if (next_word(rest) == "max" && next_word(rest).empty()) return Unlimited;
    // The largest number of bytes that is a multiple of the page's size, up to 64 KiB.
    constexpr std::uint64_t never_reached = 0x7fffffffffff0000;
    const auto limit = parse_count(text);
    return limit && *limit >= never_reached ? std::optional(Unlimited) : limit;
}

std::optional<std::chrono::nanoseconds> duration_of(std::optional<std::uint64_t> count, std::chrono::nanoseconds unit) {
    const auto most = static_cast<std::uint64_t>(std::chrono::nanoseconds::max() / unit);
    if (!count || *count > most) return std::nullopt;
    return static_cast<std::int64_t>(*count) * unit;
}

void parse_keyed(std::string_view text, std::initializer_list<KeyedCount> wanted) {
    for_each_line(text, [&](std::string_view line) {
        const std::string_view key = next_word(line);
        for (const KeyedCount& one : wanted) {
            if (one.key == key && !one.count) one.count = parse_count(line);
        }
    });
}

std::vector<IoStats> parse_io(std::string_view text) {
    Devices devices;
    for_each_line(text, [&](std::string_view line) {
        // Some kernels leave the line of a device unfinished, and go on in it with the next device.
        std::optional<DeviceNumber> device;
        for (std::string_view word = next_word(line); !word.empty(); word = next_word(line)) {
            const std::size_t equals = word.find('=');
            if (equals == std::string_view::npos) {
                device = parse_device(word);
            } else if (device) {
                const auto value = parse_number<std::uint64_t>(word.substr(equals + 1));
                if (value) set_io(devices[*device], word.substr(0, equals), *value);
            }
        }
    });
    return list_of(devices);
}

std::vector<IoStats> parse_blkio(std::string_view bytes, std::string_view operations) {
    Devices devices;
    parse_blkio_file(bytes, [&](const DeviceNumber& number, std::string_view what, std::uint64_t value) {
        IoStats& device = devices[number];
        if (what == "Read") device.read = Bytes{value};
        if (what == "Write") device.written = Bytes{value};
        if (what == "Discard") device.discarded = Bytes{value};
    });
    parse_blkio_file(operations, [&](const DeviceNumber& number, std::string_view what, std::uint64_t value) {
        IoStats& device = devices[number];
        if (what == "Read") device.reads = value;
        if (what == "Write") device.writes = value;
        if (what == "Discard") device.discards = value;
    });
    return list_of(devices);
}

Pressure parse_pressure(std::string_view text) {
    Pressure pressure;
    for_each_line(text, [&](std::string_view line) {
        const std::string_view kind = next_word(line);
        if (kind == "some") pressure.some = parse_stall(line);
        if (kind == "full") pressure.full = parse_stall(line);
    });
    return pressure;
}

std::optional<Bytes> parse_page_size(std::string_view directory) {
    constexpr std::string_view prefix = "hugepages-";
    constexpr std::string_view unit = "kB";
    if (directory.substr(0, prefix.size()) != prefix) return std::nullopt;
    directory.remove_prefix(prefix.size());
    if (directory.size() < unit.size() || directory.substr(directory.size() - unit.size()) != unit) return std::nullopt;
    directory.remove_suffix(unit.size());
    const auto count = parse_number<std::uint64_t>(directory);
    if (!count || *count > ~std::uint64_t{0} / KiB.count) return std::nullopt;
    return *count * KiB;
}

std::string page_size_name(Bytes size) {
    if (size >= GiB) return concat(size.count / GiB.count, "GB");
    if (size >= MiB) return concat(size.count / MiB.count, "MB");
    return concat(size.count / KiB.count, "KB");
}

} // namespace ct::internal
