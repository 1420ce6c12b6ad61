// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "options.hpp"

namespace ctmon {

/// The union of what each \p paths (--log-path) asks for. \throws Refused
[[nodiscard]] LogDrivers parse_log_drivers(const std::vector<std::string>& paths);

/// Each of \p labels (--log-label) as name and value. \throws Refused
[[nodiscard]] std::vector<std::pair<std::string, std::string>> parse_labels(const std::vector<std::string>& labels);

} // namespace ctmon
