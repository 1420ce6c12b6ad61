// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <functional>
#include <memory>

#include <ct/process.hpp>

#include "base/unique_fd.hpp"
#include "cgroup/groups.hpp"
#include "plan/plan.hpp"

namespace ct::internal {

/// Freezes a container that is being started before its program has run one instruction: a program by a tracer, see
/// child/tracer.hpp; a callable while it waits for the parent for the last time.
class FrozenBirth {
public:
    /// \param groups   tells the groups of the container, once the process is in them
    /// \param process  what is started
    FrozenBirth(std::function<std::shared_ptr<const Groups>()> groups, const ProcessSpec& process, bool callable);
    FrozenBirth(const FrozenBirth&) = delete;
    FrozenBirth& operator=(const FrozenBirth&) = delete;
    ~FrozenBirth(); ///< Ends the tracer, and thereby what it still traces.

    /// Adds what has to be done during the start, after all else. The plan must not outlive this object.
    void add_to(Plan& plan);
    /// After the launch: waits until all is frozen. \throws Error if it cannot be; then the program may have been
    /// killed
    void finish();

private:
    struct Tracer;
    void trace(const WaitingChild& child);

    const std::function<std::shared_ptr<const Groups>()> find_groups_;
    std::shared_ptr<const Groups> groups_;
    const Group* group_ = nullptr;
    const Await moment_;
    const std::uint32_t programs_;
    std::unique_ptr<Tracer> tracer_;
};

} // namespace ct::internal
