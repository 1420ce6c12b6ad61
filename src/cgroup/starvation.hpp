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
    /// \param groups  of a container that is started: nobody else is in there
    explicit Starvation(std::shared_ptr<const Groups> groups) noexcept : groups_(std::move(groups)) {}

    /// To be asked every now and then. \returns whether the group has refused memory from each time to the next for so
    /// long that nothing else is to be expected
    [[nodiscard]] bool goes_on();
    /// If goes_on() has found it so: takes the limit away, so that the process can be killed. The groups go with it.
    void relieve() noexcept;

private:
    std::shared_ptr<const Groups> groups_;
    std::uint64_t refusals_ = 0;
    int times_ = 0;
    bool found_ = false;
};

} // namespace ct::internal
