// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "monitor/events.hpp"
#include "process_core.hpp"

namespace ct::internal {

class ContainerCore;

/// Checks the health of one run of a container. There is one check at a time: either a timer tells when the next is
/// due, or a process is under way.
class HealthWatch : public std::enable_shared_from_this<HealthWatch> {
public:
    HealthWatch(std::weak_ptr<ContainerCore> container, std::string name, std::shared_ptr<Events> events,
                std::shared_ptr<const HealthWish> wish);
    HealthWatch(const HealthWatch&) = delete;
    HealthWatch& operator=(const HealthWatch&) = delete;
    ~HealthWatch() { end(); }

    void start();
    /// Kills the check under way; nothing is told from then on.
    void end() noexcept;
    [[nodiscard]] bool heeds(const std::shared_ptr<const HealthWish>& wish) const noexcept { return wish_ == wish; }
    /// The process of the check under way, if any.
    [[nodiscard]] std::shared_ptr<ProcessCore> process() const;

private:
    struct Result {
        ExitStatus status = {};
        std::string reason = {}; ///< Empty if it was good.
    };
    /// A timer has come: begins a check.
    void check();
    void call(const std::function<bool()>& callable);
    void launch(ContainerCore& container, const ProcessSpec& spec);
    void follow(std::shared_ptr<ProcessCore> process);
    void timed_out();
    void process_ended();
    // These are called with the mutex.
    void arm();
    void conclude(Result result);
    void become(Health health);

    const std::weak_ptr<ContainerCore> container_;
    const std::string name_;
    const std::shared_ptr<Events> events_;
    const std::shared_ptr<const HealthWish> wish_;
    mutable std::mutex mutex_; ///< Guards what follows; not held while a check is begun.
    Loop::TimePoint started_ = {};
    Loop::Id timer_ = 0;
    Loop::Id watch_ = 0;
    std::shared_ptr<ProcessCore> process_;
    bool timed_out_ = false;
    Health health_ = Health::Starting;
    unsigned failures_ = 0;
    Result last_;
    bool ended_ = false;
};

/// \throws Error with Errc::InvalidConfig
void check_health_check(const HealthCheck& check);

} // namespace ct::internal
