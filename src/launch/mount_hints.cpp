// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/sched.h>
#include <sys/wait.h>

#include <cerrno>
#include <fstream>
#include <sstream>

#include "base/concat.hpp"
#include "launch/exit_status.hpp"
#include "launch/failure.hpp"

namespace ct::internal {

namespace {

/// The mounts below /proc here, which keep a user namespace from having a fresh one.
std::string covers_of_proc() {
    std::ifstream mounts("/proc/self/mountinfo");
    std::string covers;
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream fields(line);
        std::string target;
        for (int field = 0; field < 5; ++field) fields >> target;
        if (target.starts_with("/proc/")) covers += concat(covers.empty() ? "'" : ", '", target, '\'');
    }
    return covers;
}

std::string proc_hint(const Plan& plan) {
    if ((plan.new_namespaces & CLONE_NEWPID) == 0) {
        return "within a user namespace a fresh /proc needs a new pid namespace, too; else ProcMode::BindHost binds "
               "the "
               "host's";
    }
    const std::string covers = covers_of_proc();
    return concat("within a user namespace the kernel refuses a fresh /proc if the one here is read-only, missing or "
                  "partly covered",
                  covers.empty() ? "" : concat(", as it is by the mounts on ", covers),
                  "; ProcMode::BindHost binds the host's");
}

std::string copy_hint(const Handshake& handshake) {
    const int error = handshake.error;
    const char* reason = "";
    if (error == ENOSPC) reason = "it does not fit into the tmpfs, ";
    if (error == ENAMETOOLONG) reason = "directories are nested deeper than 64 levels, ";
    if (error == EPERM) reason = "within a user namespace device nodes cannot be copied, ";
    if (error == ESTALE) reason = "it was replaced meanwhile, ";
    return concat(reason, "while '", handshake.message, "' was copied");
}

std::string new_file_system_hint(const MountArgs& args, const Plan& plan, const Handshake& handshake) {
    const std::string type = args.type;
    // The kernel itself only says that the mount would be "too revealing".
    if (handshake.error == EPERM && type == "proc") return proc_hint(plan);
    if (args.copy_up && handshake.message[0] != '\0' && handshake.error != EINVAL) return copy_hint(handshake);
    if (handshake.message[0] != '\0') return concat("the file system says: ", handshake.message);
    if (handshake.error == ENODEV) return concat("this kernel has no file system '", type, "'");
    if (handshake.error == ENOSYS) return "such options need fsopen(2), Linux 5.2";
    return {};
}

std::string bind_hint(const MountArgs& args, const Handshake& handshake) {
    switch (handshake.error) {
    case ENOSYS: return "flags of a recursive bind need mount_setattr(2), Linux 5.12";
    case EISDIR: return "a file can only be bound on a file";
    case EINVAL:
        if (args.recursive || args.tree >= 0) return {};
        return "within a user namespace what is mounted below the source must be taken along: make the bind recursive";
    default: return {};
    }
}

std::string target_hint(const Plan& plan, const Handshake& handshake) {
    const auto& args = *static_cast<const MountArgs*>(plan.steps.steps().at(handshake.step).args);
    std::string own = args.type != nullptr ? new_file_system_hint(args, plan, handshake) : bind_hint(args, handshake);
    if (!own.empty()) return own;
    switch (handshake.error) {
    case ENOSPC: return "there are too many mounts, see /proc/sys/fs/mount-max";
    case ELOOP: return "a symbolic link in the way leads nowhere or in circles";
    case ENOTDIR: return args.target_is_file ? "" : "something in the way, or the target itself, is not a directory";
    case EACCES: return "the mount point or the source cannot be reached, or not be created, as this user";
    case EROFS: return "the mount point is missing and cannot be created on a read-only file system";
    case ESTALE: return "the target was replaced meanwhile";
    default: return {};
    }
}

std::string mask_hint(const Handshake& handshake) {
    switch (handshake.error) {
    case ENODEV: return "it does not lie in the file system that belongs there";
    case ENXIO: return "the host's /dev/null is not the null device";
    case ELOOP: return "a symbolic link in the way leads in circles, or out of the file system that belongs there";
    default: return {};
    }
}

std::string cgroup_hint(int error) {
    switch (error) {
    case ELOOP: return "a part of it is a symbolic link in the container's root";
    case ENOENT: return "one of the groups is gone";
    case ENOTDIR: return "something in the way is not a directory";
    case EROFS: return "the mount point is missing and cannot be created on a read-only file system";
    default: return {};
    }
}

std::string describe(std::chrono::milliseconds time) {
    return time.count() % 1000 == 0 ? concat(time.count() / 1000, " s") : concat(time.count(), " ms");
}

/// Its end, on one line.
std::string ending_of(std::string_view text) {
    constexpr std::size_t most = 512;
    const bool cut = text.size() > most;
    if (cut) text.remove_prefix(text.size() - most);
    std::string line;
    for (const char c : text) {
        const bool space = c == ' ' || (c >= '\t' && c <= '\r');
        if (!space) line += c;
        if (space && !line.empty() && line.back() != ' ') line += ' ';
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    // A character that was cut in two.
    std::size_t rest = 0;
    while (cut && rest < line.size() && (static_cast<unsigned char>(line[rest]) & 0xC0U) == 0x80U) ++rest;
    return (cut ? "..." : "") + line.substr(rest);
}

std::string command_hint(const Plan& plan, const Handshake& handshake) {
    if (handshake.error != ECANCELED && handshake.error != ETIMEDOUT) return {};
    const auto& step = plan.steps.steps().at(handshake.step);
    std::optional<std::chrono::milliseconds> limit;
    if (handshake.error == ETIMEDOUT) {
        const auto& args = *static_cast<const CommandArgs*>(step.args);
        limit = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::nanoseconds(args.time_limit));
    }
    return hook_hint(limit, from_wait_status(static_cast<int>(handshake.candidate)), handshake.message);
}

} // namespace

std::string hook_hint(std::optional<std::chrono::milliseconds> time_limit, const ExitStatus& status,
                      std::string_view text) {
    std::string hint = time_limit ? concat("it was killed after its time limit of ", describe(*time_limit))
                                  : concat("it ", status.describe());
    if (const std::string ending = ending_of(text); !ending.empty()) hint += concat("; it wrote: ", ending);
    return hint;
}

std::string mount_hint(const Plan& plan, const Handshake& handshake) {
    const int error = handshake.error;
    if (handshake.steps_of != Handshake::OfChild) return {};
    switch (plan.steps.steps().at(handshake.step).op) {
    case Op::AttachFileSystem:
    case Op::Mount: return target_hint(plan, handshake);
    case Op::MountCgroups: return cgroup_hint(error);
    case Op::ReadOnlyPath:
    case Op::MaskPath: return mask_hint(handshake);
    case Op::MakeNode:
        if (error == EEXIST) return "the image has another file of that name";
        if (error == EPERM) return "making device nodes needs CAP_MKNOD and no user namespace";
        return {};
    case Op::BindNode: return error == ENODEV ? "the host's node has become another one" : "";
    case Op::Unmount:
        if (error == EINVAL) return "nothing is mounted there, or it is protected by the user namespace";
        if (error == ELOOP) return "one of its components is a symbolic link, which is not followed here";
        return {};
    case Op::RunCommand: return command_hint(plan, handshake);
    case Op::RunCallable:
        return error == ECANCELED ? concat("it ", from_wait_status(static_cast<int>(handshake.candidate)).describe())
                                  : "";
    default: return {};
    }
}

} // namespace ct::internal
