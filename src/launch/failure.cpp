// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/failure.hpp"

#include <linux/sched.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

namespace {

const Plan::Steps& list_of(const Plan& plan, const Handshake& handshake) {
    switch (static_cast<Handshake::StepsOf>(handshake.steps_of)) {
    case Handshake::OfHelper: return plan.joins;
    case Handshake::OfReaper: return plan.reaper;
    case Handshake::OfChild: break;
    }
    return plan.steps;
}

Op op_of(const Plan& plan, const Handshake& handshake) {
    return list_of(plan, handshake).steps().at(handshake.step).op;
}

template <typename Args>
const Args& args_of(const Plan& plan, const Handshake& handshake) {
    return *static_cast<const Args*>(list_of(plan, handshake).steps().at(handshake.step).args);
}

std::string namespace_names(std::uint64_t flags) {
    constexpr std::array kinds{Namespace::Mount, Namespace::Pid,  Namespace::Net,    Namespace::Uts,
                               Namespace::Ipc,   Namespace::User, Namespace::Cgroup, Namespace::Time};
    constexpr std::array bits{CLONE_NEWNS,  CLONE_NEWPID,  CLONE_NEWNET,    CLONE_NEWUTS,
                              CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWCGROUP, CLONE_NEWTIME};
    std::string names;
    for (std::size_t i = 0; i < kinds.size(); ++i) {
        if ((flags & static_cast<std::uint64_t>(bits.at(i))) == 0) continue;
        if (!names.empty()) names += ", ";
        names += to_string(kinds.at(i));
    }
    return names;
}

/// Of an overlay's directories, the one that could not be opened; empty if all could.
std::pair<std::string_view, std::string> overlay_directory(const OverlayArgs& args, const Handshake& handshake) {
    const std::uint32_t number = handshake.candidate;
    if (number == 0) return {};
    if (number <= args.lower_count) {
        return {"open the lower directory of the overlay", args.lower[number - 1]};
    }
    if (number == args.lower_count + 1) return {"open the upper directory of the overlay", args.upper};
    if (number == args.lower_count + 2) return {"open the work directory of the overlay", args.work};
    return {"for the overlay open", "/proc/self/fd"};
}

std::string overlay_hint(const OverlayArgs& args, const Handshake& handshake) {
    const int error = handshake.error;
    if (handshake.candidate > args.lower_count + 2) return "the host has to have a /proc";
    if (handshake.message[0] != '\0') return concat("the file system says: ", handshake.message);
    if (handshake.candidate != 0) return {};
    if (error == ENODEV) return "this kernel has no file system 'overlay'";
    if (error == EINVAL && args.user_xattr) {
        return "within a user namespace nothing may be mounted below its directories; or one of them is on a file "
               "system that an overlay cannot use so";
    }
    if (error == EINVAL && args.lower_count > 50) return "that many lower directories need Linux 6.5";
    if (error == EINVAL) return "one of its directories is on a file system that an overlay cannot use so";
    if (error == EPERM) return "within a user namespace overlays need Linux 5.11";
    if (error == ELOOP) return "its directories are overlays of overlays, which the kernel stacks only twice";
    if (error == EROFS) return "the mount point is missing and cannot be created, or the upper directory is read-only";
    return {};
}

bool has_step_before(const Plan& plan, const Handshake& handshake, Op op) {
    const auto& steps = plan.steps.steps();
    const auto end = steps.begin() + handshake.step;
    return handshake.steps_of == Handshake::OfChild &&
           std::any_of(steps.begin(), end, [&](const Step& step) { return step.op == op; });
}

/// One more clause where errno alone misleads.
std::string hint(const Plan& plan, const Handshake& handshake) {
    const int error = handshake.error;
    switch (op_of(plan, handshake)) {
    case Op::AttachOverlay:
        return overlay_hint(*static_cast<const OverlayArgs*>(plan.steps.steps().at(handshake.step).args), handshake);
    case Op::Seccomp:
        if (error == EACCES) return "needs no_new_privileges, or CAP_SYS_ADMIN";
        if (error == EBUSY) return "the host process is itself under a filter that notifies, and there can be only one";
        if (error == ETIMEDOUT) return "the host process did not answer within ten seconds";
        return {};
    case Op::LandlockEnforce:
        if (error == EPERM) return "needs no_new_privileges, or CAP_SYS_ADMIN";
        return error == E2BIG ? "Landlock restrictions are nested too deep" : "";
    case Op::Exec:
        switch (static_cast<Handshake::ExecDetail>(handshake.detail)) {
        case Handshake::MissingInterpreter:
            return "the file is there, but its interpreter (ELF loader or \"#!\" line) is not";
        case Handshake::IsDirectory: return "it is a directory";
        case Handshake::NotExecutable:
            return has_step_before(plan, handshake, Op::LandlockEnforce)
                       ? "the file is there, but may not be executed; the Landlock rules have to allow it, and its "
                         "interpreter"
                       : "the file is there, but may not be executed";
        case Handshake::HostProgram:
            return "it is, or leads by a link of /proc to, the program of the host process, which an image must not "
                   "run";
        case Handshake::NoDetail: break;
        }
        if (error == ENOEXEC) return "it is neither a program for this machine nor a script with a \"#!\" line";
        if (error == ENOENT && plan.exec_candidates.size() > 1) {
            return concat("looked in ", plan.exec_candidates.size(), " directories of PATH");
        }
        return {};
    case Op::SetCredentials:
    case Op::BecomeRoot: return error == EINVAL ? "the id is not mapped in the user namespace" : "";
    case Op::FindUser:
    case Op::FindGroup:
    case Op::FindMemberships: return user_hint(op_of(plan, handshake), error);
    case Op::MakeNameFiles:
        if (handshake.message[0] != '\0') return concat("the file system says: ", handshake.message);
        return error == EPERM || error == ENOSYS ? "a filter of system calls keeps it from making a tmpfs" : "";
    case Op::BindNameFile: return error == EROFS ? "the file is missing, and cannot be created in this root" : "";
    case Op::OpenNetlink:
    case Op::Netlink:
        return network_hint(handshake.message, list_of(plan, handshake).info(handshake.step).action, error);
    case Op::Call: return call_hint(args_of<CallArgs>(plan, handshake), error);
    case Op::CpuAffinity: return error == EINVAL ? "one of these CPUs is not there, or not in the cgroup's cpuset" : "";
    case Op::WriteProc: return proc_hint(args_of<ProcWriteArgs>(plan, handshake).path, error);
    case Op::ResourceLimit: return error == EPERM ? "raising a hard limit needs CAP_SYS_RESOURCE" : "";
    case Op::JoinGroup: return error == ENODEV ? "the group has been removed meanwhile" : "";
    case Op::JoinNamespace:
        if (error == EINVAL) return "it is already the host's own user namespace";
        if (error == EPERM) return "needs CAP_SYS_ADMIN in the user namespace that owns it";
        return {};
    case Op::UnshareTime:
        return error == EPERM ? "needs CAP_SYS_ADMIN, or a new user namespace as well"
                              : "time namespaces need Linux 5.6, and a kernel that was built with them";
    case Op::DropBoundingSet:
    case Op::SetCapabilities:
    case Op::RaiseAmbient:
        return error == EPERM ? "the host process has to have these capabilities and CAP_SETPCAP" : "";
    default: return mount_hint(plan, handshake);
    }
}

} // namespace

Error step_error(const Plan& plan, const Handshake& handshake) {
    const Plan::Steps& list = list_of(plan, handshake);
    if (handshake.step >= list.steps().size()) return clone_error(handshake.error, plan);
    const StepInfo& info = list.info(handshake.step);
    std::string path(info.path);
    const bool found = handshake.detail != Handshake::NoDetail || handshake.error != ENOENT;
    if (op_of(plan, handshake) == Op::Exec && found) {
        path = plan.exec_candidates.at(handshake.candidate);
    }
    std::string_view action = info.action;
    if (op_of(plan, handshake) == Op::AttachOverlay) {
        const auto& args = *static_cast<const OverlayArgs*>(plan.steps.steps().at(handshake.step).args);
        if (auto [opening, directory] = overlay_directory(args, handshake); !directory.empty()) {
            action = opening;
            path = std::move(directory);
        }
    }
    std::string clause = hint(plan, handshake);
    if (clause.empty() && has_step_before(plan, handshake, Op::Seccomp)) {
        clause = "the seccomp filter of the process applies already, and may be the reason";
    }
    if (handshake.error == ENOSYS && (op_of(plan, handshake) == Op::Call || info.stage == Stage::Mounts)) {
        return {Errc::Unsupported, info.stage, action, path, clause};
    }
    if (handshake.error == EOPNOTSUPP && op_of(plan, handshake) == Op::Netlink) {
        return {Errc::Unsupported, info.stage, action, path, clause};
    }
    return sys::error(handshake.error, info.stage, action, path, clause);
}

namespace {

std::string_view group_hint(int error) {
    switch (error) {
    case EACCES: return "the caller may not write to its cgroup.procs, or to that of a group above both";
    case EBUSY: return "controllers are enabled for the groups below it, so it takes no process";
    case EOPNOTSUPP: return "the group is in an invalid threaded state, see cgroup.type";
    default: return "the group has been removed, or is not reachable from the caller's cgroup namespace";
    }
}

bool joins_pid_namespace(const Plan& plan) {
    const auto& steps = plan.joins.steps();
    return std::any_of(steps.begin(), steps.end(), [](const Step& step) {
        return step.op == Op::JoinNamespace && (static_cast<const JoinArgs*>(step.args)->kinds & CLONE_NEWPID) != 0;
    });
}

} // namespace

Error clone_error(int error_number, const Plan& plan) {
    // pid_namespaces(7): ENOMEM once the namespace's first process has ended.
    if (error_number == ENOMEM && joins_pid_namespace(plan)) {
        return sys::error(ESRCH, Stage::Enter, "make a process in the joined pid namespace", {},
                          "the first process of that namespace has ended");
    }
    if (plan.group >= 0 && (error_number == EACCES || error_number == EBUSY || error_number == EOPNOTSUPP ||
                            error_number == ENODEV || error_number == ENOENT)) {
        return sys::error(error_number, Stage::Cgroup, "make a process in the cgroup", plan.group_path,
                          group_hint(error_number));
    }
    const std::string names = namespace_names(plan.new_namespaces);
    const std::string action =
        names.empty() ? "make a process" : concat("make a process with new namespaces (", names, ')');
    const Stage stage = names.empty() ? Stage::Launch : Stage::Namespaces;
    std::string_view hint;
    if (error_number == EPERM) {
        hint = (plan.new_namespaces & CLONE_NEWUSER) != 0 ? "user namespaces are not allowed here"
                                                          : "needs CAP_SYS_ADMIN, or a new user namespace as well";
    } else if (error_number == ENOSPC || error_number == EUSERS) {
        hint = "a limit in /proc/sys/user is reached, or namespaces are nested too deep";
    } else if (error_number == EAGAIN) {
        hint = plan.group >= 0 ? "a limit on the number of processes is reached, of the cgroup or one above it"
                               : "a limit on the number of processes is reached";
    } else if (error_number == EINVAL) {
        hint = "this kernel lacks one of the namespaces";
    }
    return sys::error(error_number, stage, action, {}, hint);
}

Error death_error(const Plan& plan, const Handshake& handshake, const ExitStatus& status) {
    std::string where = "before its first step";
    const Plan::Steps& list = list_of(plan, handshake);
    if (handshake.step < list.steps().size()) {
        const StepInfo& info = list.info(handshake.step);
        where = concat("in the step '", info.action, info.path.empty() ? "" : " ", info.path, '\'');
    }
    return {Errc::ChildDied, Stage::Launch, concat("set up the process, which ", status.describe(), ' ', where)};
}

} // namespace ct::internal
