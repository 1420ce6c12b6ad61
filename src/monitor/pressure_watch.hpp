// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <functional>
#include <memory>

#include <ct/events.hpp>

#include "base/unique_fd.hpp"
#include "cgroup/groups.hpp"
#include "monitor/loop.hpp"

namespace ct::internal {

/// A trigger of the kernel's on the pressure files of a container's own group of version 2.
class PressureWatch : public std::enable_shared_from_this<PressureWatch> {
public:
    /// Called on the thread that dispatches.
    using Report = std::function<void(const Pressure& now)>;

    /// \throws Error with Errc::Unsupported if the group has no such file, or this kernel does not watch it
    PressureWatch(std::shared_ptr<Loop> loop, const Groups& groups, const PressureTrigger& trigger, Report report);
    PressureWatch(const PressureWatch&) = delete;
    PressureWatch& operator=(const PressureWatch&) = delete;
    ~PressureWatch();

    void start();

private:
    void look(std::uint32_t events);

    const std::shared_ptr<Loop> loop_;
    const Report report_;
    UniqueFd fd_;
    Loop::Id id_ = 0;
};

/// \throws Error with Errc::InvalidConfig
void check_pressure_trigger(const PressureTrigger& trigger);

} // namespace ct::internal
