// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <sys/capability.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <set>

#include "base/concat.hpp"
#include "config/capabilities.hpp"
#include "config/names.hpp"
#include "config/network.hpp"
#include "config/paths.hpp"
#include "config/sysctls.hpp"
#include "config/validate.hpp"
#include "seccomp/filter.hpp"

/// The rules between fields.
namespace ct::internal {

namespace {

using Violations = std::vector<std::string>;

void check_overlap(Violations& found, std::string_view what, std::vector<IdRange> ranges) {
    const auto overlap = [&](auto first, std::string_view side) {
        std::sort(ranges.begin(), ranges.end(),
                  [&](const IdRange& a, const IdRange& b) { return a.*first < b.*first; });
        for (std::size_t i = 1; i < ranges.size(); ++i) {
            if (ranges[i].*first - ranges[i - 1].*first < ranges[i - 1].count) {
                found.push_back(concat("extents of the ", what, " overlap at ", side, " id ", ranges[i].*first));
                return;
            }
        }
    };
    overlap(&IdRange::inside, "inside");
    overlap(&IdRange::outside, "outside");
    // user_namespaces(7): 340 lines at most.
    if (ranges.size() > 340)
        found.push_back(concat("the ", what, " has ", ranges.size(), " extents; the kernel takes 340"));
}

/// The host's id for \p inside.
std::optional<std::uint32_t> outside(const std::vector<IdRange>& ranges, std::uint32_t inside) {
    for (const IdRange& range : ranges) {
        if (inside >= range.inside && inside - range.inside < range.count)
            return range.outside + (inside - range.inside);
    }
    return std::nullopt;
}

bool maps(const std::vector<IdRange>& ranges, std::uint32_t id) {
    return outside(ranges, id).has_value();
}

void check_namespaces(Violations& found, const Spec& spec) {
    const bool new_user = makes_namespace(spec, Namespace::User);
    if (!new_user && (!spec.uid_map.empty() || !spec.gid_map.empty())) {
        found.push_back("id maps need a new user namespace");
    }
    if (!new_user && spec.setgroups != SetGroups::Auto)
        found.push_back("a setgroups policy needs a new user namespace");
    if (new_user && spec.uid_map.empty()) found.push_back("a new user namespace needs a uid map");
    if (new_user && spec.gid_map.empty()) found.push_back("a new user namespace needs a gid map");
    check_overlap(found, "uid map", spec.uid_map);
    check_overlap(found, "gid map", spec.gid_map);
    if (!has_namespace(spec, Namespace::Uts)) {
        if (!spec.hostname.empty()) found.push_back("a host name needs a uts namespace");
        if (!spec.domainname.empty()) found.push_back("a domain name needs a uts namespace");
    }
    if (spec.time_offsets != TimeOffsets{} && !makes_namespace(spec, Namespace::Time)) {
        found.push_back("time offsets need a new time namespace");
    }
    find_sysctl_violations(found, spec);
    network_violations(found, spec);
    names_violations(found, spec);
}

void check_cgroup_mount(Violations& found, const Spec& spec) {
    if (spec.cgroup.mount == CgroupMount::None) return;
    if (!makes_namespace(spec, Namespace::Mount)) {
        found.push_back("mounting the container's cgroups needs a new mount namespace");
    }
    // The /sys of the default mounts would cover the host's, from which the groups are mounted.
    if (spec.default_mounts && !spec.root) {
        found.push_back("mounting the container's cgroups with the default mounts needs a root");
    }
    if (spec.cgroup.mount == CgroupMount::Writable && !makes_namespace(spec, Namespace::Cgroup) &&
        !has_namespace(spec, Namespace::User)) {
        found.push_back("a writable cgroup mount needs a new cgroup namespace or a user namespace, lest the container "
                        "changes its own limits");
    }
}

void check_mounts(Violations& found, const Spec& spec) {
    std::set<std::string> targets;
    for (const Mount& mount : spec.mounts) {
        if (!targets.insert(normal_path(mount.target)).second && !mount.stacked)
            found.push_back(concat("two mounts on '", mount.target, "'"));
        if (mount.id_mapped && mount.uid_map.empty() && !has_namespace(spec, Namespace::User)) {
            found.push_back(concat("the id-mapped bind on '", mount.target, "' needs id maps, or a user namespace"));
        }
        check_overlap(found, concat("uid map of the bind on '", mount.target, "'"), mount.uid_map);
        check_overlap(found, concat("gid map of the bind on '", mount.target, "'"), mount.gid_map);
    }
}

void check_files(Violations& found, const Spec& spec) {
    const bool new_mount = makes_namespace(spec, Namespace::Mount);
    const bool joined_mount = has_namespace(spec, Namespace::Mount) && !new_mount;
    if (spec.root && joined_mount) found.push_back("a joined mount namespace has its own root; none can be set");
    if (spec.root && spec.root->read_only && !new_mount)
        found.push_back("a read-only root needs a new mount namespace");
    if (spec.private_area && !spec.root) found.push_back("a private area needs a root");
    if (spec.private_area && !new_mount && !std::holds_alternative<BindDir>(*spec.private_area)) {
        found.push_back("a private area other than a directory needs a new mount namespace");
    }
    if (spec.root && spec.private_area && !new_mount && normal_path(spec.root->path) == "/" &&
        covers_root(*spec.private_area)) {
        found.push_back("a private area over the host's own root needs a new mount namespace");
    }
    if (spec.root && spec.root->propagation && !new_mount)
        found.push_back("a root's propagation needs a new mount namespace");
    const bool on_host = spec.root && spec.root->host_mounts;
    if (on_host && has_namespace(spec, Namespace::Mount)) {
        found.push_back("mounts of the host's need its mount namespace");
    }
    // Below a directory what was mounted can be told from the host's own mounts, and taken away again.
    if (on_host && normal_path(spec.root->path) == "/") found.push_back("mounts of the host's need a root below '/'");
    const bool has_place = new_mount || on_host;
    if (!spec.devices.empty() && !has_place) found.push_back("devices need a new mount namespace");
    if ((!spec.masked_paths.empty() || !spec.read_only_paths.empty()) && !new_mount) {
        found.push_back("masked and read-only paths need a new mount namespace");
    }
    if (spec.proc_mode != ProcMode::New && !spec.default_mounts) found.push_back("a proc mode needs default mounts");
    if (!spec.mounts.empty() && !has_place) found.push_back("mounts need a new mount namespace");
    if (spec.default_mounts && !new_mount) found.push_back("the default mounts need a new mount namespace");
    if (spec.default_devices && !spec.default_mounts && !new_mount) {
        found.push_back("the default devices need a new mount namespace");
    }
    check_mounts(found, spec);
    std::set<std::string> devices;
    for (const Device& device : spec.devices) {
        if (!devices.insert(normal_path(device.path)).second) {
            found.push_back(concat("two devices at '", device.path, "'"));
        }
    }
}

void check_init(Violations& found, const Spec& spec, const ProcessSpec& process, Runs runs, Role role) {
    if (process.init == Init::None) return;
    if (role == Role::Entering) found.push_back("only the first process can have a reaper");
    if (role == Role::First && !makes_namespace(spec, Namespace::Pid)) {
        found.push_back("a reaper needs a new pid namespace");
    }
    if (runs == Runs::Callable) found.push_back("a callable cannot have a reaper");
}

void check_environment(Violations& found, const ProcessSpec& process) {
    const auto check = [&](const std::string& name, bool complete) {
        if (name.empty() || name[0] == '=' || name.find('\0') != std::string::npos ||
            (complete ? name.find('=') == std::string::npos : name.find('=') != std::string::npos)) {
            found.push_back(concat("malformed environment variable '", name.c_str(), "'"));
        }
    };
    for (const std::string& entry : process.environment.value_or(std::vector<std::string>{})) check(entry, true);
    for (const auto& [name, value] : process.add_environment) {
        check(name, false);
        if (value.find('\0') != std::string::npos) found.push_back(concat("value of ", name, " has a NUL byte"));
    }
}

void check_file(Violations& found, const FdMapping& mapping) {
    if (mapping.source >= 0) {
        found.push_back(concat("descriptor ", mapping.target, " is both one of the host's and a file inside"));
    }
    if (mapping.path.front() != '/' || mapping.path.find('\0') != std::string::npos) {
        found.push_back(concat("the file '", mapping.path.c_str(), "' for a descriptor is not absolute"));
    }
}

void check_streams(Violations& found, const ProcessSpec& process) {
    if (process.inherit_fds && !process.fds.empty()) {
        found.push_back("descriptors cannot be mapped if all are inherited");
    }
    if (process.controlling_terminal >= 0 && (process.terminal || !process.new_session)) {
        found.push_back("a controlling terminal of the host's needs a new session, and no other terminal");
    }
    const StandardStreams& stdio = process.stdio;
    if (process.terminal && stdio != StandardStreams{}) {
        found.push_back("with a terminal the standard streams cannot be set");
    }
    if (stdio.in == Stdio::Output) found.push_back("standard input cannot be Stdio::Output");
    if (stdio.out == Stdio::Output) found.push_back("standard output cannot be Stdio::Output");
    std::set<int> targets;
    for (const FdMapping& mapping : process.fds) {
        if (!mapping.path.empty()) check_file(found, mapping);
        if (mapping.target < 0 || (mapping.source < 0 && mapping.path.empty())) {
            found.push_back(concat("negative descriptor in the map ", mapping.target, "=", mapping.source));
        } else if (mapping.target >= 1 << 30) {
            found.push_back(concat("descriptor ", mapping.target, " is above what any kernel allows"));
        } else if (!targets.insert(mapping.target).second) {
            found.push_back(concat("descriptor ", mapping.target, " is mapped twice"));
        }
        const bool stream_set = (mapping.target == 0 && stdio.in != Stdio::Inherit) ||
                                (mapping.target == 1 && stdio.out != Stdio::Inherit) ||
                                (mapping.target == 2 && stdio.err != Stdio::Inherit);
        if (mapping.target >= 0 && mapping.target <= 2 && (process.terminal || stream_set)) {
            found.push_back(
                concat("descriptor ", mapping.target, " is both mapped and a standard stream that was set"));
        }
    }
}

void check_user_name(Violations& found, const ProcessSpec& process) {
    if (process.user_name.empty() && (process.user_needs_entry || !process.more_groups.empty())) {
        found.push_back("more groups, and the need for an entry, are of a user given by name");
    }
    constexpr std::size_t most = 512;
    if (process.more_groups.size() > most) found.push_back(concat("there are more than ", most, " more groups"));
}

void check_credentials(Violations& found, const Spec& spec, const ProcessSpec& process) {
    check_user_name(found, process);
    if (process.user) {
        if (process.user->uid == ~0U) found.push_back("user id 4294967295 is not a user");
        if (process.user->gid == ~0U) found.push_back("group id 4294967295 is not a group");
        if (makes_namespace(spec, Namespace::User)) {
            if (!spec.uid_map.empty() && !maps(spec.uid_map, process.user->uid)) {
                found.push_back(concat("user ", process.user->uid, " is not in the uid map"));
            }
            std::vector<std::uint32_t> groups = process.user->groups;
            groups.push_back(process.user->gid);
            for (const std::uint32_t group : groups) {
                if (!spec.gid_map.empty() && !maps(spec.gid_map, group)) {
                    found.push_back(concat("group ", group, " is not in the gid map"));
                }
            }
            if (!process.user->groups.empty() && spec.setgroups == SetGroups::Deny) {
                found.push_back("supplementary groups need setgroups, which is denied");
            }
        }
    }
    for (const auto& names : {process.capabilities, process.bounding_capabilities}) {
        for (const std::string& name : names.value_or(std::vector<std::string>{})) {
            if (!is_capability(name)) found.push_back(concat("unknown capability '", name, "'"));
        }
    }
    if (process.bounding_capabilities && (process.capabilities || process.capability_sets)) {
        found.push_back("the bounding set is given twice");
    }
}

void check_landlock(Violations& found, const ProcessSpec& process) {
    const Landlock& landlock = *process.landlock;
    if (landlock.paths.empty() && !landlock.bind_ports && !landlock.connect_ports && !landlock.scope_abstract_sockets &&
        !landlock.scope_signals) {
        found.push_back("the Landlock rules restrict nothing");
    }
    for (const LandlockPath& rule : landlock.paths) {
        if (rule.path.empty() || rule.path[0] != '/' || rule.path.find('\0') != std::string::npos) {
            found.push_back(concat("the path '", rule.path.c_str(), "' of a Landlock rule is not absolute"));
        }
        if (!rule.read && !rule.write && !rule.execute) {
            found.push_back(concat("the Landlock rule for '", rule.path.c_str(), "' allows nothing"));
        }
    }
    if (!confined_last(process)) found.push_back("Landlock needs no_new_privileges, or CAP_SYS_ADMIN to be kept");
}

void check_attributes(Violations& found, const ProcessSpec& process) {
    std::set<int> resources;
    for (const ResourceLimit& limit : process.limits) {
        if (limit.resource < 0 || limit.resource >= static_cast<int>(RLIM_NLIMITS)) {
            found.push_back(concat("unknown resource limit ", limit.resource));
        } else if (!resources.insert(limit.resource).second) {
            found.push_back(concat("resource limit ", limit.resource, " is set twice"));
        }
        if (limit.soft > limit.hard)
            found.push_back(concat("resource limit ", limit.resource, " is softly above its hard limit"));
    }
    if (process.umask && (*process.umask & ~static_cast<mode_t>(0777)) != 0) {
        found.push_back("the umask has bits besides 0777");
    }
    if (process.parent_death_signal < 0 || process.parent_death_signal > SIGRTMAX) {
        found.push_back(concat("unknown parent-death signal ", process.parent_death_signal));
    }
    const std::string& directory = process.working_directory;
    if (!directory.empty() && directory[0] != '/') {
        found.push_back(concat("working directory '", directory, "' is not absolute"));
    }
    if (directory.find('\0') != std::string::npos) found.push_back("working directory has a NUL byte");
}

void check_birth(Violations& found, const Spec& spec, const ProcessSpec& process, Runs runs) {
    // Such a filter comes before the last moment at which it could be frozen, and might not let it wait there.
    if (spec.cgroup.born_frozen && runs == Runs::Callable && process.seccomp && !confined_last(process)) {
        found.push_back("a callable with a seccomp filter can be born frozen only with no_new_privileges, or with "
                        "CAP_SYS_ADMIN to be kept");
    }
}

void check_program(Violations& found, const ProcessSpec& process, Runs runs) {
    if (runs == Runs::Callable) {
        if (!process.executable.empty() || !process.argv.empty()) found.push_back("a callable takes no argv");
        return;
    }
    if (process.argv.empty()) found.push_back("argv is empty");
    if (!process.argv.empty() && process.argv[0].empty() && process.executable.empty()) {
        found.push_back("the program's name is empty");
    }
    const auto has_nul = [](const std::string& text) { return text.find('\0') != std::string::npos; };
    if (std::any_of(process.argv.begin(), process.argv.end(), has_nul) || has_nul(process.executable)) {
        found.push_back("argv has a NUL byte");
    }
}

} // namespace

bool makes_namespace(const Spec& spec, Namespace kind) {
    const auto found = spec.namespaces.find(kind);
    return found != spec.namespaces.end() && std::holds_alternative<NewNamespace>(found->second);
}

bool has_namespace(const Spec& spec, Namespace kind) {
    return spec.namespaces.contains(kind);
}

std::optional<StreamOwner> stream_owner(const Spec& spec, const ProcessSpec& process) {
    const bool new_user = makes_namespace(spec, Namespace::User);
    if (!new_user && (has_namespace(spec, Namespace::User) || !process.user)) return std::nullopt;
    const std::uint32_t inside = process.user ? process.user->uid : 0;
    if (!new_user) return StreamOwner{inside};
    const std::optional<std::uint32_t> uid = outside(spec.uid_map, inside);
    if (!uid) return std::nullopt;
    if (process.user_name.empty()) return StreamOwner{*uid};
    // chown(2) inside is for files with an owner and a group that exist there.
    return StreamOwner{*uid, outside(spec.gid_map, 0).value_or(~0U)};
}

bool confined_last(const ProcessSpec& process) {
    constexpr std::uint64_t all = ~std::uint64_t{0};
    const auto keeps = [](const std::vector<std::string>& names) {
        return (capability_set(names, all) >> CAP_SYS_ADMIN & 1U) != 0;
    };
    if (process.no_new_privileges) return true;
    if (process.capability_sets) return keeps(process.capability_sets->effective);
    if (process.capabilities) return keeps(*process.capabilities);
    return process.user_name.empty() && (!process.user || process.user->uid == 0);
}

const std::string& target_of(const PrivateArea& area) {
    return std::visit([](const auto& kind) -> const std::string& { return kind.target; }, area);
}

bool covers_root(const PrivateArea& area) {
    return normal_path(target_of(area)) == "/";
}

std::vector<std::string> held_violations(const Spec& spec) {
    Violations found;
    check_namespaces(found, spec);
    check_cgroup_mount(found, spec);
    check_files(found, spec);
    limit_violations(found, spec.cgroup.limits);
    if (makes_namespace(spec, Namespace::Pid)) {
        found.push_back("a container without a process cannot have a new pid namespace, which ends with its first "
                        "process; leave it out, or join one");
    }
    if (spec.cgroup.born_frozen) found.push_back("a container without a process cannot be born frozen");
    return found;
}

std::vector<std::string> mount_violations(const Spec& spec) {
    Violations found;
    check_mounts(found, spec);
    return found;
}

std::vector<std::string> violations(const Spec& spec, const ProcessSpec& process, Runs runs, Role role) {
    Violations found;
    if (role == Role::First) {
        check_namespaces(found, spec);
        check_cgroup_mount(found, spec);
        check_files(found, spec);
        limit_violations(found, spec.cgroup.limits);
        check_birth(found, spec, process, runs);
    }
    check_program(found, process, runs);
    check_init(found, spec, process, runs, role);
    check_environment(found, process);
    check_streams(found, process);
    check_credentials(found, spec, process);
    check_attributes(found, process);
    attribute_violations(found, spec, process, runs);
    if (process.seccomp) check_seccomp(found, *process.seccomp);
    if (process.landlock) check_landlock(found, process);
    return found;
}

} // namespace ct::internal
