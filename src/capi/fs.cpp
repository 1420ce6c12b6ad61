// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <sys/stat.h>

#include <algorithm>
#include <climits>

#include <ct/export.hpp>

#include "capi/commands.hpp"
#include "capi/container.hpp"
#include "capi/guard.hpp"
#include "capi/structs.hpp"

namespace ct::capi {

namespace {

constexpr int BindFlags = CT_FS_PRIVATE | CT_FS_RDONLY;
constexpr int AllFlags = 0xff;

/// Options as mount(2) takes them.
std::vector<std::string> options_of(std::string_view data) {
    std::vector<std::string> options;
    while (!data.empty()) {
        const std::size_t comma = std::min(data.find(','), data.size());
        if (comma > 0) options.emplace_back(data.substr(0, comma));
        data.remove_prefix(std::min(comma + 1, data.size()));
    }
    return options;
}

ct::DeviceType type_of(mode_t mode) {
    if (S_ISFIFO(mode)) return ct::DeviceType::Fifo;
    return S_ISBLK(mode) ? ct::DeviceType::Block : ct::DeviceType::Character;
}

struct MountTexts {
    const char* source;
    const char* target;
    const char* type;
    const char* data;
};

Mount mount_of(const MountTexts& texts, int flags) {
    Mount mount;
    mount.source = texts.source;
    mount.target = inside(texts.target);
    if ((flags & CT_FS_BIND) == 0) {
        mount.type = text_or(texts.type).empty() ? "none" : texts.type; // which the kernel will not know
        if (texts.data != nullptr) mount.options = options_of(texts.data);
    } else if (texts.type != nullptr || texts.data != nullptr) {
        mount.options = {"type"}; // the start refuses any
    }
    mount.recursive = (flags & CT_FS_REC) != 0 && mount.type.empty();
    mount.read_only = (flags & CT_FS_RDONLY) != 0;
    mount.no_suid = (flags & CT_FS_NOSUID) != 0;
    mount.no_dev = (flags & CT_FS_NODEV) != 0;
    mount.no_exec = (flags & CT_FS_NOEXEC) != 0;
    if ((flags & CT_FS_STRICTATIME) != 0) mount.access_time = AccessTime::Strict;
    if ((flags & CT_FS_PRIVATE) != 0) mount.propagation = Propagation::Private;
    return mount;
}

int add_mount(ct_handler_t ct, const MountTexts& texts, int flags, int allowed, const libct_cmd* before,
              const libct_cmd* after) {
    return guard([&] {
        const auto container = get(ct);
        require(texts.source != nullptr && texts.target != nullptr, LCTERR_INVARG, "a mount lacks a path");
        require((flags & ~allowed) == 0, LCTERR_INVARG, "a mount has unknown flags");
        const int all = allowed == BindFlags ? flags | CT_FS_BIND : flags;
        MountRequest request{texts.target, mount_of(texts, all), {mount_hooks_of(before), mount_hooks_of(after)}};
        container->configure([&](Config& config) { config.mounts.push_back(std::move(request)); });
    });
}

} // namespace

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_fs_set_root(ct_handler_t ct, const char* root_path) {
    return guard([&] {
        const auto container = get(ct);
        container->configure([&](Config& config) {
            require(root_path != nullptr && *root_path != '\0', LCTERR_INVARG, "the root has no path");
            config.root = root_path;
        });
    });
}

CT_EXPORT int libct_fs_set_private(ct_handler_t ct, enum ct_fs_type type, void* arg) {
    return guard([&] {
        get(ct)->configure([&](Config& config) {
            if (type == CT_FS_NONE) {
                config.private_area.reset();
                return;
            }
            require(type == CT_FS_SUBDIR, LCTERR_BADTYPE, "there is no such kind of private area");
            require(arg != nullptr, LCTERR_INVARG, "the private area has no path");
            config.private_area = ct::BindDir{.source = static_cast<const char*>(arg)};
        });
    });
}

CT_EXPORT int libct_fs_add_bind_mount(ct_handler_t ct, const char* src, const char* dst, int flags) {
    return add_mount(ct, {src, dst, nullptr, nullptr}, flags, BindFlags, nullptr, nullptr);
}

CT_EXPORT int libct_fs_add_mount(ct_handler_t ct, const char* src, const char* dst, int flags, const char* fstype,
                                 const char* data) {
    return add_mount(ct, {src, dst, fstype, data}, flags, AllFlags, nullptr, nullptr);
}

CT_EXPORT int libct_fs_add_mount_with_actions(ct_handler_t ct, const char* src, const char* dst, int flags,
                                              const char* fstype, const char* data, struct libct_cmd* premount_cmds,
                                              struct libct_cmd* postmount_cmds) {
    return add_mount(ct, {src, dst, fstype, data}, flags, AllFlags, premount_cmds, postmount_cmds);
}

CT_EXPORT int libct_fs_del_bind_mount(ct_handler_t ct, const char* dst) {
    return guard([&] {
        const auto container = get(ct);
        require(dst != nullptr, LCTERR_INVARG, "there is no target of a mount");
        container->configure([&](Config& config) {
            const auto found = std::find_if(config.mounts.begin(), config.mounts.end(),
                                            [&](const MountRequest& one) { return one.target == dst; });
            require(found != config.mounts.end(), LCTERR_NOTFOUND, "there is no such mount");
            config.mounts.erase(found);
        });
    });
}

CT_EXPORT int libct_fs_add_devnode(ct_handler_t ct, const char* path, int mode, int major, int minor) {
    return guard([&] {
        const auto container = get(ct);
        require(path != nullptr, LCTERR_INVARG, "the device has no path");
        container->configure([&](Config& config) {
            const auto bits = static_cast<mode_t>(mode);
            require(S_ISCHR(bits) || S_ISBLK(bits) || S_ISFIFO(bits), LCTERR_INVARG,
                    "the mode is neither that of a device nor of a fifo");
            config.devices.push_back({.path = inside(path),
                                      .type = type_of(bits),
                                      .major = static_cast<std::uint32_t>(major),
                                      .minor = static_cast<std::uint32_t>(minor),
                                      .mode = bits & 07777U,
                                      .replace = true});
        });
    });
}

} // extern "C"
