// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include <ct/ct.hpp>

/// The options for limits, and their values like those of values.hpp.
namespace ctrun {

class Adder;

/// The options that `run` and the like have in common with `update`.
void add_limit_options(Adder& add, ct::Limits& limits);

/// A size as of parse_size(), or max.
ct::Bytes parse_bytes(std::string_view text);
/// A number with a fraction, or max.
double parse_cpus(std::string_view text);
/// DEVICE:KEY=VALUE,... where DEVICE is MAJOR:MINOR or the path of a node.
ct::IoLimit parse_io_limit(std::string_view text);
/// PAGESIZE=SIZE
std::pair<ct::Bytes, ct::Bytes> parse_hugetlb(std::string_view text);
/// A number, or MAJOR:MINOR in hexadecimal as tc(8) has it.
std::uint32_t parse_net_class(std::string_view text);

} // namespace ctrun
