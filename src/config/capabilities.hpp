// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ct::internal {

/// Whether libcap knows the name, in any case, with or without "CAP_", or it is "ALL".
[[nodiscard]] bool is_capability(const std::string& name);

/// The set of the named capabilities, bit N for capability N; "ALL" stands for \p all.
[[nodiscard]] std::uint64_t capability_set(const std::vector<std::string>& names, std::uint64_t all);

/// "cap_chown" and the like.
[[nodiscard]] std::string capability_name(std::uint32_t number);

/// The highest capability that the kernel knows.
[[nodiscard]] std::uint32_t last_capability();

} // namespace ct::internal
