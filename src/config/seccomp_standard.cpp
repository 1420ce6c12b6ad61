// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <asm/ioctls.h>
#include <linux/sched.h>
#include <sys/socket.h>

#include <cerrno>

#include <ct/seccomp.hpp>

namespace ct {

namespace {

/// The kernel takes the argument for a 32-bit number, whatever the upper half of the register is.
SeccompCondition is(unsigned argument, std::uint64_t value, std::uint64_t mask = 0xffffffff) {
    return {argument, SeccompCondition::Comparison::MaskedEqual, value, mask};
}

SeccompRule denied(std::vector<std::string> names) {
    return {std::move(names), SeccompAction::fail(EPERM)};
}

void add_conditional(std::vector<SeccompRule>& rules) {
    // CLONE_NEWTIME has the same bit as a part of the exit signal; clone(2) does not make time namespaces.
    constexpr std::uint64_t new_namespaces =
        CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
    rules.push_back({{"clone"}, SeccompAction::allow(), {is(0, 0, new_namespaces)}});
    rules.push_back(denied({"clone"}));
    // Its flags lie in memory. The C library then uses clone.
    rules.push_back({{"clone3"}, SeccompAction::fail(ENOSYS)});

    // Typing into a terminal that is shared with somebody outside.
    rules.push_back({{"ioctl"}, SeccompAction::fail(EPERM), {is(1, TIOCSTI)}});
    rules.push_back({{"ioctl"}, SeccompAction::fail(EPERM), {is(1, TIOCLINUX)}});

    for (const int family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET}) {
        rules.push_back({{"socket"}, SeccompAction::allow(), {is(0, static_cast<std::uint64_t>(family))}});
    }
    // So that programs take another family.
    rules.push_back({{"socket"}, SeccompAction::fail(EAFNOSUPPORT)});

    // PER_LINUX and PER_LINUX32, each also with UNAME26, and the question. Others switch protections off.
    for (const std::uint64_t persona : {0ULL, 0x8ULL, 0x20000ULL, 0x20008ULL, 0xffffffffULL}) {
        rules.push_back({{"personality"}, SeccompAction::allow(), {is(0, persona)}});
    }
    rules.push_back(denied({"personality"}));
}

} // namespace

Seccomp Seccomp::standard() {
    Seccomp profile;
    profile.default_action = SeccompAction::fail(ENOSYS);
    add_conditional(profile.rules);
    for (const SeccompRule& rule : {
             // Mounts.
             denied({"mount", "umount", "umount2", "pivot_root", "fsopen", "fsconfig", "fsmount", "fspick",
                     "move_mount", "open_tree", "mount_setattr", "quotactl", "quotactl_fd"}),
             // Namespaces.
             denied({"setns", "unshare", "sethostname", "setdomainname"}),
             // The kernel itself.
             denied({"init_module",     "finit_module", "delete_module",   "create_module", "query_module",
                     "get_kernel_syms", "kexec_load",   "kexec_file_load", "bpf",           "perf_event_open",
                     "lookup_dcookie",  "reboot",       "swapon",          "swapoff",       "acct",
                     "syslog",          "_sysctl",      "nfsservctl",      "uselib",        "vhangup"}),
             // Keys of the kernel belong to no namespace.
             denied({"add_key", "request_key", "keyctl"}),
             // Clocks.
             denied({"settimeofday", "clock_settime", "clock_settime64", "stime", "adjtimex", "clock_adjtime",
                     "clock_adjtime64"}),
             // Hardware.
             denied({"iopl", "ioperm", "modify_ldt", "vm86", "vm86old"}),
             // Files by handle, behind the back of mounts.
             denied({"open_by_handle_at", "fanotify_init"}),
             // Other processes.
             denied({"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp"}),
             // What exploits of the kernel are made of.
             denied({"userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register"}),
         }) {
        profile.rules.push_back(rule);
    }
    profile.rules.push_back({{"@known"}, SeccompAction::allow()});
    return profile;
}

} // namespace ct
