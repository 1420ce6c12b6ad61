// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "options.hpp"

namespace ctmon {

/// What a process of the monitor's starts with in place of what the monitor has changed for itself.
struct Inherited {
    std::vector<std::string> environment; ///< NAME=VALUE
    std::string oom_score_adj;            ///< Empty: it could not be changed.
    bool sigpipe_ignored = false;
    sigset_t blocked_signals = {};
    std::vector<rlimit> limits;                              ///< By their numbers; none: they are left as they are.
    std::vector<std::pair<int, ct::internal::UniqueFd>> fds; ///< Further ones for the runtime, by their numbers there.
    ct::internal::UniqueFd directory;                        ///< The current one, if it is not the monitor's.
};

/// The command line of the OCI runtime. \param console  the path of the console socket; empty: none
[[nodiscard]] std::vector<std::string> runtime_command(const Options& options, const std::string& console);

/// The streams of a new process, borrowed. -1: /dev/null.
struct ChildStreams {
    int in = -1;
    int out = -1;
    int err = -1;
    bool inherit = false; ///< The monitor's own, in place of these.
};

/// Starts the runtime, which dies with the monitor. \returns its pid
/// \param gate  read from once before it executes; -1: nothing
/// \throws ct::Error if there is no process; that the program cannot be executed is told to `err`, with exit code 127
[[nodiscard]] pid_t start_runtime(const Options& options, const std::string& console, const ChildStreams& streams,
                                  int gate, const Inherited& inherited);

/// Starts the exit command, with nothing but /dev/null open. \throws ct::Error
[[nodiscard]] pid_t start_exit_command(const Options& options, const Inherited& inherited);

/// What the runtime wrote into the pid file; none if there is no number. \p why says what is wrong
[[nodiscard]] std::optional<pid_t> read_pid_file(const Options& options, int directory, std::string& why);

} // namespace ctmon
