// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cgroup/groups.hpp"

namespace ct::internal {

/// Notices that a process being set up gets no memory from its memory cgroup.
///
/// Such a process is a vfork child, which the OOM killer spares. If there is nobody else to kill, a page fault that
/// needs memory of the group fails, and the kernel begins it anew, for ever.
///
/// It is not spared any more once its vfork parent is killed, and the host, which has the same memory, dies with it.
/// So before anything is killed there has to be enough.
class Starvation {
public:
    /// \param lasting  other processes go on in the groups
    Starvation(std::shared_ptr<const Groups> groups, bool lasting) noexcept
        : groups_(std::move(groups)), lasting_(lasting) {}

    /// To be asked every now and then. \returns whether the group has refused memory from each time to the next for so
    /// long that nothing else is to be expected
    [[nodiscard]] bool goes_on();
    /// Takes the limit away, so that processes can be killed.
    void relieve() noexcept;
    /// They are gone: puts it back, if anybody is left.
    void end_relief() noexcept;

private:
    std::shared_ptr<const Groups> groups_;
    bool lasting_;
    std::vector<std::pair<const char*, std::string>> limits_; ///< Those that were taken away.
    std::uint64_t refusals_ = 0;
    int times_ = 0;
};

} // namespace ct::internal
