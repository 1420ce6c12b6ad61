// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <csignal>

#include "cgroup/freezer.hpp"
#include "cgroup/kill.hpp"
#include "config/validate.hpp"
#include "container_core.hpp"
#include "run_watch.hpp"

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
    with_groups("freeze", [&](const Groups& groups) { internal::freeze(groups, limit); });
    if (const auto watch = run_watch()) watch->look();
}

void ContainerCore::thaw(std::chrono::nanoseconds limit) {
    with_groups("thaw", [&](const Groups& groups) { internal::thaw(groups, limit); });
    if (const auto watch = run_watch()) watch->look();
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
    // Only the freezer of version 1 keeps killed ones from dying. Who may write to it can freeze the first process, and
    // thereby everybody, again: so all are killed at once.
    const Group* const freezer = groups->find(Controller::Freezer);
    if (all_die && (freezer == nullptr || freezer->hierarchy->version != 1)) return;
    with_subject(subject(), [&] { internal::kill_all(*groups, KillPatience); });
}

void ContainerCore::kill_until_ended(const std::shared_ptr<ProcessCore>& process) {
    do {
        kill_all(process);
    } while (!process->wait(std::chrono::milliseconds(100)));
}

void ContainerCore::give_up(const std::shared_ptr<ProcessCore>& init) noexcept {
    session_->log_errors([&] { kill_until_ended(init); });
}

} // namespace ct::internal
