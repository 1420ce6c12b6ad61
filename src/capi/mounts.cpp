// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <libct/libct-mounts.h>

#include <utility>

#include <ct/export.hpp>

#include "capi/commands.hpp"
#include "capi/container.hpp"
#include "capi/structs.hpp"

namespace ct::capi {

namespace {

constexpr unsigned KnownFlags = 0xfff;

std::optional<Propagation> propagation_of(int given) {
    switch (given) {
    case LIBCT_PROPAGATION_DEFAULT: return {};
    case LIBCT_PROPAGATION_PRIVATE: return Propagation::Private;
    case LIBCT_PROPAGATION_SLAVE: return Propagation::Slave;
    case LIBCT_PROPAGATION_SHARED: return Propagation::Shared;
    case LIBCT_PROPAGATION_UNBINDABLE: return Propagation::Unbindable;
    default: throw Failure(LCTERR_BADTYPE, "there is no such propagation of mounts");
    }
}

AccessTime access_time_of(int given) {
    switch (given) {
    case LIBCT_ATIME_DEFAULT: return AccessTime::Default;
    case LIBCT_ATIME_RELATIVE: return AccessTime::Relative;
    case LIBCT_ATIME_STRICT: return AccessTime::Strict;
    case LIBCT_ATIME_NEVER: return AccessTime::Never;
    default: throw Failure(LCTERR_BADTYPE, "there is no such way to keep access times");
    }
}

std::vector<IdRange> map_of(const libct_id_range* ranges, std::size_t count) {
    require(ranges != nullptr || count == 0, LCTERR_INVARG, "there is no map of ids");
    std::vector<IdRange> map;
    for (std::size_t i = 0; i < count; ++i) map.push_back({ranges[i].inside, ranges[i].outside, ranges[i].count});
    return map;
}

Mount mount_of(const libct_mount& given) {
    require(given.target != nullptr, LCTERR_INVARG, "a mount has no target");
    require(given.source != nullptr || given.type != nullptr, LCTERR_INVARG, "a mount has no source");
    require((given.flags & ~KnownFlags) == 0, LCTERR_INVARG, "a mount has unknown flags");
    const auto has = [&](unsigned flag) { return (given.flags & flag) != 0; };
    Mount mount{.source = text_or(given.source, text_or(given.type).c_str()),
                .target = inside(given.target),
                .type = text_or(given.type),
                .options = text_list(given.options),
                .recursive = has(CT_FS_REC),
                .read_only = has(CT_FS_RDONLY),
                .no_suid = has(CT_FS_NOSUID),
                .no_dev = has(CT_FS_NODEV),
                .no_exec = has(CT_FS_NOEXEC),
                .no_symlinks = has(LIBCT_MOUNT_NO_SYMLINKS),
                .access_time = access_time_of(given.access_time),
                .no_directory_access_time = has(LIBCT_MOUNT_NO_DIRECTORY_ATIME),
                .propagation = propagation_of(given.propagation),
                .copy_up = has(LIBCT_MOUNT_COPY_UP),
                .id_mapped = has(LIBCT_MOUNT_ID_MAPPED),
                .uid_map = map_of(given.uid_map, given.uid_count),
                .gid_map = map_of(given.gid_map, given.gid_count)};
    if (has(CT_FS_STRICTATIME)) mount.access_time = AccessTime::Strict;
    if (has(CT_FS_PRIVATE)) mount.propagation = Propagation::Private;
    return mount;
}

std::vector<MountHook> hooks_of(const libct_cmd* commands, int (*function)(void*), void* user) {
    std::vector<MountHook> hooks = mount_hooks_of(commands);
    if (function != nullptr) hooks.emplace_back([=] { return function(user); });
    return hooks;
}

template <typename Change>
int change_base(ct_handler_t ct, const Change& change) {
    return guard([&] { get(ct)->configure([&](Config& config) { change(config.base); }); });
}

} // namespace

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_fs_add(ct_handler_t ct, const struct libct_mount* mount) {
    return guard([&] {
        const auto container = get(ct);
        const libct_mount given = read_struct(mount);
        MountRequest request{text_or(given.target),
                             mount_of(given),
                             {hooks_of(given.before_commands, given.before, given.user),
                              hooks_of(given.after_commands, given.after, given.user)},
                             true};
        container->configure([&](Config& config) { config.mounts.push_back(std::move(request)); });
    });
}

CT_EXPORT int libct_fs_add_default_mounts(ct_handler_t ct) {
    return change_base(ct, [](ct::Spec& spec) { spec.default_mounts = true; });
}

CT_EXPORT int libct_fs_set_proc_mode(ct_handler_t ct, int bind) {
    return change_base(
        ct, [&](ct::Spec& spec) { spec.proc_mode = bind != 0 ? ct::ProcMode::BindHost : ct::ProcMode::New; });
}

CT_EXPORT int libct_fs_add_default_devices(ct_handler_t ct) {
    return change_base(ct, [](ct::Spec& spec) { spec.default_devices = true; });
}

CT_EXPORT int libct_fs_add_default_masks(ct_handler_t ct) {
    return change_base(ct, [](ct::Spec& spec) { ct::add_default_masks(spec); });
}

CT_EXPORT int libct_fs_mask(ct_handler_t ct, const char* path) {
    return change_base(ct, [&](ct::Spec& spec) {
        require(path != nullptr, LCTERR_INVARG, "there is no path");
        spec.masked_paths.push_back(inside(path));
    });
}

CT_EXPORT int libct_fs_protect(ct_handler_t ct, const char* path) {
    return change_base(ct, [&](ct::Spec& spec) {
        require(path != nullptr, LCTERR_INVARG, "there is no path");
        spec.read_only_paths.push_back(inside(path));
    });
}

CT_EXPORT int libct_fs_set_root_options(ct_handler_t ct, int read_only, enum libct_propagation propagation) {
    return guard([&] {
        const auto container = get(ct);
        const auto wanted = propagation_of(propagation);
        container->configure([&](Config& config) {
            config.root_read_only = read_only != 0;
            config.root_propagation = wanted;
        });
    });
}

CT_EXPORT int libct_fs_mount(ct_handler_t ct, const struct libct_mount* mount) {
    return guard([&] {
        const auto container = get(ct);
        const libct_mount given = read_struct(mount);
        const bool has_hooks = given.before_commands != nullptr || given.after_commands != nullptr ||
                               given.before != nullptr || given.after != nullptr;
        require(!has_hooks, LCTERR_INVARG, "nothing can run beside a mount in a running container");
        const ct::Mount wanted = mount_of(given);
        with_codes([&] { container->object().mount(wanted); });
    });
}

CT_EXPORT int libct_fs_unmount(ct_handler_t ct, const char* target) {
    return guard([&] {
        const auto container = get(ct);
        require(target != nullptr, LCTERR_INVARG, "there is no target of a mount");
        with_codes([&] { container->object().unmount(inside(target)); });
    });
}

} // extern "C"
