// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
//
// What comes through the control fifos, for libFuzzer. The first byte says in which pieces the rest comes: that makes
// no difference, no line is too long, and no size is out of range.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "control.hpp"

namespace {

std::vector<std::string> lines_of(std::string_view text, std::size_t step) {
    std::vector<std::string> lines;
    ctmon::ControlLines cutter;
    while (!text.empty()) {
        cutter.feed(text.substr(0, step), [&](std::string_view line) { lines.emplace_back(line); });
        text.remove_prefix(std::min(step, text.size()));
    }
    return lines;
}

void check(const ctmon::WindowSize& size) {
    if (size.rows > 1000 || size.columns > 1000) __builtin_trap();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::vector<std::string> lines = lines_of(text, std::max<std::size_t>(data[0], 1));
    if (lines != lines_of(text, text.size())) __builtin_trap();
    for (const std::string& line : lines) {
        if (line.size() > 199 || line.find('\n') != std::string::npos) __builtin_trap();
        std::string why;
        const auto command = ctmon::parse_control(line, why);
        if (command.has_value() != why.empty()) __builtin_trap();
        if (command && std::holds_alternative<ctmon::WindowSize>(*command))
            check(std::get<ctmon::WindowSize>(*command));
        if (const auto window = ctmon::parse_window_size(line)) check(*window);
    }
    return 0;
}
