// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/apply.hpp"

#include "cgroup/control_file.hpp"

namespace ct::internal {

void apply_settings(const Groups& groups, const Cgroup& cgroup) {
    for (const ControllerValue& value : cgroup.values)
        write_control(groups.at(value.controller), value.file, value.value);
}

} // namespace ct::internal
