// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/stats.hpp"
#include "container_core.hpp"

namespace ct::internal {

Stats ContainerCore::stats() {
    constexpr std::string_view action = "read its statistics";
    const std::shared_ptr<const Groups> groups = running_groups(action);
    Stats stats = with_subject(subject(), [&] { return read_stats(*groups); });
    // Groups that are being removed tell only a part, or nothing.
    check_runs_with(groups, action);
    return stats;
}

} // namespace ct::internal
