// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>

#include "child/child_ops.hpp"
#include "child/raw_syscall.hpp"

namespace ct::internal::child {

namespace {

constexpr int SignalCount = 64;
constexpr std::size_t KernelSigsetSize = 8;

/// The kernel's struct sigaction; glibc's has another layout.
struct KernelSigaction {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)();
    std::uint64_t mask;
};

} // namespace

long enter_own_time(int proc) noexcept {
    const long fd = raw_syscall(SYS_openat, proc, "self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fd;
    const long error = raw_syscall(SYS_setns, fd, CLONE_NEWTIME);
    raw_syscall(SYS_close, fd);
    return error;
}

long reset_signals() noexcept {
    // CLONE_CLEAR_SIGHAND leaves ignored signals ignored: what the host ignores (SIGPIPE, SIGCHLD) is its own affair.
    KernelSigaction action;
    action.handler = nullptr; // SIG_DFL
    action.flags = 0;
    action.restorer = nullptr;
    action.mask = 0;
    for (int number = 1; number <= SignalCount; ++number) {
        // Fails for SIGKILL and SIGSTOP, which are at their default anyway.
        raw_syscall(SYS_rt_sigaction, number, &action, nullptr, KernelSigsetSize);
    }
    return 0;
}

long unblock_signals() noexcept {
    const std::uint64_t none = 0;
    constexpr int SetMask = 2; // SIG_SETMASK
    return raw_syscall(SYS_rt_sigprocmask, SetMask, &none, nullptr, KernelSigsetSize);
}

void write_number(char* text, long number) noexcept {
    char digits[20];
    int count = 0;
    do {
        digits[count++] = static_cast<char>('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0) *text++ = digits[--count];
    *text = '\0';
}

long resource_limit(const LimitArgs& args) noexcept {
    return raw_syscall(SYS_prlimit64, 0, args.resource, args.limit, nullptr);
}

long drop_bounding_set(const CapabilityArgs& args) noexcept {
    for (std::uint32_t number = 0; number <= args.last; ++number) {
        if ((args.set >> number & 1U) != 0) continue;
        if (raw_syscall(SYS_prctl, PR_CAPBSET_READ, number, 0, 0, 0) == 0) continue;
        const long error = raw_syscall(SYS_prctl, PR_CAPBSET_DROP, number, 0, 0, 0);
        if (error < 0) return error;
    }
    return 0;
}

long set_credentials(const CredentialsArgs& args) noexcept {
    // The system calls themselves: glibc's wrappers would change every thread of the host.
    const UserIds* const found = args.found;
    const std::uint32_t uid = found != nullptr ? found->uid : args.uid;
    const std::uint32_t gid = found != nullptr ? found->gid : args.gid;
    const std::uint32_t count = found != nullptr ? found->group_count : args.group_count;
    long error = 0;
    if (args.set_groups) error = raw_syscall(SYS_setgroups, count, found != nullptr ? found->groups : args.groups);
    if (error >= 0) error = raw_syscall(SYS_setresgid, gid, gid, gid);
    if (error >= 0) error = raw_syscall(SYS_setresuid, uid, uid, uid);
    // A change of user clears Op::DieWithParent.
    if (error >= 0) error = raw_syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
    return error;
}

long set_capabilities(const CapabilitySetsArgs& args) noexcept {
    if (args.not_for_root && raw_syscall(SYS_geteuid) == 0) return 0;
    __user_cap_header_struct header;
    header.version = _LINUX_CAPABILITY_VERSION_3;
    header.pid = 0;
    __user_cap_data_struct data[2];
    for (int half = 0; half < 2; ++half) {
        data[half].effective = static_cast<std::uint32_t>(args.effective >> (32 * half));
        data[half].permitted = static_cast<std::uint32_t>(args.permitted >> (32 * half));
        data[half].inheritable = static_cast<std::uint32_t>(args.inheritable >> (32 * half));
    }
    return raw_syscall(SYS_capset, &header, data);
}

long raise_ambient(const CapabilityArgs& args) noexcept {
    for (std::uint32_t number = 0; number <= args.last; ++number) {
        if ((args.set >> number & 1U) == 0) continue;
        const long error = raw_syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0);
        if (error < 0) return error;
    }
    return 0;
}

long call(const CallArgs& args) noexcept {
    const std::uint64_t* const with = args.arguments;
    return raw_syscall(args.number, with[0], with[1], with[2], with[3], with[4]);
}

long cpu_affinity(const AffinityArgs& args) noexcept {
    const long error = raw_syscall(SYS_sched_setaffinity, 0, args.bytes, args.mask);
    if (error < 0) return error;
    // The kernel drops CPUs that are not there, as long as one is.
    std::uint64_t present[AffinityArgs::MaxCpus / 64];
    const long length = raw_syscall(SYS_sched_getaffinity, 0, sizeof present, present);
    if (length < 0) return length;
    for (std::uint32_t i = 0; i < args.bytes / sizeof *args.mask; ++i) {
        const bool known = (i + 1) * sizeof *present <= static_cast<std::uint64_t>(length);
        if ((args.mask[i] & ~(known ? present[i] : 0)) != 0) return -EINVAL;
    }
    return 0;
}

long write_proc(const ProcWriteArgs& args) noexcept {
    const long fd = raw_syscall(SYS_openat, args.proc, args.path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return fd;
    const long written = raw_syscall(SYS_write, fd, args.text, args.length);
    raw_syscall(SYS_close, fd);
    if (written < 0) return written;
    return static_cast<std::size_t>(written) == args.length ? 0 : -EIO;
}

long map_fds(const FdMapArgs& args) noexcept {
    for (std::uint32_t i = 0; i < args.move_count; ++i) {
        const FdMove& move = args.moves[i];
        const long error = move.from == move.to ? raw_syscall(SYS_fcntl, move.to, F_SETFD, 0)
                                                : raw_syscall(SYS_dup3, move.from, move.to, 0);
        if (error < 0) return error;
    }
    for (std::uint32_t i = 0; i < args.closed_count; ++i) {
        const long error = raw_syscall(SYS_close_range, args.closed[i].first, args.closed[i].last, 0);
        if (error < 0) return error;
    }
    return 0;
}

long open_file(const OpenFileArgs& args) noexcept {
    const long fd = raw_syscall(SYS_openat, AT_FDCWD, args.path, O_RDWR | O_NOCTTY);
    if (fd < 0 || fd == args.target) return fd;
    const long error = raw_syscall(SYS_dup3, fd, args.target, 0);
    raw_syscall(SYS_close, fd);
    return error;
}

} // namespace ct::internal::child
