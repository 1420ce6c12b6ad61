// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <linux/sched.h>

#include <cstddef>
#include <cstdint>

namespace ct::internal::child {

/// A program that one process makes, and supervises until it ends. It runs in that process's memory until it is
/// executed.
struct Command {
    const char* const* candidates; ///< Paths to try, null at the end.
    const char* const* argv;
    const char* const* envp;
    const char* directory = nullptr;        ///< Or null: the present one.
    std::int32_t streams[3] = {-1, -1, -1}; ///< Become 0, 1 and 2, if not -1; all above 2.
    std::int64_t umask = -1;                ///< Or -1: the present one.
    bool new_session = false;
    bool shares_descriptors = false; ///< The supervisor has the host's descriptor table, in which nothing is closed.
    bool ends_orphans = false;    ///< The supervisor is a child subreaper: what is killed is killed with all orphans.
    std::int64_t time_limit = 0;  ///< Nanoseconds; 0 for none.
    std::int32_t host_pidfd = -1; ///< The end of that process ends the program as its time limit does; or -1.
    std::int32_t errors = -1;     ///< O_NONBLOCK: the other end of one of the streams; or -1.
    std::byte* stack = nullptr;   ///< For the program's process.
    std::size_t stack_size = 0;

    /// \name Outcome
    /// @{
    std::int32_t error = 0;  ///< errno if it could not be executed.
    std::int32_t status = 0; ///< As of wait4(2).
    bool awaited = false;    ///< `status` is known.
    bool late = false;       ///< It was killed when its time was over.
    std::int32_t pidfd = -1; ///< While it runs.
    static constexpr std::uint32_t TextSize = 1024;
    std::uint32_t text_length = 0;
    char text[2 * TextSize] = {}; ///< The last that came from `errors`: at least half of this if there was as much.
    /// @}
};

/// Runs it until it has ended, and knows its outcome then. Any signal but SIGKILL has to be blocked.
void run(Command& command) noexcept;

} // namespace ct::internal::child
