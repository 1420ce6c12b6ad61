// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "log_drivers.hpp"

#include <algorithm>
#include <string_view>

#include "refuse.hpp"

namespace ctmon {

namespace {

/// What is between colons; empty pieces vanish.
std::vector<std::string_view> pieces(std::string_view text) {
    std::vector<std::string_view> found;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(':'), text.size());
        if (end > 0) found.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return found;
}

void add_driver(LogDrivers& drivers, std::string_view text) {
    const std::vector<std::string_view> parts = pieces(text);
    if (parts.empty()) refuse("log-path must not be empty");
    const bool is_alone = parts.size() == 1;
    // After a colon, what stands alone is a path, even if it is a driver's name.
    const std::string_view driver = is_alone && text.front() == ':' ? std::string_view() : parts.front();
    if (driver == "none" || driver == "off" || driver == "null") {
        return;
    } else if (driver == "passthrough") {
        drivers.passthrough = true;
    } else if (driver == "journald") {
        drivers.journald = true;
    } else if (driver == "k8s-file") {
        if (is_alone) refuse("k8s-file requires a filename");
        drivers.file = parts[1];
    } else if (driver.empty() || driver == text) {
        drivers.file = parts.front();
    } else {
        refuse("No such log driver ", driver);
    }
}

bool may_be_in_name(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

} // namespace

LogDrivers parse_log_drivers(const std::vector<std::string>& paths) {
    if (paths.empty()) refuse("Log driver not provided. Use --log-path");
    LogDrivers drivers;
    for (const std::string& path : paths) add_driver(drivers, path);
    return drivers;
}

std::vector<std::pair<std::string, std::string>> parse_labels(const std::vector<std::string>& labels) {
    std::vector<std::pair<std::string, std::string>> parsed;
    for (const std::string& label : labels) {
        const std::size_t equals = label.find('=');
        if (equals == 0 || std::ranges::count(label, '=') != 1) {
            refuse("Container labels must be in format LABEL=VALUE (no LABEL present or more than one '=' in '", label,
                   "')");
        }
        if (!std::all_of(label.begin(), label.begin() + static_cast<std::ptrdiff_t>(equals), may_be_in_name)) {
            refuse("Container label names must contain only uppercase letters, numbers and underscore (in '", label,
                   "')");
        }
        parsed.emplace_back(label.substr(0, equals), label.substr(equals + 1));
    }
    return parsed;
}

} // namespace ctmon
