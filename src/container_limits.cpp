// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/devices.hpp"
#include "cgroup/limit_values.hpp"
#include "cgroup/limits.hpp"
#include "container_core.hpp"

/// The part of a container that changes what it may use while it runs.
namespace ct::internal {

void ContainerCore::update(const Limits& given) {
    const std::lock_guard updating(updating_);
    with_subject(subject(), [&] { check_limits(given); });
    (void)running_init("update");
    const std::shared_ptr<const Groups> present = this->groups();
    const Groups none; // it was started without any controller
    const Groups& groups = present ? *present : none;
    during_run(present, "update", [&] {
        auto next = std::make_shared<Spec>(registration_ ? *registration_->running_spec() : spec());
        const std::optional<std::vector<DeviceRule>> rules = next->cgroup.limits.devices;
        next->cgroup.limits = merged(std::move(next->cgroup.limits), given);
        std::vector<std::string> found;
        limit_violations(found, next->cgroup.limits);
        if (!found.empty()) throw Error::invalid_config("update", std::move(found));
        const Group* const devices = given.devices ? &groups.at(Controller::Devices) : nullptr;
        const std::function<void()> record = [&] {
            if (registration_) registration_->updated(next);
        };
        update_limits(groups, given, next->cgroup.limits, [&] {
            if (devices == nullptr) return record();
            update_device_rules(*devices, rules, *given.devices, record);
        });
        const std::lock_guard lock(mutex_);
        if (state_ == State::Running || state_ == State::Paused) spec_ = next;
    });
}

} // namespace ct::internal
