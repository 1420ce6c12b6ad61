// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <sys/stat.h>

#include "base/concat.hpp"
#include "config/defaults.hpp"
#include "config/validate.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

void plan_devices(Plan& plan, const Spec& spec, const FdLayout& fds) {
    if (!spec.default_devices && !spec.default_mounts) return;
    if (has_namespace(spec, Namespace::User)) {
        std::vector<Mount> binds;
        for (const DefaultDevice& device : DefaultDevices) {
            const std::string path = concat("/dev/", device.name);
            binds.push_back({.source = path, .target = path, .options = {}, .no_suid = true, .no_exec = true});
        }
        plan_mounts(plan, binds);
    } else {
        for (const DefaultDevice& device : DefaultDevices) {
            plan.steps.add(Op::MakeNode, NodeArgs{"/dev", device.name, S_IFCHR | 0666, device.major, device.minor},
                           {Stage::Devices, "make the device", concat("/dev/", device.name)});
        }
    }
    for (const DefaultLink& link : DefaultLinks) {
        plan.steps.add(Op::MakeSymlink, SymlinkArgs{"/dev", link.name, link.content},
                       {Stage::Devices, "make the link", concat("/dev/", link.name)});
    }
    // ttyname(3) looks for the terminal in /dev, and /dev/pts has only the container's own ones.
    if (!fds.terminal_path.empty()) {
        plan_mounts(
            plan,
            {{.source = fds.terminal_path, .target = "/dev/console", .options = {}, .no_suid = true, .no_exec = true}});
    }
}

} // namespace ct::internal
