// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>

#include "base/concat.hpp"
#include "cgroup/apply.hpp"
#include "cgroup/control_file.hpp"
#include "cgroup/controllers.hpp"
#include "cgroup/devices.hpp"
#include "config/validate.hpp"
#include "container_core.hpp"
#include "systemd/scope.hpp"

/// The groups of a container.
namespace ct::internal {

std::shared_ptr<const Groups> ContainerCore::groups() const {
    const std::lock_guard lock(mutex_);
    return groups_;
}

std::shared_ptr<const Groups> ContainerCore::running_groups(std::string_view action) {
    (void)running_init(action);
    const std::lock_guard lock(mutex_);
    if (groups_) return groups_;
    if (state_ != State::Running) throw wrong_state(action, "running", state_); // it has just ended
    throw Error(Errc::InvalidState, Stage::Cgroup, concat(subject(), ": ", action), {},
                "the container has no cgroups: see Spec::cgroup");
}

void ContainerCore::check_runs_with(const std::shared_ptr<const Groups>& groups, std::string_view action) {
    const State now = life();
    if (now != State::Running) throw wrong_state(action, "running", now);
    if (this->groups() != groups) throw wrong_state(action, "running", State::Stopping); // it runs anew
}

void ContainerCore::prepare_groups(const Spec& spec) {
    if (!uses_groups(spec.cgroup)) return;
    GroupParents& parents = session_->group_parents();
    if (wants_scope(spec)) return check_scopes(parents.hierarchies(), spec.cgroup);
    std::vector<Group> planned = place_groups(parents, name_, spec.cgroup, makes_namespace(spec, Namespace::Pid));
    const auto mark = parents.new_mark();
    if (registration_) {
        std::vector<std::string> paths;
        for (const Group& group : planned) paths.push_back(group.path);
        registration_->announce_groups(std::move(paths), mark->text());
    }
    auto groups = std::make_shared<const Groups>(make_groups(parents, std::move(planned), spec.cgroup, mark));
    {
        const std::lock_guard lock(mutex_);
        groups_ = groups;
    }
    if (!spec.cgroup.limits_after_set_up) apply_settings(*groups, spec.cgroup);
}

void ContainerCore::add_group_tasks(Plan& plan, const Spec& spec) {
    if (wants_scope(spec)) add_scope_task(plan, spec);
    if (spec.cgroup.limits.devices) {
        // Once its own nodes are made, and nothing but the program is left to open one.
        plan.parent_tasks.push_back({Await::SetUp, [this, &limits = spec.cgroup.limits](const WaitingChild&) {
                                         apply_device_rules(groups()->at(Controller::Devices), *limits.devices);
                                     }});
    }
    if (!uses_groups(spec.cgroup) || !spec.cgroup.limits_after_set_up) return;
    plan.parent_tasks.push_back(
        {Await::SetUp, [this, &cgroup = spec.cgroup](const WaitingChild&) { apply_settings(*groups(), cgroup); }});
}

Membership ContainerCore::membership(Role role) const {
    if (const auto groups = this->groups()) return {groups, role == Role::Entering};
    return wants_scope(*spec_) ? Membership::moved_later() : Membership();
}

GroupLayout ContainerCore::group_layout(const Membership& membership, const Spec& spec) {
    GroupLayout layout = membership.layout();
    const auto groups = this->groups();
    if (!groups || spec.cgroup.mount == CgroupMount::None) return layout;
    layout.view = view_of(*groups, session_->group_parents().hierarchies());
    if (spec.cgroup.mount == CgroupMount::Writable && has_namespace(spec, Namespace::User)) layout.delegated = groups;
    return layout;
}

void ContainerCore::set_controller_value(ControllerValue value) {
    with_subject(subject(), [&] { check_controller_value(value); });
    if (life() != State::Stopped) {
        with_groups("set a controller value",
                    [&](const Groups& groups) { write_control(groups.at(value.controller), value.file, value.value); });
        return;
    }
    configure([&](Spec& spec) {
        std::vector<ControllerValue>& values = spec.cgroup.values;
        std::erase_if(values, [&](const ControllerValue& other) {
            return other.controller == value.controller && other.file == value.file;
        });
        values.push_back(std::move(value));
    });
}

std::string ContainerCore::controller_value(Controller controller, const std::string& file) {
    with_subject(subject(), [&] { check_controller_value({controller, file, {}}); });
    if (life() != State::Stopped) {
        return with_groups("read a controller value",
                           [&](const Groups& groups) { return read_control(groups.at(controller), file); });
    }
    const std::lock_guard lock(mutex_);
    for (const ControllerValue& value : spec_->cgroup.values) {
        if (value.controller == controller && value.file == file) return value.value;
    }
    throw Error(Errc::InvalidState, Stage::Cgroup, concat(subject(), ": read a controller value"), file,
                "it has not been set, and the container is not running");
}

std::string ContainerCore::cgroup_path(Controller controller) {
    if (life() == State::Stopped) {
        const Spec spec = this->spec();
        return with_subject(subject(), [&] {
            const auto planned =
                place_groups(session_->group_parents(), name_, spec.cgroup, makes_namespace(spec, Namespace::Pid));
            const auto found = std::find_if(planned.begin(), planned.end(),
                                            [&](const Group& group) { return group.hierarchy->has(controller); });
            if (found == planned.end()) throw Groups::started_without(controller);
            return found->path;
        });
    }
    return with_groups("find its cgroup", [&](const Groups& groups) { return groups.at(controller).path; });
}

} // namespace ct::internal
