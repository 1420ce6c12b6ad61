// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/apply.hpp"

#include "cgroup/control_file.hpp"
#include "cgroup/limits.hpp"

namespace ct::internal {

void apply_settings(const Groups& groups, const Cgroup& cgroup) {
    apply_limits(groups, cgroup.limits);
    for (const ControllerValue& value : cgroup.values)
        write_control(groups.at(value.controller), value.file, value.value);
}

} // namespace ct::internal
