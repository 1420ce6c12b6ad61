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
    const auto open_dev = [&] {
        plan.steps.add(Op::OpenDirectory, PathArgs{"/dev"}, {Stage::Devices, "open", "/dev"});
    };
    if (has_namespace(spec, Namespace::User)) {
        std::vector<Mount> binds;
        for (const DefaultDevice& device : DefaultDevices) {
            const std::string path = concat("/dev/", device.name);
            binds.push_back({.source = path, .target = path, .options = {}, .no_suid = true, .no_exec = true});
        }
        plan_mounts(plan, binds);
        open_dev();
    } else {
        open_dev();
        for (const DefaultDevice& device : DefaultDevices) {
            plan.steps.add(Op::MakeNode, NodeArgs{device.name, S_IFCHR | 0666, device.major, device.minor},
                           {Stage::Devices, "make the device", plan.text("/dev/", device.name)});
        }
    }
    for (const DefaultLink& link : DefaultLinks) {
        plan.steps.add(Op::MakeSymlink, SymlinkArgs{link.name, link.content},
                       {Stage::Devices, "make the link", plan.text("/dev/", link.name)});
    }
    // ttyname(3) looks for the terminal in /dev, and /dev/pts has only the container's own ones.
    if (!fds.terminal_path.empty()) {
        plan_mounts(
            plan,
            {{.source = fds.terminal_path, .target = "/dev/console", .options = {}, .no_suid = true, .no_exec = true}});
    }
}

} // namespace ct::internal
