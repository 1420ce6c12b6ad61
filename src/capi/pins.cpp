// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <libct/libct-namespaces.h>
#include <libct/libct-network.h>

#include <linux/sched.h>

#include <algorithm>
#include <array>

#include <ct/export.hpp>

#include "capi/container.hpp"
#include "capi/structs.hpp"
#include "plan/namespace_flags.hpp"

namespace ct::capi {

namespace {

Namespace kind_of(int flag) {
    constexpr std::array all{Namespace::Mount, Namespace::Pid,  Namespace::Net,    Namespace::Uts,
                             Namespace::Ipc,   Namespace::User, Namespace::Cgroup, Namespace::Time};
    const auto* const found = std::find_if(all.begin(), all.end(), [&](Namespace kind) {
        return internal::namespace_flag(kind) == static_cast<unsigned>(flag);
    });
    require(found != all.end(), LCTERR_NONS, "there is no such kind of namespace");
    return *found;
}

void check_unset(const Config& config, int flag) {
    const bool joins = std::any_of(config.nspaths.begin(), config.nspaths.end(),
                                   [&](const auto& entry) { return entry.first == flag; });
    const bool set = config.makes(flag) || joins || config.base.namespaces.contains(kind_of(flag));
    require(!set, LCTERR_BADARG, "that namespace is set already");
    require(flag != CLONE_NEWPID || !config.taskless, LCTERR_INVARG,
            "a container without a process has no pid namespace");
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

} // namespace

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

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

CT_EXPORT int libct_container_pin(ct_handler_t ct, const char* directory, char* buf, size_t size) {
    return guard([&] {
        const auto container = get(ct);
        require(buf != nullptr || size == 0, LCTERR_INVARG, "an argument is NULL");
        return write_text(with_codes([&] { return container->object().pin(text_or(directory)); }), buf, size);
    });
}

CT_EXPORT int libct_container_unpin(ct_handler_t ct, const char* directory) {
    return guard([&] { with_codes([&] { get(ct)->object().unpin(text_or(directory)); }); });
}

CT_EXPORT int libct_container_namespace_fd(ct_handler_t ct, int kind) {
    return guard([&] {
        const auto container = get(ct);
        const ct::Namespace wanted = kind_of(kind);
        return with_codes([&] { return container->object().namespace_fd(wanted); });
    });
}

CT_EXPORT int libct_net_pin(ct_handler_t ct, const char* name) {
    return guard([&] {
        const auto container = get(ct);
        require(name != nullptr, LCTERR_INVARG, "the network has no name");
        with_codes([&] { container->object().pin_network(name); });
    });
}

CT_EXPORT int libct_net_unpin(const char* name) {
    return guard([&] {
        require(name != nullptr, LCTERR_INVARG, "the network has no name");
        with_codes([&] { ct::unpin_network(name); });
    });
}

CT_EXPORT int libct_net_named(const char* name, char* buf, size_t size) {
    return guard([&] {
        require(name != nullptr, LCTERR_INVARG, "the network has no name");
        return write_text(with_codes([&] { return ct::named_network(name); }), buf, size);
    });
}

} // extern "C"
