// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "plan/id_maps.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "config/validate.hpp"
#include "tool/tool.hpp"

namespace ct::internal {

namespace {

/// One of the two maps.
struct Map {
    std::string_view file;   ///< In /proc/PID.
    const char* helper;      ///< The setuid program that writes it for others.
    const char* subordinate; ///< The file in which that looks up what the caller may map.
    const std::vector<IdRange>& ranges;
    bool needs_helper;
};

bool only_the_caller(const std::vector<IdRange>& ranges, std::uint32_t id) {
    return ranges.size() == 1 && ranges[0].count == 1 && ranges[0].outside == id;
}

Map uid_map(const Spec& spec, const HostFacts& host) {
    return {"uid_map", "newuidmap", "/etc/subuid", spec.uid_map,
            !host.can(CAP_SETUID) && !only_the_caller(spec.uid_map, ::geteuid())};
}

Map gid_map(const Spec& spec, const HostFacts& host) {
    return {"gid_map", "newgidmap", "/etc/subgid", spec.gid_map,
            !host.can(CAP_SETGID) && !only_the_caller(spec.gid_map, ::getegid())};
}

std::string_view hint() {
    if (::prctl(PR_GET_DUMPABLE) != 1) {
        return "this process is not dumpable, perhaps because it changed its user: its files in /proc belong to root "
               "until it sets PR_SET_DUMPABLE or executes a program";
    }
    return "without CAP_SETUID and CAP_SETGID a caller may map only its own user and group";
}

/// What an error says it was doing; the file follows.
std::string action(const Map& map) {
    const IdRange first = map.ranges.empty() ? IdRange{} : map.ranges.front();
    return concat("write the map \"", first.inside, ' ', first.outside, ' ', first.count,
                  map.ranges.size() > 1 ? "...\"" : "\"", " to");
}

void write_by_helper(const Map& map, pid_t child, const std::string& file) {
    std::vector<std::string> argv{map.helper, std::to_string(child)};
    for (const IdRange& range : map.ranges) {
        for (const std::uint32_t number : {range.inside, range.outside, range.count}) {
            argv.push_back(std::to_string(number));
        }
    }
    const std::string program = find_tool(map.helper);
    if (program.empty()) {
        throw Error(Errc::Unsupported, Stage::IdMap, action(map), file,
                    concat("a caller without privileges needs ", map.helper,
                           " for that, which is not installed (Debian package uidmap)"));
    }
    const ToolResult result = run_tool(program, argv);
    if (result.status.success()) return;
    const bool no_new_privileges = ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
    throw sys::error(
        EPERM, Stage::IdMap, action(map), file,
        concat(map.helper, ' ', result.status.describe(), result.text.empty() ? "" : concat(": ", result.last_line()),
               no_new_privileges ? "; this process has no_new_privs set, with which no setuid program works"
                                 : concat("; ", map.subordinate, " lists what the caller may map")));
}

void write_map(const Map& map, pid_t child) {
    const std::string file = concat("/proc/", child, '/', map.file);
    if (map.needs_helper) {
        write_by_helper(map, child, file);
        return;
    }
    std::string text;
    for (const IdRange& range : map.ranges) text += concat(range.inside, ' ', range.outside, ' ', range.count, '\n');
    sys::write_file(file, text, Stage::IdMap, action(map), hint());
}

} // namespace

bool uses_map_helpers(const Spec& spec, const HostFacts& host) {
    return makes_namespace(spec, Namespace::User) &&
           (uid_map(spec, host).needs_helper || gid_map(spec, host).needs_helper);
}

bool denies_setgroups(const Spec& spec, const HostFacts& host) {
    if (!has_namespace(spec, Namespace::User)) return false;
    if (spec.setgroups == SetGroups::Deny) return true;
    if (spec.setgroups == SetGroups::Allow || host.can(CAP_SETGID)) return false;
    // newgidmap(1) has the privilege.
    return !makes_namespace(spec, Namespace::User) || !gid_map(spec, host).needs_helper;
}

void plan_id_maps(Plan& plan, const Spec& spec, const HostFacts& host) {
    if (!makes_namespace(spec, Namespace::User)) return;
    const bool deny = denies_setgroups(spec, host);
    plan.parent_tasks.push_back({Await::Birth, [&spec, host, deny](const WaitingChild& child) {
                                     if (deny) {
                                         sys::write_file(concat("/proc/", child.pid, "/setgroups"), "deny",
                                                         Stage::IdMap, "deny setgroups in", hint());
                                     }
                                     write_map(gid_map(spec, host), child.pid);
                                     write_map(uid_map(spec, host), child.pid);
                                 }});
}

} // namespace ct::internal
