// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <ct/namespaces.hpp>
#include <ct/private_area.hpp>

namespace ct {

/// The container's root directory.
///
/// With a new mount namespace the root is changed by pivot_root(2), and nothing of the host stays reachable; without
/// one by chroot(2), which is no barrier against a privileged process.
struct Root {
    std::string path = {};  ///< A directory of the host; symbolic links in it are followed.
    bool read_only = false; ///< Make the root's mount read-only once everything is mounted. Needs Namespace::Mount.
    bool operator==(const Root&) const = default;
};

/// One mount inside the container. Needs Namespace::Mount.
///
/// Either a bind (`type` is empty: `source` is a file or directory of the host) or a file system of its own
/// (`type` is "tmpfs", "proc", "ext4", ...). The target is resolved inside the root: no symbolic link leads out of it.
/// What is missing of the target is created: directories with mode 0755, or an empty file for the bind of a file;
/// such mount points stay in the root directory, and are removed again only when the start fails.
struct Mount {
    std::string source = {}; ///< Bind: host path. Else the source as mount(8) shows it, such as a block device.
    std::string target = {}; ///< Absolute path inside the root, without "..".
    std::string type = {};   ///< File system type; empty for a bind.
    std::vector<std::string> options = {}; ///< Options of the file system, each "key" or "key=value". Not for binds.
    bool recursive = false; ///< Bind: take along what is mounted below `source`; flags apply to all of it.
    bool read_only = false;
    bool no_suid = false;
    bool no_dev = false;
    bool no_exec = false;
    bool operator==(const Mount&) const = default;
};

/// Everything that a container is, apart from the process that runs in it. Plain data: copy it, compare it, keep it.
/// Every field left out means "as the host process has it".
struct Spec {
    std::map<Namespace, NamespaceSource> namespaces = {};
    std::vector<IdRange> uid_map = {}; ///< Needs a new user namespace, as gid_map does.
    std::vector<IdRange> gid_map = {};
    SetGroups setgroups = SetGroups::Auto;
    std::string hostname = {};   ///< Needs a new or joined Namespace::Uts, as domainname does.
    std::string domainname = {}; ///< The NIS domain name; see uname(2).
    TimeOffsets time_offsets = {}; ///< Need a new time namespace.
    /// Kernel parameters below /proc/sys, by name in either notation of sysctl(8): "net.ipv4.ip_forward" or
    /// "net/ipv4/ip_forward". Only those of a namespace that the container makes or joins: net.*, fs.mqueue.*, the
    /// kernel.* ones of System V IPC and uts, user.*.
    std::map<std::string, std::string> sysctls = {};
    std::optional<Root> root = {};
    std::optional<PrivateArea> private_area = {}; ///< Needs a root.
    std::vector<Mount> mounts = {};           ///< In this order; after the default ones.
    bool default_mounts = false;              ///< See Container::add_default_mounts().
    bool default_devices = false;             ///< See Container::add_default_devices().

    bool operator==(const Spec&) const = default;
};

} // namespace ct
