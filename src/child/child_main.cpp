// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "child/child_main.hpp"

#include <linux/close_range.h>
#include <linux/prctl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>

#include "base/fault.hpp"
#include "child/child_ops.hpp"
#include "child/clone.hpp"
#include "child/raw_syscall.hpp"

namespace ct::internal::child {

namespace {

[[noreturn]] void exit_now(int status) noexcept {
    // Never exit(3): the host's exit handlers and stdio buffers are not this process's.
    for (;;) raw_syscall(SYS_exit_group, status);
}

[[noreturn]] void finish(Handshake& handshake) noexcept {
    announce(handshake, Handshake::Ready);
    exit_now(0);
}

/// \returns -ESRCH if the host has ended
long check_host(const Handshake& handshake) noexcept {
    pollfd host;
    host.fd = handshake.host_pidfd;
    host.events = POLLIN;
    host.revents = 0;
    timespec now;
    now.tv_sec = 0;
    now.tv_nsec = 0;
    const long ended = raw_syscall(SYS_ppoll, &host, 1, &now, nullptr, 0);
    return ended > 0 ? -ESRCH : ended;
}

/// The host's pidfd is kept as well, if that is cheap.
long unshare_fds(Handshake& handshake, int limit) noexcept {
    constexpr int cheap = 256;
    if (handshake.host_pidfd >= cheap) handshake.host_pidfd = -1; // then it is looked at no more
    if (handshake.host_pidfd >= limit) limit = handshake.host_pidfd + 1;
    return raw_syscall(SYS_close_range, limit, ~0U, CLOSE_RANGE_UNSHARE);
}

template <typename Args>
const Args& args(const Step& step) noexcept {
    return *static_cast<const Args*>(step.args);
}

long perform(Context& context, const Step& step) noexcept {
    switch (step.op) {
    case Op::DieWithParent: return die_with_parent(context.handshake);
    case Op::EnterDirectory: return raw_syscall(SYS_fchdir, args<FdArgs>(step).fd);
    case Op::JoinNamespace: return raw_syscall(SYS_setns, args<JoinArgs>(step).fd, args<JoinArgs>(step).kinds);
    case Op::JoinGroup: return raw_syscall(SYS_write, args<FdArgs>(step).fd, "0", 1);
    case Op::UnshareFds: return unshare_fds(context.handshake, args<FdArgs>(step).fd);
    case Op::UnshareTime: return raw_syscall(SYS_unshare, CLONE_NEWTIME);
    case Op::EnterOwnTime: return enter_own_time(args<FdArgs>(step).fd);
    case Op::ResetSignals: return reset_signals();
    case Op::AwaitParent: return await_parent(context.handshake, args<AwaitArgs>(step).moment);
    case Op::BecomeRoot: {
        const long error = set_credentials(args<CredentialsArgs>(step));
        return error < 0 ? error : check_host(context.handshake);
    }
    case Op::NotDumpable: return raw_syscall(SYS_prctl, PR_SET_DUMPABLE, 0);
    case Op::NewSession: return raw_syscall(SYS_setsid);
    case Op::ControllingTerminal: return raw_syscall(SYS_ioctl, args<FdArgs>(step).fd, TIOCSCTTY, 0);
    case Op::SlavePropagation: return slave_propagation(context);
    case Op::AttachRoot: return attach_root(context, args<AttachRootArgs>(step));
    case Op::AttachOverlay: return attach_overlay(context, args<OverlayArgs>(step));
    case Op::AttachFileSystem: return attach_file_system(context, args<MountArgs>(step));
    case Op::AttachTree: return attach_tree(context, args<TreeArgs>(step));
    case Op::OpenRoot: return open_root(context, args<PathArgs>(step));
    case Op::OpenDirectory: return open_directory(context, args<DirectoryArgs>(step));
    case Op::RootPropagation: return root_propagation(context, args<PropagationArgs>(step));
    case Op::Mount: return mount_in_root(context, args<MountArgs>(step));
    case Op::Unmount: return unmount_in_root(context, args<PathArgs>(step));
    case Op::RunCommand: return run_command(context, args<CommandArgs>(step));
    case Op::RunCallable: return run_callable(context, args<CallableArgs>(step));
    case Op::MakeNode: return make_node(context, args<NodeArgs>(step));
    case Op::BindNode: return bind_node(context, args<BindNodeArgs>(step));
    case Op::MakeSymlink: return make_symlink(context, args<SymlinkArgs>(step));
    case Op::MountCgroups: return mount_cgroups(context, args<CgroupMountArgs>(step));
    case Op::MakeNameFiles: return make_name_files(context, args<NameFilesArgs>(step));
    case Op::BindNameFile: return bind_name_file(context, args<NameFileArgs>(step));
    case Op::ReadOnlyPath: return read_only_path(context, args<MaskArgs>(step));
    case Op::MaskPath: return mask_path(context, args<MaskArgs>(step));
    case Op::ReadOnlyRoot: return read_only_root(context);
    case Op::PivotRoot: return pivot_root(context);
    case Op::ChangeRoot: return change_root(args<PathArgs>(step));
    case Op::OpenNetlink: return open_netlink(context);
    case Op::FindLink: return find_link(context, args<FindLinkArgs>(step));
    case Op::Netlink: return request_netlink(context, args<NetlinkArgs>(step));
    case Op::HostName: return raw_syscall(SYS_sethostname, args<TextArgs>(step).text, args<TextArgs>(step).length);
    case Op::DomainName: return raw_syscall(SYS_setdomainname, args<TextArgs>(step).text, args<TextArgs>(step).length);
    case Op::ResourceLimit: return resource_limit(args<LimitArgs>(step));
    case Op::DropBoundingSet: return drop_bounding_set(args<CapabilityArgs>(step));
    case Op::KeepCapabilities: return raw_syscall(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0);
    case Op::FindUser: return find_user(args<UserArgs>(step));
    case Op::FindGroup: return find_group(args<UserArgs>(step));
    case Op::FindMemberships: return find_memberships(args<UserArgs>(step));
    case Op::OwnStreams: return own_streams(args<OwnStreamsArgs>(step));
    case Op::SetCredentials: return set_credentials(args<CredentialsArgs>(step));
    case Op::SetCapabilities: return set_capabilities(args<CapabilitySetsArgs>(step));
    case Op::RaiseAmbient: return raise_ambient(args<CapabilityArgs>(step));
    case Op::NoNewPrivileges: return raw_syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    case Op::Call: return call(args<CallArgs>(step));
    case Op::CpuAffinity: return cpu_affinity(args<AffinityArgs>(step));
    case Op::WriteProc: return write_proc(args<ProcWriteArgs>(step));
    case Op::WorkingDirectory: return raw_syscall(SYS_chdir, args<PathArgs>(step).path);
    case Op::ClearUmask: context.umask = raw_syscall(SYS_umask, 0); return 0;
    case Op::RestoreUmask: raw_syscall(SYS_umask, context.umask); return 0;
    case Op::SetUmask: raw_syscall(SYS_umask, args<NumberArgs>(step).value); return 0;
    case Op::ParentDeathSignal: return raw_syscall(SYS_prctl, PR_SET_PDEATHSIG, args<NumberArgs>(step).value);
    case Op::MapFds: return map_fds(args<FdMapArgs>(step));
    case Op::OpenFile: return open_file(args<OpenFileArgs>(step));
    case Op::UnblockSignals: return unblock_signals();
    case Op::FindProgram: return find_program(context, args<ExecArgs>(step));
    case Op::LandlockRuleset: return landlock_ruleset(context, args<LandlockRulesetArgs>(step));
    case Op::LandlockPath: return landlock_path(context, args<LandlockPathArgs>(step));
    case Op::LandlockPort: return landlock_port(context, args<LandlockPortArgs>(step));
    case Op::LandlockEnforce: return landlock_enforce(context);
    case Op::Seccomp: return install_filter(context, args<SeccompArgs>(step));
    case Op::StartReaper: return -EINVAL; // see perform_from()
    case Op::ExecReaper: return exec_reaper(args<ExecReaperArgs>(step));
    case Op::Finish: finish(context.handshake);
    case Op::Exec: return execute(context, args<ExecArgs>(step));
    }
    return -EINVAL;
}

/// Where a child of the reaper goes on.
struct Continuation {
    std::uint32_t first;
    const StepList& steps;
    const Context& context;
};

bool perform_from(std::uint32_t first, const StepList& steps, Context& context) noexcept;

void run_continuation(void* argument) noexcept {
    const auto& continuation = *static_cast<const Continuation*>(argument);
    Context context = continuation.context;
    perform_from(continuation.first, continuation.steps, context);
    exit_now(127);
}

/// Has a child perform all that comes after step \p at, and becomes its reaper.
/// \returns -errno, or 0 if the child has failed and said so
long start_reaper(std::uint32_t at, const StepList& steps, Context& context) noexcept {
    const auto& reaper = *static_cast<const ReaperArgs*>(steps.steps[at].args);
    Handshake& handshake = context.handshake;
    Continuation continuation{at + 1, steps, context};
    clone_args clone;
    __builtin_memset(&clone, 0, sizeof clone);
    clone.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD; // goes on once the child has executed its program, or ended
    clone.pidfd = reinterpret_cast<std::uintptr_t>(&handshake.reaper_child_pidfd);
    clone.exit_signal = SIGCHLD;
    clone.stack = reinterpret_cast<std::uintptr_t>(handshake.reaper_child_stack);
    clone.stack_size = handshake.reaper_child_stack_size;
    const long child = clone_onto_stack(&clone, run_continuation, &continuation);
    if (child < 0) return child;
    if (handshake.error != 0) return 0;
    if (handshake.step != steps.count - 1) exit_now(127); // it was killed
    write_number(reaper.pid_text, child);
    handshake.steps_of = Handshake::OfReaper;
    perform_from(0, reaper.steps, context);
    return 0;
}

/// \returns -errno if a test wants this step to fail
long fault() noexcept {
#ifdef CT_FAULT_POINTS
    if (!fault_due()) return 0;
    if (faults->error != 0) return -faults->error;
    while (__atomic_load_n(&faults->go, __ATOMIC_ACQUIRE) == 0) raw_syscall(SYS_sched_yield);
#endif
    return 0;
}

bool perform_from(std::uint32_t first, const StepList& steps, Context& context) noexcept {
    Handshake& handshake = context.handshake;
    for (std::uint32_t i = first; i < steps.count; ++i) {
        __atomic_store_n(&handshake.step, i, __ATOMIC_RELAXED);
        const bool forks = steps.steps[i].op == Op::StartReaper;
        long result = fault();
        if (result == 0) result = forks ? start_reaper(i, steps, context) : perform(context, steps.steps[i]);
        if (result < 0) __atomic_store_n(&handshake.error, static_cast<std::int32_t>(-result), __ATOMIC_RELEASE);
        if (result < 0 || forks) return false;
    }
    return true;
}

} // namespace

void adopt_handshake(Handshake& handshake) noexcept {
    const auto tid = static_cast<std::uint32_t>(raw_syscall(SYS_gettid));
    handshake.robust_head.list.next = &handshake.robust_node;
    handshake.robust_node.next = &handshake.robust_head.list;
    handshake.robust_head.futex_offset =
        static_cast<long>(offsetof(Handshake, word)) - static_cast<long>(offsetof(Handshake, robust_node));
    handshake.robust_head.list_op_pending = nullptr;
    __atomic_store_n(&handshake.word, tid | FUTEX_WAITERS, __ATOMIC_RELEASE);
    raw_syscall(SYS_set_robust_list, &handshake.robust_head, sizeof handshake.robust_head);
}

long die_with_parent(const Handshake& handshake) noexcept {
    const long error = raw_syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
    return error < 0 ? error : check_host(handshake);
}

/// Waits for `go`, or for death by DieWithParent. That signal is lost if it was asked for while the last threads of a
/// killed host were ending, so the host is looked at now and then.
long await_parent(Handshake& handshake, Await moment) noexcept {
    const std::uint32_t before = __atomic_load_n(&handshake.go, __ATOMIC_ACQUIRE);
    handshake.await = static_cast<std::uint32_t>(moment);
    announce(handshake, Handshake::Awaiting);
    while (__atomic_load_n(&handshake.go, __ATOMIC_ACQUIRE) == before) {
        timespec limit;
        limit.tv_sec = 0;
        limit.tv_nsec = 100'000'000;
        long error = raw_syscall(SYS_futex, &handshake.go, FUTEX_WAIT, before, &limit);
        if (error == -ETIMEDOUT) error = check_host(handshake);
        if (error < 0 && error != -EAGAIN && error != -EINTR) return error;
    }
    return 0;
}

void announce(Handshake& handshake, Handshake::Phase phase) noexcept {
    __atomic_store_n(&handshake.phase, phase, __ATOMIC_RELEASE);
    __atomic_fetch_xor(&handshake.word, static_cast<std::uint32_t>(FUTEX_OWNER_DIED), __ATOMIC_ACQ_REL);
    raw_syscall(SYS_futex, &handshake.word, FUTEX_WAKE, 1);
}

void give_up(Handshake& handshake) noexcept {
    __atomic_store_n(&handshake.word, Handshake::Gone, __ATOMIC_RELEASE);
    raw_syscall(SYS_futex, &handshake.word, FUTEX_WAKE, 1);
}

bool perform_steps(const StepList& steps, Handshake& handshake, std::uint32_t first) noexcept {
    Context context{handshake};
    return perform_from(first, steps, context);
}

void run_child(void* plan) noexcept {
    const ChildPlan& child = *static_cast<const ChildPlan*>(plan);
    adopt_handshake(*child.handshake);
    perform_steps(child.steps, *child.handshake);
    exit_now(127);
}

void run_helper(void* plan) noexcept {
    HelperPlan& helper = *static_cast<HelperPlan*>(plan);
    Handshake& handshake = *helper.child.handshake;
    handshake.steps_of = Handshake::OfHelper;
    if (die_with_parent(handshake) < 0 || !perform_steps(helper.steps, handshake)) {
        give_up(handshake);
        exit_now(127);
    }
    handshake.step = helper.steps.count; // the clone itself
    handshake.steps_of = Handshake::OfChild;
    const long child = clone_onto_stack(&helper.clone, run_child, &helper.child);
    if (child < 0) {
        handshake.steps_of = Handshake::OfHelper;
        __atomic_store_n(&handshake.error, static_cast<std::int32_t>(-child), __ATOMIC_RELEASE);
        give_up(handshake);
    }
    exit_now(127);
}

} // namespace ct::internal::child
