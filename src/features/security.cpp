// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <string>

#include "base/concat.hpp"
#include "features/features.hpp"

namespace ct::internal {

namespace {

void add_seccomp(Features& features) {
    const std::uint32_t kill = SECCOMP_RET_KILL_PROCESS;
    const std::uint32_t notify = SECCOMP_RET_USER_NOTIF;
    const auto knows = [](const std::uint32_t& action) {
        return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0 ? 0 : errno;
    };
    add_feature(features, "seccomp.filter", knows(kill), "a kernel with CONFIG_SECCOMP_FILTER");
    add_feature(features, "seccomp.notify", knows(notify), "Linux 5.0");
}

void add_landlock(Features& features) {
    constexpr unsigned version = 1; // LANDLOCK_CREATE_RULESET_VERSION
    const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, version);
    if (abi >= 0) {
        add_feature(features, "landlock", 0, {}, concat("ABI ", abi));
    } else {
        add_feature(features, "landlock", errno,
                    errno == EOPNOTSUPP ? "boot with landlock in the parameter lsm="
                                        : "Linux 5.13 with CONFIG_SECURITY_LANDLOCK");
    }
}

/// The names in /sys/kernel/security/lsm; where that is not mounted, what else tells of a module.
bool has_module(const std::string& list, const std::string& name, const char* evidence) {
    return concat(',', list, ',').find(concat(',', name, ',')) != std::string::npos || ::access(evidence, F_OK) == 0;
}

} // namespace

void add_security_features(Features& features) {
    add_seccomp(features);
    add_landlock(features);
    const std::string list = first_line("/sys/kernel/security/lsm");
    const bool apparmor = has_module(list, "apparmor", "/sys/module/apparmor/parameters/enabled") &&
                          first_line("/sys/module/apparmor/parameters/enabled") != "N";
    add_feature(features, "lsm.apparmor", apparmor ? 0 : ENODEV, "boot a kernel that has it with apparmor=1",
                apparmor ? "" : "not active in this kernel");
    const bool selinux = has_module(list, "selinux", "/sys/fs/selinux/enforce");
    add_feature(features, "lsm.selinux", selinux ? 0 : ENODEV, "boot a kernel that has it with selinux=1",
                selinux ? "" : "not active in this kernel");
}

} // namespace ct::internal
