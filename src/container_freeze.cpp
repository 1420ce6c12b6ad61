// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <csignal>

#include "base/subject.hpp"
#include "cgroup/freezer.hpp"
#include "cgroup/kill.hpp"
#include "config/validate.hpp"
#include "container_core.hpp"

/// Pausing a container, and killing it as a whole.
namespace ct::internal {

namespace {

/// Time for all processes to be frozen where that is the way to kill them.
constexpr std::chrono::seconds KillPatience{2};

} // namespace

bool ContainerCore::is_paused() const {
    const auto groups = this->groups();
    return groups && is_frozen(*groups);
}

void ContainerCore::freeze(std::chrono::nanoseconds limit) {
    const auto groups = running_groups("freeze");
    with_subject(subject(), [&] { internal::freeze(*groups, limit); });
}

void ContainerCore::thaw(std::chrono::nanoseconds limit) {
    const auto groups = running_groups("thaw");
    with_subject(subject(), [&] { internal::thaw(*groups, limit); });
}

void ContainerCore::kill_all(const std::shared_ptr<ProcessCore>& init) {
    if (init) (void)init->signal(SIGKILL);
    const auto groups = this->groups();
    if (!groups) return;
    bool all_die;
    {
        const std::lock_guard lock(mutex_);
        all_die = init && makes_namespace(*spec_, Namespace::Pid);
    }
    with_subject(subject(), [&] {
        if (all_die) {
            thaw_for_kill(*groups);
        } else {
            internal::kill_all(*groups, KillPatience);
        }
    });
}

void ContainerCore::give_up(const std::shared_ptr<ProcessCore>& init) noexcept {
    session_->log_errors([&] {
        kill_all(init);
        (void)init->wait(std::nullopt);
    });
}

} // namespace ct::internal
