// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <sys/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "config/capabilities.hpp"
#include "features/features.hpp"
#include "reaper/image.hpp"

namespace ct::internal {

namespace {

/// Those that the host process lacks, by name.
std::string missing_capabilities() {
    const std::uint64_t effective = sys::effective_capabilities();
    if (effective == 0) return "any";
    std::string names;
    for (std::uint32_t number = 0; number <= last_capability(); ++number) {
        if ((effective >> number & 1U) != 0) continue;
        const std::unique_ptr<char, int (*)(void*)> name(::cap_to_name(static_cast<cap_value_t>(number)), &::cap_free);
        names += concat(names.empty() ? "" : " ", name ? name.get() : std::to_string(number).c_str());
    }
    return names;
}

} // namespace

void add_process_features(Features& features) {
    const std::string missing = missing_capabilities();
    add_feature(features, "process.capabilities", missing.empty() ? 0 : EPERM, "run as root, outside other containers",
                missing.empty() ? "all" : concat("without ", missing));
    const int self = static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0));
    const UniqueFd pidfd(self);
    const UniqueFd copy(static_cast<int>(::syscall(SYS_pidfd_getfd, self, self, 0)));
    add_feature(features, "process.pidfd_getfd", copy ? 0 : errno,
                "Linux 5.6, and leave to ptrace(2) one's own children");
    std::string reason;
    try {
        (void)reaper_image();
    } catch (const Error& error) {
        reason = error.what();
    }
    add_feature(features, "process.reaper", reason.empty() ? 0 : EACCES, "sysctl vm.memfd_noexec=0", reason);
}

} // namespace ct::internal
