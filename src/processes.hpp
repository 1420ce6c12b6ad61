// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <optional>
#include <string_view>
#include <vector>

namespace ct::internal {

/// What /proc/PID/stat tells of a process.
struct ProcessLine {
    char state;
    pid_t parent;
    bool operator==(const ProcessLine&) const = default;
};
/// \param text  its content; the name in it may be anything, also look like what follows it
[[nodiscard]] std::optional<ProcessLine> parse_process_line(std::string_view text);

/// All processes of the host that are in the pid namespace \p pid_namespace or in one below it, in ascending order.
[[nodiscard]] std::vector<pid_t> processes_in(int pid_namespace);

/// Those that have not ended.
[[nodiscard]] std::vector<pid_t> living(std::vector<pid_t> processes);

/// \p roots, as far as they are there, and all their descendants, in ascending order.
[[nodiscard]] std::vector<pid_t> processes_below(const std::vector<pid_t>& roots);

} // namespace ct::internal
