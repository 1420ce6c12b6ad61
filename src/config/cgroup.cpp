// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <ct/error.hpp>

#include "base/concat.hpp"
#include "cgroup/control_file.hpp"
#include "cgroup/named.hpp"
#include "config/validate.hpp"

namespace ct::internal {

namespace {

void check_controller(Controller controller) {
    if (controller <= Controller::Misc) return;
    throw Error::invalid_config({}, {concat("there is no cgroup controller ", static_cast<unsigned>(controller))});
}

void check_device_rule(const DeviceRule& rule) {
    // What lies above is no number of a device: version 1 would take the highest one for all.
    constexpr std::uint32_t last_major = (1U << 12U) - 1;
    constexpr std::uint32_t last_minor = (1U << 20U) - 1;
    if (rule.major.value_or(0) > last_major || rule.minor.value_or(0) > last_minor)
        throw Error::invalid_config({}, {"a device rule has a number that no device can have"});
    if (rule.type > DeviceClass::Block) throw Error::invalid_config({}, {"a device rule is of an unknown class"});
}

} // namespace

void check_controller_value(const ControllerValue& value) {
    check_controller(value.controller);
    check_control_name(value.file);
    if (value.value.find('\0') != std::string::npos) {
        throw Error::invalid_config({}, {concat("the value of the control file '", value.file, "' has a NUL byte")});
    }
}

void check_cgroup(const Cgroup& cgroup) {
    for (const Controller controller : cgroup.controllers) check_controller(controller);
    for (const std::string& name : cgroup.named_hierarchies) check_hierarchy_name(name);
    for (const ControllerValue& value : cgroup.values) check_controller_value(value);
    check_limits(cgroup.limits);
    if (cgroup.limits.devices) {
        for (const DeviceRule& rule : *cgroup.limits.devices) check_device_rule(rule);
    }
    if (cgroup.mount > CgroupMount::Writable)
        throw Error::invalid_config({}, {"the cgroup mount is of an unknown kind"});
}

} // namespace ct::internal
