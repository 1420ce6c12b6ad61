// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "config/defaults.hpp"

#include <algorithm>
#include <array>

#include "config/paths.hpp"
#include "config/validate.hpp"

namespace ct::internal {

namespace {

bool maps_group(const Spec& spec, std::uint32_t id) {
    if (!has_namespace(spec, Namespace::User)) return true;
    return std::any_of(spec.gid_map.begin(), spec.gid_map.end(),
                       [&](const IdRange& range) { return id >= range.inside && id - range.inside < range.count; });
}

std::vector<Mount> default_mounts(const Spec& spec, bool host_has_mqueue) {
    // A user namespace may only mount a fresh sysfs or mqueue that shows namespaces of its own.
    const bool foreign_user = has_namespace(spec, Namespace::User);
    const bool own_net = !foreign_user || makes_namespace(spec, Namespace::Net);
    const bool own_ipc = !foreign_user || makes_namespace(spec, Namespace::Ipc);

    std::vector<Mount> mounts;
    const bool own_proc = spec.proc_mode == ProcMode::New;
    mounts.push_back({.source = own_proc ? "proc" : "/proc",
                      .target = "/proc",
                      .type = own_proc ? "proc" : "",
                      .options = {},
                      .recursive = !own_proc,
                      .no_suid = true,
                      .no_dev = true,
                      .no_exec = true});
    mounts.push_back({.source = own_net ? "sysfs" : "/sys",
                      .target = "/sys",
                      .type = own_net ? "sysfs" : "",
                      .options = {},
                      .recursive = !own_net,
                      .read_only = true,
                      .no_suid = true,
                      .no_dev = true,
                      .no_exec = true});
    mounts.push_back(
        {.source = "tmpfs", .target = "/dev", .type = "tmpfs", .options = {"mode=755", "size=64k"}, .no_suid = true});
    Mount pts{.source = "devpts",
              .target = "/dev/pts",
              .type = "devpts",
              .options = {"ptmxmode=0666", "mode=0620"},
              .no_suid = true,
              .no_exec = true};
    constexpr std::uint32_t tty_group = 5; // as every distribution has it
    if (maps_group(spec, tty_group)) pts.options.push_back("gid=5");
    mounts.push_back(std::move(pts));
    mounts.push_back({.source = "shm",
                      .target = "/dev/shm",
                      .type = "tmpfs",
                      .options = {"mode=1777", "size=64m"},
                      .no_suid = true,
                      .no_dev = true,
                      .no_exec = true});
    if (!own_ipc && !host_has_mqueue) return mounts;
    mounts.push_back({.source = own_ipc ? "mqueue" : "/dev/mqueue",
                      .target = "/dev/mqueue",
                      .type = own_ipc ? "mqueue" : "",
                      .options = {},
                      .no_suid = true,
                      .no_dev = true,
                      .no_exec = true});
    return mounts;
}

} // namespace

MountOrder order_mounts(const Spec& spec, bool host_has_mqueue) {
    MountOrder order;
    order.after_devices = spec.mounts;
    if (!spec.default_mounts) {
        // The devices go into a /dev of the specification's own.
        const auto dev = std::find_if(order.after_devices.begin(), order.after_devices.end(),
                                      [](const Mount& mount) { return normal_path(mount.target) == "/dev"; });
        if (dev != order.after_devices.end()) {
            order.before_devices.assign(std::make_move_iterator(order.after_devices.begin()),
                                        std::make_move_iterator(dev + 1));
            order.after_devices.erase(order.after_devices.begin(), dev + 1);
        }
        return order;
    }
    for (Mount& mount : default_mounts(spec, host_has_mqueue)) {
        const auto own = std::find_if(order.after_devices.begin(), order.after_devices.end(),
                                      [&](const Mount& other) { return normal_path(other.target) == mount.target; });
        if (own == order.after_devices.end()) {
            order.before_devices.push_back(std::move(mount));
        } else {
            order.before_devices.push_back(std::move(*own));
            order.after_devices.erase(own);
        }
    }
    return order;
}

} // namespace ct::internal

namespace ct {

void add_default_masks(Spec& spec) {
    // What tells of or changes the whole machine, whichever namespaces there are.
    constexpr std::array masked{
        "/proc/acpi",
        "/proc/asound",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/sys/devices/virtual/powercap",
        "/sys/firmware",
    };
    constexpr std::array read_only{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
    const auto add = [](std::vector<std::string>& paths, const auto& more) {
        for (const char* const path : more) {
            if (std::find(paths.begin(), paths.end(), path) == paths.end()) paths.emplace_back(path);
        }
    };
    add(spec.masked_paths, masked);
    add(spec.read_only_paths, read_only);
}

std::vector<DeviceRule> default_device_rules() {
    struct Number {
        std::uint32_t major;
        std::optional<std::uint32_t> minor;
    };
    constexpr std::array<Number, 9> used{{
        {1, 3},              // null
        {1, 5},              // zero
        {1, 7},              // full
        {1, 8},              // random
        {1, 9},              // urandom
        {5, 0},              // tty
        {5, 1},              // console
        {5, 2},              // ptmx
        {136, std::nullopt}, // pseudo terminals
    }};
    std::vector<DeviceRule> rules{{.allow = true, .read = false, .write = false}};
    for (const auto& [major, minor] : used)
        rules.push_back({.allow = true, .type = DeviceClass::Character, .major = major, .minor = minor});
    return rules;
}

} // namespace ct
