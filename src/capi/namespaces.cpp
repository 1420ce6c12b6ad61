// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "capi/namespaces.hpp"

#include <linux/sched.h>

#include <algorithm>
#include <array>

#include <ct/cgroup.hpp>
#include <ct/error.hpp>
#include <ct/export.hpp>
#include <libct/libct-namespaces.h>

#include "capi/container.hpp"
#include "capi/guard.hpp"
#include "plan/namespace_flags.hpp"

namespace ct::capi {

namespace {

constexpr unsigned long KnownNamespaces =
    CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWUSER;

bool joins(const Config& config, unsigned long kinds) {
    return std::any_of(config.nspaths.begin(), config.nspaths.end(),
                       [&](const auto& entry) { return (static_cast<unsigned long>(entry.first) & kinds) != 0; });
}

void check_pid_namespace(const Config& config, unsigned long kinds) {
    const bool allowed = (kinds & CLONE_NEWPID) == 0 || !config.taskless;
    require(allowed, LCTERR_INVARG, "a container without a process has no pid namespace");
}

void set_mask(Config& config, unsigned long mask) {
    require((mask & ~KnownNamespaces) == 0, LCTERR_NONS, "there are no namespaces of such a kind");
    require(!joins(config, mask), LCTERR_BADARG, "a namespace is joined that shall be new");
    config.nsmask = mask;
    if (!config.makes(CLONE_NEWUTS)) {
        config.hostname.clear();
        config.domainname.clear();
    }
    if (!config.makes(CLONE_NEWNET)) drop_network(config);
}

void check_unset(const Config& config, int flag) {
    const auto kind = static_cast<unsigned long>(flag);
    const bool set = config.makes(flag) || joins(config, kind) || config.base.namespaces.contains(kind_of(flag));
    require(!set, LCTERR_BADARG, "that namespace is set already");
    check_pid_namespace(config, kind);
}

void set_source(Container& container, int flag, NamespaceSource source) {
    const Namespace kind = kind_of(flag);
    container.configure([&](Config& config) {
        check_unset(config, flag);
        config.base.namespaces[kind] = std::move(source);
    });
}

/// Appends what \p map does to a container without any map.
template <typename Map>
void append_maps(Container& container, const Map& map) {
    container.configure_both([&](Config& config, ct::Container& core) {
        Spec spec = core.spec();
        spec.uid_map.clear();
        spec.gid_map.clear();
        core.set_spec(std::move(spec));
        map(core);
        const Spec mapped = core.spec();
        config.uid_map.insert(config.uid_map.end(), mapped.uid_map.begin(), mapped.uid_map.end());
        config.gid_map.insert(config.gid_map.end(), mapped.gid_map.begin(), mapped.gid_map.end());
    });
}

constexpr const char* ServiceName = "libct";
constexpr const char* ServicePlace = "/sys/fs/cgroup/.libct";

/// Has the hierarchy in which killable containers have a group.
void make_killable(Config& config) {
    try {
        (void)mount_named_hierarchy(ServiceName, ServicePlace);
        config.named_hierarchies = {ServiceName};
    } catch (const Error& error) {
        // With version 2 alone every container can be killed by its group.
        if (error.code() != Errc::Unsupported) throw Failure(LCTERR_CGCREATE, error);
    }
    config.killable = true;
}

void set_option(Config& config, int option, const void* args) {
    switch (option) {
    case LIBCT_OPT_AUTO_PROC_MOUNT: config.auto_proc = true; return;
    case LIBCT_OPT_CGROUP_SUBMOUNT:
        config.cgroup_submount = args == nullptr ? "/sys/fs/cgroup" : static_cast<const char*>(args);
        return;
    case LIBCT_OPT_KILLABLE: make_killable(config); return;
    case LIBCT_OPT_NOSETSID: config.new_session = false; return;
    case LIBCT_OPT_TASKLESS:
        require(!config.makes(CLONE_NEWPID), LCTERR_INVARG, "a pid namespace ends with its first process");
        config.taskless = true;
        return;
    default: throw Failure(LCTERR_BADTYPE, "there is no such option");
    }
}

} // namespace

Namespace kind_of(int flag) {
    constexpr std::array all{Namespace::Mount, Namespace::Pid,  Namespace::Net,    Namespace::Uts,
                             Namespace::Ipc,   Namespace::User, Namespace::Cgroup, Namespace::Time};
    const auto* const found = std::find_if(all.begin(), all.end(), [&](Namespace kind) {
        return internal::namespace_flag(kind) == static_cast<unsigned>(flag);
    });
    require(found != all.end(), LCTERR_NONS, "there is no such kind of namespace");
    return *found;
}

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_container_set_nsmask(ct_handler_t ct, unsigned long nsmask) {
    return guard([&] {
        const auto container = get(ct);
        container->change([&](Config& config, ct_state) { check_pid_namespace(config, nsmask); });
        container->configure([&](Config& config) { set_mask(config, nsmask); });
    });
}

CT_EXPORT int libct_container_set_nspath(ct_handler_t ct, int ns, const char* path) {
    return guard([&] {
        const auto container = get(ct);
        const auto kind = static_cast<unsigned long>(static_cast<unsigned>(ns));
        require(path != nullptr, LCTERR_INVARG, "there is no path of a namespace");
        container->change([&](Config& config, ct_state) { check_pid_namespace(config, kind); });
        container->configure([&](Config& config) {
            const bool one = (kind & ~KnownNamespaces) == 0 && (kind & (kind - 1)) == 0 && kind != 0;
            require(one, LCTERR_NONS, "there is no such kind of namespace");
            require((config.nsmask & kind) == 0 && !joins(config, kind), LCTERR_BADARG,
                    "that namespace is set already");
            config.nspaths.emplace_back(ns, path);
        });
    });
}

CT_EXPORT int libct_container_set_sysctl(ct_handler_t ct, const char* name, const char* val) {
    return guard([&] {
        const auto container = get(ct);
        require(name != nullptr && val != nullptr, LCTERR_INVARG, "an argument is NULL");
        container->change([&](Config& config, ct_state) { config.sysctls.emplace_back(name, val); });
    });
}

CT_EXPORT int libct_container_uname(ct_handler_t ct, const char* host, const char* domain) {
    return guard([&] {
        const auto container = get(ct);
        container->change([](Config& config, ct_state) {
            require(config.makes(CLONE_NEWUTS), LCTERR_NONS, "there is no new uts namespace");
        });
        container->configure([&](Config& config) {
            config.hostname = host == nullptr ? "" : host;
            config.domainname = domain == nullptr ? "" : domain;
        });
    });
}

CT_EXPORT int libct_container_set_option(ct_handler_t ct, int opt, void* args) {
    return guard([&] { get(ct)->change([&](Config& config, ct_state) { set_option(config, opt, args); }); });
}

CT_EXPORT int libct_container_set_console_fd(ct_handler_t ct, int fd) {
    return guard([&] { get(ct)->change([&](Config& config, ct_state) { config.console = fd; }); });
}

CT_EXPORT int libct_userns_add_uid_map(ct_handler_t ct, unsigned int first, unsigned int lower_first,
                                       unsigned int count) {
    return guard([&] {
        get(ct)->change([&](Config& config, ct_state) { config.uid_map.push_back({first, lower_first, count}); });
    });
}

CT_EXPORT int libct_userns_add_gid_map(ct_handler_t ct, unsigned int first, unsigned int lower_first,
                                       unsigned int count) {
    return guard([&] {
        get(ct)->change([&](Config& config, ct_state) { config.gid_map.push_back({first, lower_first, count}); });
    });
}

CT_EXPORT int libct_container_add_namespace(ct_handler_t ct, int kind) {
    return guard([&] {
        const auto container = get(ct);
        const ct::Namespace wanted = kind_of(kind);
        const bool in_mask = kind != CLONE_NEWCGROUP && kind != CLONE_NEWTIME;
        container->configure([&](Config& config) {
            check_unset(config, kind);
            if (in_mask) {
                config.nsmask |= static_cast<unsigned long>(kind);
            } else {
                config.base.namespaces[wanted] = ct::NewNamespace{};
            }
        });
    });
}

CT_EXPORT int libct_container_join_fd(ct_handler_t ct, int kind, int fd) {
    return guard([&] {
        const auto container = get(ct);
        require(fd >= 0, LCTERR_INVARG, "there is no descriptor");
        set_source(*container, kind, ct::NamespaceFd{fd});
    });
}

CT_EXPORT int libct_container_join(ct_handler_t ct, int kind, ct_handler_t other) {
    return guard([&] {
        const auto container = get(ct);
        set_source(*container, kind, ct::NamespaceOf{get(other)->object().name()});
    });
}

CT_EXPORT int libct_container_set_time_offsets(ct_handler_t ct, int64_t monotonic_ns, int64_t boottime_ns) {
    return guard([&] {
        get(ct)->configure([&](Config& config) {
            config.base.time_offsets = {.monotonic = std::chrono::nanoseconds(monotonic_ns),
                                        .boottime = std::chrono::nanoseconds(boottime_ns)};
        });
    });
}

CT_EXPORT int libct_userns_map_root_to_caller(ct_handler_t ct) {
    return guard([&] { append_maps(*get(ct), [](ct::Container& core) { core.map_root_to_caller(); }); });
}

CT_EXPORT int libct_userns_map_subordinate_ids(ct_handler_t ct) {
    return guard([&] { append_maps(*get(ct), [](ct::Container& core) { core.map_subordinate_ids(); }); });
}

CT_EXPORT int libct_userns_set_setgroups(ct_handler_t ct, enum libct_setgroups policy) {
    return guard([&] {
        static_assert(static_cast<int>(ct::SetGroups::Auto) == LIBCT_SETGROUPS_AUTO &&
                      static_cast<int>(ct::SetGroups::Allow) == LIBCT_SETGROUPS_ALLOW &&
                      static_cast<int>(ct::SetGroups::Deny) == LIBCT_SETGROUPS_DENY);
        const auto container = get(ct);
        const bool known = policy >= LIBCT_SETGROUPS_AUTO && policy <= LIBCT_SETGROUPS_DENY;
        require(known, LCTERR_BADTYPE, "there is no such policy for setgroups");
        container->configure([&](Config& config) { config.base.setgroups = static_cast<ct::SetGroups>(policy); });
    });
}

} // extern "C"
