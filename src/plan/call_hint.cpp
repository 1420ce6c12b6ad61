// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/prctl.h>
#include <sys/syscall.h>

#include <cerrno>

#include "plan/compile.hpp"

namespace ct::internal {

namespace {

std::string prctl_hint(std::uint64_t option, int error) {
    if (option == PR_SET_SECUREBITS && error == EPERM) {
        return "needs CAP_SETPCAP, and a bit whose lock is set cannot be changed";
    }
    return {};
}

std::string scheduler_hint(int error) {
    switch (error) {
    case EPERM:
        return "real-time and deadline policies need CAP_SYS_NICE or a large enough RLIMIT_RTPRIO, real-time ones "
               "a cgroup with a real-time budget, and a deadline all CPUs";
    case EBUSY: return "the CPUs have not enough time left for this deadline";
    case EINVAL: return "this kernel lacks the policy, or a parameter is out of its range";
    default: return {};
    }
}

std::string keyring_hint(int error) {
    switch (error) {
    case ENOSYS: return "this kernel has no keyrings";
    case EDQUOT: return "the user's quota in /proc/sys/kernel/keys is used up";
    case EACCES: return "another keyring of that name is not for this user";
    default: return {};
    }
}

std::string sysctl_hint(int error) {
    if (error == ENOENT) return "this kernel has no such sysctl, or has it only for the host";
    if (error == EACCES || error == EPERM) return "it cannot be changed by this caller in this namespace";
    return error == EINVAL || error == ERANGE || error == EIO ? "the kernel does not take that value" : "";
}

} // namespace

std::string call_hint(const CallArgs& call, int error) {
    switch (call.number) {
    case SYS_setpriority:
        return error == EACCES || error == EPERM
                   ? "a nice value below the present one needs CAP_SYS_NICE or a large enough RLIMIT_NICE"
                   : "";
    case SYS_sched_setattr: return scheduler_hint(error);
    case SYS_ioprio_set: return error == EPERM ? "the real-time class needs CAP_SYS_NICE or CAP_SYS_ADMIN" : "";
    case SYS_set_mempolicy:
        if (error == ENOSYS) return "this kernel has no NUMA memory policies";
        return error == EINVAL ? "this kernel lacks the mode or one of its flags, or none of the nodes is allowed" : "";
    case SYS_keyctl: return keyring_hint(error);
    case SYS_prctl: return prctl_hint(call.arguments[0], error);
    default: return {};
    }
}

std::string proc_hint(std::string_view path, int error) {
    if (path.starts_with("sys/")) return sysctl_hint(error);
    if (path.ends_with("timens_offsets")) {
        if (error == EACCES) return "this caller cannot combine time offsets with joined namespaces";
        return error == ERANGE ? "a clock of the container would be below zero or past 146 years" : "";
    }
    if (path.ends_with("oom_score_adj")) {
        return error == EACCES ? "a value below the lowest that the host process may have needs its CAP_SYS_RESOURCE"
                               : "";
    }
    if (path.find("attr/") == std::string_view::npos) return {};
    if (error == ENOENT) return "no such profile is loaded";
    if (error == EINVAL) return "the policy that is loaded does not know this label";
    return error == EACCES || error == EPERM ? "the policy does not let the host process change to this label" : "";
}

} // namespace ct::internal
