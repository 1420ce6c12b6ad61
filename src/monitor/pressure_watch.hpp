// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <functional>
#include <memory>

#include <ct/events.hpp>

#include "base/unique_fd.hpp"
#include "cgroup/groups.hpp"
#include "monitor/once_polls.hpp"

namespace ct::internal {

/// A trigger of the kernel's on a pressure file of a container's own group of version 2.
class PressureWatch : public std::enable_shared_from_this<PressureWatch> {
public:
    /// Called on the thread that dispatches.
    using Report = std::function<void(const Pressure& now)>;

    /// \param groups  may be null
    /// \throws Error with Errc::Unsupported if there is no such file, or the kernel does not measure that
    PressureWatch(std::shared_ptr<OncePolls> polls, const Groups* groups, const PressureTrigger& trigger,
                  Report report);
    PressureWatch(const PressureWatch&) = delete;
    PressureWatch& operator=(const PressureWatch&) = delete;
    ~PressureWatch();

    /// Nothing happens if it was called before.
    void start();

private:
    void look() const;

    const std::shared_ptr<OncePolls> polls_;
    const Report report_;
    const UniqueFd fd_;
    OncePolls::Id id_ = 0;
};

/// \throws Error with Errc::InvalidConfig
void check_pressure_trigger(const PressureTrigger& trigger);

} // namespace ct::internal
