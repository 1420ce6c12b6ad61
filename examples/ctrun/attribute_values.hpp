// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <ct/ct.hpp>

/// The values of the options for attributes of a process, like those of values.hpp.
namespace ctrun {

/// UID[:GID[,GROUP...]] as numbers, GID being UID if left out, or USER[:GROUP] by name.
void parse_user(ct::ProcessSpec& spec, std::string_view text);
/// SET=NAME,...
void parse_capability_set(ct::CapabilitySets& sets, std::string_view text);
/// NAME[-locked],...
std::uint32_t parse_secure_bits(std::string_view text);

int parse_integer(std::string_view text, int min, int max);
/// POLICY[:PRIORITY][,reset-on-fork], or deadline:RUNTIME:DEADLINE[:PERIOD][,reset-on-fork] in microseconds.
ct::Scheduler parse_scheduler(std::string_view text);
/// rt[:LEVEL], be[:LEVEL] or idle
ct::IoPriority parse_io_priority(std::string_view text);
/// N[-N],...
std::vector<unsigned> parse_list(std::string_view text);
/// MODE[:LIST[:FLAG,...]]
ct::MemoryPolicy parse_memory_policy(std::string_view text);
/// linux or linux32, and flags: NAME,...
std::uint32_t parse_personality(std::string_view text);

} // namespace ctrun
