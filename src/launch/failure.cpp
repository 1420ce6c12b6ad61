// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/failure.hpp"

#include <linux/sched.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/concat.hpp"
#include "base/sys.hpp"

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

/// One more clause where errno alone misleads.
std::string hint(const Plan& plan, const Handshake& handshake) {
    const int error = handshake.error;
    switch (op_of(plan, handshake)) {
    case Op::Exec:
        switch (static_cast<Handshake::ExecDetail>(handshake.detail)) {
        case Handshake::MissingInterpreter:
            return "the file is there, but its interpreter (ELF loader or \"#!\" line) is not";
        case Handshake::IsDirectory: return "it is a directory";
        case Handshake::NotExecutable: return "the file is there, but may not be executed";
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
    case Op::ResourceLimit: return error == EPERM ? "raising a hard limit needs CAP_SYS_RESOURCE" : "";
    case Op::JoinNamespace:
        return error == EINVAL
                   ? "the file is not a namespace of this kind, or it is already the host's own user namespace"
                   : "";
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
    const std::string clause = hint(plan, handshake);
    if (handshake.error == ENOSYS && info.stage == Stage::Mounts) {
        return {Errc::Unsupported, info.stage, info.action, path, clause};
    }
    return sys::error(handshake.error, info.stage, info.action, path, clause);
}

Error clone_error(int error_number, const Plan& plan) {
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
        hint = "a limit on the number of processes is reached";
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
