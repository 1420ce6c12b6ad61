// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "config/defaults.hpp"
#include "config/paths.hpp"
#include "config/validate.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

namespace {

std::uint32_t type_of(const Device& device) {
    if (device.type == DeviceType::Fifo) return S_IFIFO;
    return device.type == DeviceType::Block ? S_IFBLK : S_IFCHR;
}

bool is_node(const std::string& path, const Device& device) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && (status.st_mode & S_IFMT) == type_of(device) &&
           status.st_rdev == ::makedev(device.major, device.minor);
}

/// Where this host has the device.
std::string node_of_host(const Device& device) {
    if (is_node(device.path, device)) return device.path;
    const char* const directory = device.type == DeviceType::Block ? "/dev/block/" : "/dev/char/";
    std::string by_number = concat(directory, device.major, ':', device.minor);
    if (is_node(by_number, device)) return by_number;
    throw sys::error(ENODEV, Stage::Devices,
                     concat("find the host's node of device ", device.major, ':', device.minor, " for"), device.path,
                     "within a user namespace devices can only be bound");
}

/// Whether /dev is a new file system: the default one, or one of the specification.
bool has_file_system_of_its_own(const Spec& spec) {
    const auto dev = std::find_if(spec.mounts.begin(), spec.mounts.end(),
                                  [](const Mount& mount) { return normal_path(mount.target) == "/dev"; });
    return dev == spec.mounts.end() ? spec.default_mounts : dev->type == "tmpfs";
}

void plan_own_devices(Plan& plan, const Spec& spec) {
    for (const Device& device : spec.devices) {
        const bool bound = has_namespace(spec, Namespace::User) && device.type != DeviceType::Fifo;
        const std::string path = normal_path(device.path);
        const char* const target = plan.text(path);
        if (bound) {
            const char* const source = plan.text(node_of_host(device));
            plan.steps.add(Op::BindNode, BindNodeArgs{source, target, type_of(device), device.major, device.minor},
                           {Stage::Devices, plan.text("bind the device '", source, "' on"), target});
            continue;
        }
        const std::size_t slash = path.rfind('/');
        const char* const directory = slash == 0 ? "/" : plan.text(path.substr(0, slash));
        plan.steps.add(Op::OpenDirectory, DirectoryArgs{directory, false}, {Stage::Devices, "open", directory});
        plan.steps.add(Op::MakeNode,
                       NodeArgs{target + slash + 1, type_of(device) | device.mode, device.major, device.minor,
                                device.uid, device.gid, true, device.replace},
                       {Stage::Devices, "make the device", target});
    }
}

void plan_default_devices(Plan& plan, const Spec& spec, const FdLayout& fds) {
    if (!spec.default_devices && !spec.default_mounts) return;
    const auto open_dev = [&] {
        plan.steps.add(Op::OpenDirectory, DirectoryArgs{"/dev", has_file_system_of_its_own(spec)},
                       {Stage::Devices, "open", "/dev"});
    };
    if (has_namespace(spec, Namespace::User)) {
        std::vector<Mount> binds;
        for (const DefaultDevice& device : DefaultDevices) {
            const std::string path = concat("/dev/", device.name);
            binds.push_back({.source = path, .target = path, .options = {}, .no_suid = true, .no_exec = true});
        }
        plan_mounts(plan, binds, {{}, {}});
        open_dev();
    } else {
        open_dev();
        for (const DefaultDevice& device : DefaultDevices) {
            plan.steps.add(Op::MakeNode,
                           NodeArgs{device.name, S_IFCHR | 0666, device.major, device.minor, 0, 0, false, false},
                           {Stage::Devices, "make the device", plan.text("/dev/", device.name)});
        }
    }
    for (const DefaultLink& link : DefaultLinks) {
        plan.steps.add(Op::MakeSymlink, SymlinkArgs{link.name, link.content},
                       {Stage::Devices, "make the link", plan.text("/dev/", link.name)});
    }
    // ttyname(3) looks for the terminal in /dev, and /dev/pts has only the container's own ones.
    if (!fds.terminal_path.empty()) {
        plan_mounts(
            plan,
            {{.source = fds.terminal_path, .target = "/dev/console", .options = {}, .no_suid = true, .no_exec = true}},
            {{}, {}});
    }
}

} // namespace

void plan_devices(Plan& plan, const Spec& spec, const FdLayout& fds) {
    plan_default_devices(plan, spec, fds);
    plan_own_devices(plan, spec);
}

} // namespace ct::internal

namespace ct {

Device device_of_host(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) < 0) {
        throw internal::sys::error(errno, Stage::Devices, "look at the device", path);
    }
    if (!S_ISCHR(status.st_mode) && !S_ISBLK(status.st_mode)) {
        throw internal::sys::error(ENODEV, Stage::Devices, "look at the device", path, "it is another kind of file");
    }
    return {.path = path,
            .type = S_ISBLK(status.st_mode) ? DeviceType::Block : DeviceType::Character,
            .major = ::major(status.st_rdev),
            .minor = ::minor(status.st_rdev),
            .mode = status.st_mode & 07777U,
            .uid = status.st_uid,
            .gid = status.st_gid};
}

} // namespace ct
