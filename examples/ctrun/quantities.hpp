// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ct/ct.hpp>

/// What containers use, as text; "-" for what is not known.
namespace ctrun {

std::string text(const std::optional<std::uint64_t>& count);
/// In the largest unit of which there is one.
std::string text(const std::optional<ct::Bytes>& bytes);
std::string text(const std::optional<std::chrono::nanoseconds>& time);
std::string percent(const std::optional<double>& part);

/// Over all devices; absent if it is for all of them.
std::optional<ct::Bytes> sum(const std::optional<std::vector<ct::IoStats>>& io,
                             std::optional<ct::Bytes> ct::IoStats::*part);

} // namespace ctrun
