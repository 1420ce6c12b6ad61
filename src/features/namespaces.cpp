// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/sched.h>
#include <unistd.h>

#include <array>

#include "base/concat.hpp"
#include "config/subordinate_ids.hpp"
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

void add_id_mapping(Features& features) {
    constexpr const char* feature = "namespace.user.ranges";
    if (::geteuid() == 0) {
        add_feature(features, feature, 0, {}, "root maps any ids");
        return;
    }
    for (const char* program : {"/usr/bin/newuidmap", "/usr/bin/newgidmap"}) {
        if (::access(program, X_OK) == 0) continue;
        add_feature(features, feature, ENOENT, "install the package uidmap", concat("there is no ", program));
        return;
    }
    try {
        (void)subordinate_map_of_caller("/etc/subuid", ::geteuid());
        (void)subordinate_map_of_caller("/etc/subgid", ::getegid());
        add_feature(features, feature, 0, {}, "those that /etc/subuid and /etc/subgid give to this user");
    } catch (const Error& error) {
        add_feature(features, feature, ENOENT, std::string(error.hint()),
                    concat(error.path(), " gives this user none"));
    }
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
