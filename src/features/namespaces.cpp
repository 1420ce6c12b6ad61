// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/sched.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "base/concat.hpp"
#include "features/features.hpp"
#include "launch/launch.hpp"
#include "plan/namespace_flags.hpp"

namespace ct::internal {

namespace {

/// Makes a child that has these namespaces and ends at once. \returns errno
int try_namespaces(std::uint64_t flags, AreaPool& areas) {
    Plan plan;
    plan.new_namespaces = flags;
    plan.shares_memory = (flags & CLONE_NEWTIME) == 0;
    plan.steps.add(Op::DieWithParent, {Stage::Launch, "set the parent-death signal"});
    plan.steps.add(Op::Finish, {Stage::Launch, "finish"});
    try {
        (void)launch({plan, -1, nullptr}, areas);
    } catch (const Error& error) {
        return error.code().value();
    }
    return 0;
}

std::string user_namespace_remedy() {
    if (first_line("/proc/sys/kernel/unprivileged_userns_clone") == "0") {
        return "sysctl kernel.unprivileged_userns_clone=1";
    }
    if (first_line("/proc/sys/user/max_user_namespaces") == "0") return "sysctl user.max_user_namespaces=15000";
    if (first_line("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1") {
        return "an AppArmor profile with the rule 'userns,' for this program, or "
               "sysctl kernel.apparmor_restrict_unprivileged_userns=0";
    }
    return "a kernel with CONFIG_USER_NS, and no filter of system calls that forbids clone3(2) with CLONE_NEWUSER";
}

/// The line of /etc/subuid or /etc/subgid that gives this user ids to map.
std::string subordinate_line(const std::string& path, const std::string& name, uid_t uid) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(name + ':') || line.starts_with(concat(uid, ':'))) return line;
    }
    return {};
}

void add_id_mapping(Features& features) {
    const uid_t uid = ::geteuid();
    if (uid == 0) {
        add_feature(features, "namespace.user.ranges", 0, {}, "root maps any ids");
        return;
    }
    const passwd* const entry = ::getpwuid(uid);
    const std::string name = entry != nullptr ? entry->pw_name : std::to_string(uid);
    std::string missing;
    for (const char* path : {"/etc/subuid", "/etc/subgid"}) {
        if (subordinate_line(path, name, uid).empty()) missing = concat("no line for ", name, " in ", path);
    }
    std::string remedy = concat("add the line '", name, ":100000:65536' to /etc/subuid and /etc/subgid");
    for (const char* program : {"/usr/bin/newuidmap", "/usr/bin/newgidmap"}) {
        if (::access(program, X_OK) == 0) continue;
        missing = concat("there is no ", program);
        remedy = "install the package uidmap";
    }
    add_feature(features, "namespace.user.ranges", missing.empty() ? 0 : ENOENT, remedy,
                missing.empty() ? subordinate_line("/etc/subuid", name, uid) : missing);
}

} // namespace

void add_namespace_features(Features& features, AreaPool& areas) {
    const int user = try_namespaces(CLONE_NEWUSER, areas);
    add_feature(features, "namespace.user", user, user_namespace_remedy());
    add_id_mapping(features);
    constexpr std::array kinds{Namespace::Mount, Namespace::Pid,    Namespace::Net, Namespace::Uts,
                               Namespace::Ipc,   Namespace::Cgroup, Namespace::Time};
    for (const Namespace kind : kinds) {
        const std::uint64_t flag = namespace_flag(kind);
        int error = try_namespaces(flag, areas);
        std::string detail;
        if (error == EPERM && user == 0) {
            error = try_namespaces(flag | CLONE_NEWUSER, areas);
            if (error == 0) detail = "together with a user namespace";
        }
        add_feature(features, concat("namespace.", to_string(kind)), error,
                    error == EINVAL ? "a kernel that has this kind of namespace"
                                    : "run as root, or allow user namespaces",
                    detail);
    }
}

} // namespace ct::internal
