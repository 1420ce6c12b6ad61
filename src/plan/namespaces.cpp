// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/capability.h>
#include <linux/sched.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "config/validate.hpp"
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

void plan_joins(Plan& plan, const Spec& spec) {
    // The user namespace first: it brings the privileges to join others that it owns. The mount namespace last:
    // the paths are the host's.
    constexpr std::array order{Namespace::User, Namespace::Pid,  Namespace::Net,    Namespace::Uts,
                               Namespace::Ipc,  Namespace::Time, Namespace::Cgroup, Namespace::Mount};
    for (const Namespace kind : order) {
        const auto found = spec.namespaces.find(kind);
        if (found == spec.namespaces.end()) continue;
        const auto flag = static_cast<std::uint32_t>(namespace_flag(kind));
        const auto join = [&](const char* path, int fd, const char* name) {
            plan.joins.add(Op::JoinNamespace, JoinArgs{path, fd, flag},
                           {Stage::Namespaces, plan.text("join ", to_string(kind), " namespace"), name});
        };
        if (const auto* path = std::get_if<NamespacePath>(&found->second)) {
            const char* const text = plan.text(path->path);
            join(text, -1, text);
        } else if (const auto* fd = std::get_if<NamespaceFd>(&found->second)) {
            join(nullptr, fd->fd, plan.text("fd ", std::to_string(fd->fd)));
        } else {
            plan.new_namespaces |= flag;
        }
    }
}

bool denies_setgroups(const Spec& spec, const HostFacts& host) {
    if (!has_namespace(spec, Namespace::User)) return false;
    return spec.setgroups == SetGroups::Deny || (spec.setgroups == SetGroups::Auto && !host.can(CAP_SETGID));
}

namespace {

std::string_view hint() {
    if (::prctl(PR_GET_DUMPABLE) != 1) {
        return "this process is not dumpable, perhaps because it changed its user: its files in /proc belong to root "
               "until it sets PR_SET_DUMPABLE or executes a program";
    }
    return "without CAP_SETUID and CAP_SETGID a caller may map only its own user and group";
}

std::string map_text(const std::vector<IdRange>& ranges) {
    std::string text;
    for (const IdRange& range : ranges) text += concat(range.inside, ' ', range.outside, ' ', range.count, '\n');
    return text;
}

void write_map(pid_t child, std::string_view name, const std::vector<IdRange>& ranges) {
    const std::string text = map_text(ranges);
    const std::string shown = text.substr(0, text.find('\n'));
    sys::write_file(concat("/proc/", child, '/', name), text, Stage::IdMap,
                    concat("write the map \"", shown, ranges.size() > 1 ? "...\"" : "\"", " to"), hint());
}

} // namespace

void plan_id_maps(Plan& plan, const Spec& spec, const HostFacts& host) {
    if (!makes_namespace(spec, Namespace::User)) return;
    const bool deny = denies_setgroups(spec, host);
    plan.parent_tasks.push_back({Await::Birth, [&spec, deny](const WaitingChild& child) {
                                     if (deny) {
                                         sys::write_file(concat("/proc/", child.pid, "/setgroups"), "deny",
                                                         Stage::IdMap, "deny setgroups in", hint());
                                     }
                                     write_map(child.pid, "gid_map", spec.gid_map);
                                     write_map(child.pid, "uid_map", spec.uid_map);
                                 }});
}

} // namespace ct::internal
