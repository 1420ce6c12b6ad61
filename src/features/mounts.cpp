// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "features/features.hpp"

namespace ct::internal {

namespace {

constexpr int Nowhere = -1; ///< A descriptor that is none.

bool may_mount() {
    return (sys::effective_capabilities() >> CAP_SYS_ADMIN & 1U) != 0;
}

/// \returns ENOSYS if the kernel (or a filter) does not know the call, EPERM if a filter forbids it; else 0: called
/// with nonsense it fails for that, or for want of a privilege that the container will have
int known(long result) {
    if (result >= 0 || (errno == EPERM && !may_mount())) return 0;
    return errno == ENOSYS || errno == EPERM ? errno : 0;
}

bool listed_file_system(const std::string& name) {
    std::ifstream file("/proc/filesystems");
    for (std::string line; std::getline(file, line);) {
        if (line.ends_with('\t' + name)) return true;
    }
    return false;
}

/// Whether a module could bring it.
bool has_module(const std::string& name) {
    utsname kernel{};
    ::uname(&kernel);
    std::ifstream file(concat("/lib/modules/", kernel.release, "/modules.dep"));
    for (std::string line; std::getline(file, line);) {
        if (line.find('/' + name + ".ko") < line.find(':')) return true;
    }
    return false;
}

void add_file_system(Features& features, const std::string& name) {
    const bool loaded = listed_file_system(name);
    const bool module = !loaded && has_module(name);
    add_feature(features, "filesystem." + name, loaded || module ? 0 : ENODEV,
                concat("a kernel with this file system, or modprobe ", name),
                module   ? "the kernel loads its module on first use"
                : loaded ? ""
                         : "this kernel does not have it");
}

/// A system call of the new mount API.
struct MountCall {
    const char* name;
    const char* kernel; ///< That brought it.
    int error;
};

} // namespace

void add_mount_features(Features& features) {
    mount_attr attributes{};
    const std::array calls{
        MountCall{"mount.open_tree", "5.2", known(::syscall(SYS_open_tree, Nowhere, "", OPEN_TREE_CLOEXEC))},
        MountCall{"mount.move_mount", "5.2", known(::syscall(SYS_move_mount, Nowhere, "", Nowhere, "", 0))},
        MountCall{"mount.fsopen", "5.2", known(::syscall(SYS_fsopen, "no such file system", FSOPEN_CLOEXEC))},
        MountCall{"mount.mount_setattr", "5.12",
                  known(::syscall(SYS_mount_setattr, Nowhere, "", 0, &attributes, sizeof attributes))},
    };
    const std::string detail = may_mount() ? "" : "in a user namespace of the container's own";
    for (const MountCall& call : calls) {
        add_feature(features, call.name, call.error,
                    concat("Linux ", call.kernel, ", and a filter of system calls that allows it"),
                    call.error == 0 ? detail : "");
    }
    const bool attributes_known = calls.back().error == 0;
    add_feature(features, "mount.idmapped",
                !attributes_known ? ENOSYS
                : !may_mount()    ? EPERM
                                  : 0,
                attributes_known ? "run as root" : "Linux 5.12",
                attributes_known && may_mount() ? "where the file system of the source can do it" : "");
    for (const char* name : {"overlay", "tmpfs", "ext4", "squashfs", "erofs"}) add_file_system(features, name);
    const bool loop = ::access("/dev/loop-control", R_OK | W_OK) == 0;
    add_feature(features, "device.loop", loop ? 0 : errno, "run as root; modprobe loop");
}

} // namespace ct::internal
