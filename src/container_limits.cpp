// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "base/subject.hpp"
#include "cgroup/limit_values.hpp"
#include "cgroup/limits.hpp"
#include "container_core.hpp"

/// The part of a container that changes what it may use while it runs.
namespace ct::internal {

void ContainerCore::update(const Limits& given) {
    const std::lock_guard updating(updating_);
    const State now = state();
    if (now != State::Running && now != State::Paused) throw wrong_state("update", "running", now);
    // Without groups it was started without any controller.
    auto groups = this->groups();
    if (groups == nullptr) groups = std::make_shared<const Groups>();
    with_subject(subject(), [&] {
        check_limits(given);
        auto next = std::make_shared<Spec>(registration_ ? *registration_->running_spec() : spec());
        next->cgroup.limits = merged(std::move(next->cgroup.limits), given);
        std::vector<std::string> found;
        if (given.devices) found.emplace_back("the rules for devices are set by a start only");
        limit_violations(found, next->cgroup.limits);
        if (!found.empty()) throw Error::invalid_config("update", std::move(found));
        update_limits(*groups, given, next->cgroup.limits, [&] {
            if (registration_) registration_->updated(next);
        });
        const std::lock_guard lock(mutex_);
        if (state_ == State::Running || state_ == State::Paused) spec_ = next;
    });
}

} // namespace ct::internal
