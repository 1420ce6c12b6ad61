// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <ct/error.hpp>

#include "base/concat.hpp"
#include "cgroup/control_file.hpp"
#include "config/validate.hpp"

namespace ct::internal {

namespace {

void check_controller(Controller controller) {
    if (controller <= Controller::Misc) return;
    throw Error::invalid_config({}, {concat("there is no cgroup controller ", static_cast<unsigned>(controller))});
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
    for (const ControllerValue& value : cgroup.values) check_controller_value(value);
    check_limits(cgroup.limits);
    if (cgroup.mount > CgroupMount::Writable)
        throw Error::invalid_config({}, {"the cgroup mount is of an unknown kind"});
}

} // namespace ct::internal
