// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>

#include "child/child_main.hpp"
#include "child/child_ops.hpp"
#include "child/raw_syscall.hpp"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

namespace ct::internal::child {

namespace {

// Of landlock_add_rule(2); <linux/landlock.h> is younger than the oldest kernel headers.
constexpr int PathBeneath = 1;
constexpr int NetPort = 2;

struct [[gnu::packed]] PathBeneathRule {
    std::uint64_t access;
    std::int32_t parent_fd;
};
struct NetPortRule {
    std::uint64_t access;
    std::uint64_t port;
};

/// A clock that needs no system call.
std::uint64_t ticks() noexcept {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    std::uint64_t value;
    asm volatile("mrs %0, cntvct_el0" : "=r"(value));
    return value;
#endif
}

/// About ten seconds.
std::uint64_t patience() noexcept {
#if defined(__x86_64__)
    return 30'000'000'000; // of a clock of 1 to 5 GHz
#else
    std::uint64_t frequency;
    asm volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
    return frequency * 10;
#endif
}

/// Waits until the parent has changed `go`. Without a system call: the filter could stop any. The limit is for who
/// lost its parent and does not die by that.
long spin_until_served(const Handshake& handshake, std::uint32_t before) noexcept {
    const std::uint64_t start = ticks();
    while (__atomic_load_n(&handshake.go, __ATOMIC_ACQUIRE) == before) {
        if (ticks() - start > patience()) {
            // The parent may have served, and frozen, this process meanwhile.
            return __atomic_load_n(&handshake.go, __ATOMIC_ACQUIRE) == before ? -ETIMEDOUT : 0;
        }
#if defined(__x86_64__)
        __builtin_ia32_pause();
#else
        asm volatile("yield");
#endif
    }
    return 0;
}

} // namespace

long landlock_ruleset(Context& context, const LandlockRulesetArgs& args) noexcept {
    const long fd = raw_syscall(SYS_landlock_create_ruleset, args.attributes, args.size, 0);
    if (fd < 0) return fd;
    context.ruleset_fd = static_cast<int>(fd);
    return 0;
}

long landlock_path(const Context& context, const LandlockPathArgs& args) noexcept {
    open_how how;
    how.flags = O_PATH | O_CLOEXEC;
    how.mode = 0;
    // /proc/self/exe and its like lead to the host's files.
    how.resolve = RESOLVE_NO_MAGICLINKS;
    const long fd = raw_syscall(SYS_openat2, AT_FDCWD, args.path, &how, sizeof how);
    if (fd < 0) return fd;
    struct statx status;
    long error = raw_syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, &status);
    if (error >= 0) {
        PathBeneathRule rule;
        rule.access = (status.stx_mode & 0170000U) == 0040000U ? args.access : args.access & args.file_access;
        rule.parent_fd = static_cast<std::int32_t>(fd);
        error = raw_syscall(SYS_landlock_add_rule, context.ruleset_fd, PathBeneath, &rule, 0);
    }
    raw_syscall(SYS_close, fd);
    return error;
}

long landlock_port(const Context& context, const LandlockPortArgs& args) noexcept {
    NetPortRule rule;
    rule.access = args.access;
    rule.port = args.port;
    return raw_syscall(SYS_landlock_add_rule, context.ruleset_fd, NetPort, &rule, 0);
}

long landlock_enforce(Context& context) noexcept {
    const long error = raw_syscall(SYS_landlock_restrict_self, context.ruleset_fd, 0);
    raw_syscall(SYS_close, context.ruleset_fd);
    return error;
}

long install_filter(Context& context, const SeccompArgs& args) noexcept {
    Handshake& handshake = context.handshake;
    const std::uint32_t before = __atomic_load_n(&handshake.go, __ATOMIC_ACQUIRE);
    if (args.dies_with_parent) raw_syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
    if (args.awaits_parent && handshake.phase != Handshake::Filtering) announce(handshake, Handshake::Filtering);
    const long installed = raw_syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, args.flags, args.program);
    if (installed < 0 || !args.awaits_parent) return installed;
    if ((args.flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0) {
        handshake.offered[Handshake::ListenerSlot] = static_cast<std::int32_t>(installed);
    }
    __atomic_store_n(&handshake.filtered, 1U, __ATOMIC_RELEASE);
    const long error = spin_until_served(handshake, before);
    if (args.dies_with_parent) raw_syscall(SYS_prctl, PR_SET_PDEATHSIG, args.death_signal);
    if (args.closes_listener) raw_syscall(SYS_close, installed);
    return error;
}

} // namespace ct::internal::child
