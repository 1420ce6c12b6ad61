// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <ct/export.hpp>
#include <ct/limits.hpp>

namespace ct {

/// What cgroups can control; see cgroups(7). Each is used where this host has it: in a hierarchy of version 1, or in
/// that of version 2.
enum class Controller : std::uint8_t {
    Cpu,
    Cpuacct, ///< Version 2 always accounts CPU time.
    Cpuset,
    Memory,
    Pids,
    Io,      ///< Called blkio by version 1.
    Devices, ///< Version 2 has an eBPF program in its place.
    Freezer, ///< Version 2 can always freeze.
    Hugetlb,
    NetCls, ///< Version 1 only, as NetPrio.
    NetPrio,
    PerfEvent,
    Rdma,
    Misc,
};

/// The name that the kernel has for it: "cpu", "net_cls", ...; "io" for Controller::Io.
[[nodiscard]] CT_EXPORT std::string_view to_string(Controller controller) noexcept;

/// A control file and what is written to it.
struct ControllerValue {
    Controller controller = Controller::Cpu;
    std::string file = {}; ///< As the kernel of this host calls it, such as "memory.max".
    std::string value = {};
    bool operator==(const ControllerValue&) const = default;
};

/// How the container sees its own groups, and nothing above or beside them, at /sys/fs/cgroup: on a host of version 2
/// its group is mounted there, on others a tmpfs with a directory for each of its groups, called and linked as usual
/// ("memory", "cpu,cpuacct", "unified"). Without a new cgroup namespace its paths in /proc/PID/cgroup are the host's.
/// With the default mounts a root is needed.
enum class CgroupMount : std::uint8_t {
    None,
    ReadOnly,
    /// It may make groups below its own, move its processes to them and, on version 2, enable controllers for them
    /// once it has moved out of its own group. One of two is needed, lest it changes its own limits: a user namespace
    /// (whose root is another user than the host process) on all hosts, or a new cgroup namespace if version 2 is
    /// mounted with `nsdelegate`: on version 1, or without that option, root can write to all files of its groups.
    Writable,
};

/// Who makes the groups of containers.
enum class CgroupManager : std::uint8_t {
    Cgroupfs, ///< libct, in the file system.
    Systemd,  ///< systemd, as a transient scope; see systemd.scope(5).
};

/// The cgroups of a container: of each hierarchy that it needs a group that has its name.
///
/// A container without any of this has no groups, and is where the host process is. One that has them loses all its
/// processes when its first one ends, and its groups, with those that it has made below, are removed then.
struct Cgroup {
    /// A group of its own even if nothing else asks for it: that makes kill() exact, and freeze() possible, without
    /// a pid namespace.
    bool own_group = false;
    std::vector<Controller> controllers = {};
    /// Hierarchies of version 1 without controllers, by name, in which it has a group, too: see
    /// mount_named_hierarchy().
    std::vector<std::string> named_hierarchies = {};
    Limits limits = {};
    std::vector<ControllerValue> values = {}; ///< Written in this order, after `limits`.
    /// A group of the container's name that is there and is none of libct's is used, and removed at the end, rather
    /// than an error; but not if there are processes in it.
    bool use_existing = false;
    /// Apply limits and values once the container is set up, so that its set-up is neither charged nor hindered.
    bool limits_after_set_up = false;
    bool born_frozen = false; ///< start() leaves it State::Paused: not one instruction of its program has run.
    CgroupMount mount = CgroupMount::None; ///< Needs a new Namespace::Mount. After all other mounts.
    bool operator==(const Cgroup&) const = default;
};

/// Makes sure that this host has the hierarchy of version 1 that is called \p name and has no controllers: mounts it
/// at \p directory unless it is mounted anywhere. It stays mounted. Needs CAP_SYS_ADMIN.
/// \returns where it is mounted
/// \throws Error with Stage::Cgroup: Errc::Unsupported if this host does not use version 1 at all
CT_EXPORT std::string mount_named_hierarchy(const std::string& name, const std::string& directory);

} // namespace ct
