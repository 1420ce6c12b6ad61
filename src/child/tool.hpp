// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <linux/sched.h>

#include <cstdint>

namespace ct::internal::child {

/// A program of the host that runs on behalf of a start. Its keeper, a process in the host's memory, makes and awaits
/// it: so the host, in whose memory all of this lies, has no child that its own waiting or SIGCHLD handler would see.
struct ToolPlan {
    const char* path;
    const char* const* argv;
    const char* const* envp;
    std::int32_t input;    ///< Becomes descriptor 0; above 2, as is `output`.
    std::int32_t output;   ///< Becomes 1 and 2.
    clone_args clone;      ///< Of the program; with CLONE_VFORK.
    std::int32_t error;    ///< Outcome: errno if it could not be executed, else 0.
    std::int32_t status;   ///< Outcome: as of wait4(2).
    std::uint32_t awaited; ///< Outcome: 1 if `status` is known.
};

/// The whole life of the keeper: entry for clone_onto_stack(), \p plan is a `ToolPlan*`.
void run_keeper(void* plan) noexcept;

} // namespace ct::internal::child
