// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
//
// The monitor's command line, for libFuzzer: arguments end with a NUL or a newline. Whatever they are, they are taken
// or refused; any other exception ends the program.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "options.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::string_view ends("\0\n", 2);
    std::vector<std::string> arguments;
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    while (!rest.empty()) {
        const std::string_view argument = rest.substr(0, rest.find_first_of(ends));
        arguments.emplace_back(argument);
        rest.remove_prefix(std::min(argument.size() + 1, rest.size()));
    }
    try {
        const ctmon::Request request = ctmon::parse(arguments);
        if (!request.answer && request.options.cid.empty()) __builtin_trap();
    } catch (const ctmon::Refused&) { // as it should be
    }
    return 0;
}
