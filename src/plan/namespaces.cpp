// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/sched.h>

#include <algorithm>

#include "plan/compile.hpp"
#include "plan/namespace_flags.hpp"

namespace ct::internal {

std::uint64_t namespace_flag(Namespace kind) noexcept {
    switch (kind) {
    case Namespace::Mount: return CLONE_NEWNS;
    case Namespace::Pid: return CLONE_NEWPID;
    case Namespace::Net: return CLONE_NEWNET;
    case Namespace::Uts: return CLONE_NEWUTS;
    case Namespace::Ipc: return CLONE_NEWIPC;
    case Namespace::User: return CLONE_NEWUSER;
    case Namespace::Cgroup: return CLONE_NEWCGROUP;
    case Namespace::Time: return CLONE_NEWTIME;
    }
    return 0;
}

std::uint64_t namespace_flags(const Spec& spec) noexcept {
    std::uint64_t flags = 0;
    for (const auto& [kind, source] : spec.namespaces) flags |= namespace_flag(kind);
    return flags;
}

bool joins_namespaces(const Spec& spec) noexcept {
    return std::any_of(spec.namespaces.begin(), spec.namespaces.end(),
                       [](const auto& entry) { return !std::holds_alternative<NewNamespace>(entry.second); });
}

void plan_joins(Plan& plan, const std::vector<NamespaceJoin>& joins) {
    for (const NamespaceJoin& join : joins) {
        plan.joins.add(
            Op::JoinNamespace, JoinArgs{join.fd, static_cast<std::uint32_t>(namespace_flag(join.kind))},
            {Stage::Namespaces, plan.text("join ", to_string(join.kind), " namespace"), plan.text(join.name)});
    }
}

void plan_new_namespaces(Plan& plan, const Spec& spec) {
    for (const auto& [kind, source] : spec.namespaces) {
        if (std::holds_alternative<NewNamespace>(source)) plan.new_namespaces |= namespace_flag(kind);
    }
}

} // namespace ct::internal
