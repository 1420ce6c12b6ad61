// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <vector>

#include "../json.hpp"
#include "../options.hpp"

namespace ctrun {

/// The running containers that have groups, and so can be asked.
std::vector<std::string> names_with_stats(ct::Session& session);

Json stats_to_json(const std::string& name, const ct::Stats& stats);

/// Shows what containers use again and again, until all that were named have ended. \returns the exit status
int print_live(const StatsCommand& command);

} // namespace ctrun
