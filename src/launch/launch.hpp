// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <span>
#include <string>

#include "base/unique_fd.hpp"
#include "cgroup/groups.hpp"
#include "launch/area.hpp"
#include "plan/plan.hpp"

namespace ct::internal {

class StartThread;

/// A child of this process, alive (or dead, but not yet reaped).
struct Launched {
    pid_t pid = -1;
    UniqueFd pidfd;
    bool adopted = false; ///< Somebody else's: its status is left to its owner.
    std::chrono::steady_clock::time_point made = {}; ///< When the process was there, before its set-up.
};

/// A directory of the host that is seen at \p target inside.
struct FilesRoot {
    std::string target; ///< Normal path.
    int directory;
    int lock; ///< A directory that is locked (LOCK_SH) against removal of mount points that other containers use.
};

struct LaunchRequest {
    const Plan& plan;
    /// The directory in which mount points are created, locked (LOCK_SH) against removal of those that others use; or
    /// -1.
    int root_lock;
    /// Runs instead of a program at the end of the plan if it is set.
    const std::function<int()>& callable;
    /// Makes the process, if not null, in place of the calling thread.
    StartThread* thread = nullptr;
    /// Further directories in which mount points are created, seen below the root.
    std::span<const FilesRoot> bound = {};
    /// The groups in which the process is made, or null: it does not get anywhere if they are frozen.
    const Groups* groups = nullptr;
    /// Whether it enters a container that runs, in which others may do something to it during its set-up.
    bool enters = false;
};

/// How long a process that enters may stay at the same place of its set-up; tests make it shorter.
#ifdef CT_FAULT_POINTS
inline std::chrono::nanoseconds enter_patience = std::chrono::seconds(10);
#else
inline constexpr std::chrono::nanoseconds enter_patience = std::chrono::seconds(10);
#endif

/// Makes the process and sees it through its set-up. When it returns, the program was executed or the callable runs; or
/// the plan ended with Op::Finish, then the process is gone and the result empty.
/// \throws Error that names the step; the process is gone then, and the mount points that it made are removed
[[nodiscard]] Launched launch(const LaunchRequest& request, AreaPool& areas);

} // namespace ct::internal
