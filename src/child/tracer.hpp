// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace ct::internal::child {

/// A process in the host's memory that freezes another one at the moment when that has executed its program, and not
/// one instruction of it has run: it sees the exec by ptrace(2), which stops the process there. A process of its own,
/// since the host's waiting would see the stops of what the host itself traces.
struct TracerPlan {
    pid_t tracee;
    std::uint32_t programs; ///< How many have to be executed: 2 if a reaper makes the process, itself included.
    std::int32_t file;      ///< Freezes all of them by writing `text`.
    const char* text;
    std::size_t length;
    std::uint32_t attached; ///< Futex; 1 once the process is traced, or cannot be.
    std::int32_t error;     ///< Outcome: errno of tracing, as long as not `attached`, then of freezing.
    std::uint32_t frozen;   ///< Outcome: the file was written.

    static constexpr std::uint32_t MaxPrograms = 2;
};

/// The whole life of the tracer: entry for clone_onto_stack(), \p plan is a `TracerPlan*`.
void run_tracer(void* plan) noexcept;

} // namespace ct::internal::child
