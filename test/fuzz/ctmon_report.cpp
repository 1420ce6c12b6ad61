// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
//
// Messages of reports, for libFuzzer: whatever they are, a report is a JSON object in one line of at most 4096 bytes.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "report.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view message(reinterpret_cast<const char*>(data), size);
    const std::string report = ctmon::format_report("exit_code", -1, message);
    if (report.size() > 4096 || report.find('\n') != report.size() - 1) __builtin_trap();
    const nlohmann::json json = nlohmann::json::parse(report); // what it throws ends the program
    if (json.at("exit_code") != -1 || json.contains("message") == message.empty()) __builtin_trap();
    return 0;
}
