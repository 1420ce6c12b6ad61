// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ct/ct.hpp>

/// The values of ctrun's options, as text, turned into what libct takes. Each throws std::invalid_argument with a
/// clause that says what was expected.
namespace ctrun {

std::vector<std::string> split(std::string_view text, char separator);
/// All of \p text as a number from 0 to \p max.
std::uint64_t parse_number(std::string_view text, std::uint64_t max = std::numeric_limits<std::uint64_t>::max(),
                           int base = 10);
/// A whole number.
std::chrono::seconds parse_seconds(std::string_view text);
/// Whole numbers with units, such as 1h30m or 500ms; one without a unit is seconds.
std::chrono::milliseconds parse_duration(std::string_view text);
/// KEY[,KEY...], each a character or ctrl-LETTER. \returns what a terminal sends for them
std::string parse_keys(std::string_view text);
/// A point in time as of RFC 3339, or how long ago it is.
ct::LogTime parse_since(std::string_view text);

/// KIND[,KIND...], where `all` is every kind but user, which needs id maps to be of use, and time.
std::vector<ct::Namespace> parse_kinds(std::string_view text);
/// KIND=PATH or KIND=container:NAME
std::pair<ct::Namespace, ct::NamespaceSource> parse_join(std::string_view text);
/// CLOCK=SECONDS, where SECONDS may be negative or have a fraction; sets one of \p offsets.
void parse_time_offset(std::string_view text, ct::TimeOffsets& offsets);
/// NAME=VALUE
std::pair<std::string, std::string> parse_assignment(std::string_view text);
/// INSIDE:OUTSIDE:COUNT
ct::IdRange parse_id_range(std::string_view text);
ct::SetGroups parse_setgroups(std::string_view text);

/// DIR[:TARGET[:ro]]
ct::BindDir parse_private(std::string_view text);
/// KEY=VALUE[,KEY=VALUE...] with lower (may be repeated, topmost first), upper, work, size, target.
ct::OverlayArea parse_overlay(std::string_view text);
/// size=SIZE and mode=OCTAL, both or one of them.
ct::TmpfsArea parse_tmpfs_root(std::string_view text);
/// FILE[:TARGET[:FLAG,...]], where a flag is ro, type=TYPE, or an option of the file system.
ct::ImageArea parse_image(std::string_view text);
/// A number of bytes, with k, m or g (or K, M, G) after it for KiB, MiB or GiB.
std::uint64_t parse_size(std::string_view text);
/// SOURCE:TARGET[:FLAG,...]
ct::Mount parse_bind(std::string_view text);
/// TARGET[:FLAG or OPTION,...]
ct::Mount parse_tmpfs(std::string_view text);
/// type=TYPE,source=SOURCE,target=TARGET[,FLAG or OPTION...]
ct::Mount parse_mount(std::string_view text);

ct::Propagation parse_propagation(std::string_view text);
/// new or bind-host
ct::ProcMode parse_proc_mode(std::string_view text);
/// PATH[:TARGET[:MODE]] of a device of this host.
ct::Device parse_device(std::string_view text);

/// NAME=SOFT[:HARD]; HARD is SOFT if left out.
ct::ResourceLimit parse_limit(std::string_view text);
/// A signal's number, or its name with or without SIG.
int parse_signal(std::string_view text);
/// TARGET=SOURCE, where ctrun itself has SOURCE open.
ct::FdMapping parse_fd(std::string_view text);
/// inherit, null, or stdout.
ct::Stdio parse_stdio(std::string_view text);

} // namespace ctrun
