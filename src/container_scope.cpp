// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <unistd.h>

#include "cgroup/apply.hpp"
#include "cgroup/controllers.hpp"
#include "container_core.hpp"
#include "systemd/bus.hpp"
#include "systemd/scope.hpp"

/// What is different in the life of a container whose groups systemd makes.
namespace ct::internal {

bool ContainerCore::wants_scope(const Spec& spec) const {
    return session_->options().cgroup_manager == CgroupManager::Systemd && uses_groups(spec.cgroup);
}

void ContainerCore::add_scope_task(Plan& plan, const Spec& spec) {
    plan.parent_tasks.push_back({Await::Birth, [this, &cgroup = spec.cgroup](const WaitingChild& child) {
                                     const Hierarchies& hierarchies = session_->group_parents().hierarchies();
                                     const auto mark = std::make_shared<const GroupMark>();
                                     auto groups = std::make_shared<const Groups>(
                                         make_scope(hierarchies, name_, child.pid, cgroup, session_->options(), mark));
                                     {
                                         const std::lock_guard lock(mutex_);
                                         groups_ = groups;
                                     }
                                     if (registration_) registration_->announce_groups(groups->paths(), mark->text());
                                     if (!cgroup.limits_after_set_up) apply_settings(*groups, cgroup);
                                 }});
}

void ContainerCore::add_attach_task(Plan& plan, Membership& membership) {
    const auto groups = this->groups();
    // Root may make it there. Others lack the right to move a process from where the host is.
    if (!groups || ::geteuid() == 0 || !is_in_scope(*groups, name_)) return;
    membership = Membership::moved_later();
    plan.parent_tasks.push_back({Await::Birth, [this](const WaitingChild& child) {
                                     SystemdBus().attach(scope_of(name_), "/" + name_, child.pid);
                                 }});
}

void ContainerCore::stop_scope() {
    session_->log_errors([&] { with_subject(subject(), [&] { SystemdBus().stop_scope(scope_of(name_)); }); });
}

} // namespace ct::internal
