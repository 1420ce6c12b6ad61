// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <vector>

#include "cgroup/groups.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

/// What a new process needs to be born in the groups of a container: open descriptors for the time of a start.
///
/// Of version 2 the directory, for CLONE_INTO_CGROUP. Of version 1 the file `tasks`, to which the child itself writes
/// "0", its own thread: who moves a whole process, or another one, waits for all processes of the machine (the kernel
/// takes cgroup_threadgroup_rwsem), which costs some milliseconds.
class Membership {
public:
    Membership() = default;
    /// \throws Error with Stage::Cgroup
    /// \param occupied  there are processes in the groups already
    Membership(std::shared_ptr<const Groups> groups, bool occupied);
    /// Of a process that somebody else moves, while it waits.
    [[nodiscard]] static Membership moved_later();

    /// For a container that divides its groups: one of version 2 takes no process any more once it has enabled
    /// controllers for those below it. Then the new process goes where \p leader is.
    void follow(pid_t leader);

    [[nodiscard]] const GroupLayout& layout() const noexcept { return layout_; }

private:
    std::shared_ptr<const Groups> groups_;
    std::vector<UniqueFd> files_;
    GroupLayout layout_;
};

} // namespace ct::internal
