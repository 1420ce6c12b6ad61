// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <functional>

#include <ct/ct.hpp>

#include "terminal.hpp"

namespace ctrun {

/// What a process in the background says once its container runs.
using Started = std::function<void()>;

/// Calls \p body in a process of its own, which has no terminal and outlives this one. Until \p body calls its argument
/// that process has the standard streams of this one, and this one waits; from then on it has /dev/null, and nothing
/// else of what this one was given.
/// \returns an exit status: 0 if \p body has called its argument, or what it has returned before
int run_in_background(const std::function<int(const Started& started)>& body);

struct MonitorOptions {
    const ct::AttachServer* server = nullptr; ///< Whose clients are awaited, too.
    bool shares_terminal = false;             ///< The container has this process's: what is typed there signals both.
};

/// Looks after the container until it has ended: moves its output, and hands on signals to its first process.
void monitor(ct::Session& session, ct::Container& container, const ct::Process& init, const Signals& signals,
             const MonitorOptions& options);

} // namespace ctrun
