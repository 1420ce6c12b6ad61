// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <ct/cgroup.hpp>
#include <ct/export.hpp>
#include <ct/hooks.hpp>
#include <ct/namespaces.hpp>
#include <ct/network.hpp>
#include <ct/private_area.hpp>

namespace ct {

/// How mounting and unmounting below a mount spreads to other mount namespaces; see mount_namespaces(7).
enum class Propagation : std::uint8_t {
    Private,    ///< Not at all.
    Slave,      ///< What the host mounts there appears inside; nothing goes out.
    Shared,     ///< In both directions; weakens isolation.
    Unbindable, ///< Private, and cannot be bound elsewhere.
};

/// When reading a file changes its access time.
enum class AccessTime : std::uint8_t {
    Default,  ///< Binds: as on the host. File systems: Relative.
    Relative, ///< When it is older than the last change, or a day old.
    Strict,   ///< Always.
    Never,
};

/// The container's root directory.
///
/// With a new mount namespace the root is changed by pivot_root(2), and nothing of the host stays reachable; without
/// one by chroot(2), which is no barrier against a privileged process.
struct Root {
    std::string path = {};  ///< A directory of the host; symbolic links in it are followed.
    bool read_only = false; ///< Make the root's mount read-only once everything is mounted. Needs Namespace::Mount.
    /// Default: Slave. Private and Unbindable also hold for what the host has mounted below the directory. Shared is
    /// set for the root's own mount in the end: it shares with namespaces that are made inside, never with the host.
    /// Needs Namespace::Mount.
    std::optional<Propagation> propagation = {};
    /// Only without a mount namespace: mounts and devices are made in the host's own, below the root directory, where
    /// everybody sees them until the end of the container. Devices stay, and so do the mounts if the host process is
    /// killed. The root cannot be "/" then.
    bool host_mounts = false;
    bool operator==(const Root&) const = default;
};

/// One mount inside the container. Needs Namespace::Mount, or Root::host_mounts.
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
    bool no_symlinks = false; ///< Symbolic links in it are there, but not followed. Linux 5.10.
    AccessTime access_time = AccessTime::Default;
    bool no_directory_access_time = false; ///< Reading a directory does not change its access time.
    /// Default: binds are Slave, file systems Private. The Shared bind of a directory on a shared mount of the host
    /// lets what is mounted below it inside appear on the host. With `recursive` for all that is mounted below, too.
    std::optional<Propagation> propagation = {};
    /// A tmpfs that starts with a copy of what its target holds: files, directories, links and nodes with modes,
    /// owners, times and extended attributes. Owners that the user namespace does not know become its root.
    bool copy_up = false;
    /// A bind whose files have other owners inside: the id `inside` of a range on disk shows as `outside` of the host.
    /// Empty maps are those of the container's own user namespace, so that user 0 on disk is user 0 inside. Needs
    /// CAP_SYS_ADMIN, Linux 5.12 and a file system that can do it.
    bool id_mapped = false;
    std::vector<IdRange> uid_map = {};
    std::vector<IdRange> gid_map = {};
    /// On top of another mount of the specification that has the same target, which is an error otherwise.
    bool stacked = false;
    bool operator==(const Mount&) const = default;
};

enum class DeviceType : std::uint8_t { Character, Block, Fifo };

/// A device node of the container. Needs Namespace::Mount, or Root::host_mounts. A node of the same name and number in
/// the image will do; any other file of that name is an error unless it may be replaced.
///
/// Within a user namespace, where the kernel refuses mknod(2), the host's node is bound: the one of the same path, or
/// in /dev/char or /dev/block; it keeps the mode and owner that it has there. A fifo has no numbers and is made.
struct Device {
    std::string path = {}; ///< Absolute path inside the root, without "..". What is missing of it is created.
    DeviceType type = DeviceType::Character;
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    std::uint32_t mode = 0666; ///< Permissions; independent of the umask.
    std::uint32_t uid = 0;     ///< Ids inside.
    std::uint32_t gid = 0;
    bool replace = false; ///< What has that name, unless it is a directory, is removed first; also if the start fails.
    bool operator==(const Device&) const = default;
};

/// The device whose node is \p path on this host, with mode and owner.
/// \throws Error with Stage::Devices if there is none
[[nodiscard]] CT_EXPORT Device device_of_host(const std::string& path);

/// The /proc of the default mounts.
enum class ProcMode : std::uint8_t {
    New,      ///< A fresh one, which shows the processes of the container's pid namespace.
    BindHost, ///< The host's, with all that is mounted below it; shows the host's processes, weakens isolation.
};

/// Everything that a container is, apart from the process that runs in it. Plain data: copy it, compare it, keep it.
/// Every field left out means "as the host process has it".
struct Spec {
    std::map<Namespace, NamespaceSource> namespaces = {};
    std::vector<IdRange> uid_map = {}; ///< Needs a new user namespace, as gid_map does.
    std::vector<IdRange> gid_map = {};
    SetGroups setgroups = SetGroups::Auto;
    std::string hostname = {};     ///< Needs a new or joined Namespace::Uts, as domainname does.
    std::string domainname = {};   ///< The NIS domain name; see uname(2).
    TimeOffsets time_offsets = {}; ///< Need a new time namespace.
    /// Kernel parameters below /proc/sys, by name in either notation of sysctl(8): "net.ipv4.ip_forward" or
    /// "net/ipv4/ip_forward". Only those of a namespace that the container makes or joins: net.*, fs.mqueue.*, the
    /// kernel.* ones of System V IPC and uts, user.*.
    std::map<std::string, std::string> sysctls = {};
    std::optional<Root> root = {};
    std::optional<PrivateArea> private_area = {}; ///< Needs a root.
    std::vector<Mount> mounts = {};               ///< In this order; after the default ones.
    bool default_mounts = false;                  ///< See Container::add_default_mounts().
    bool default_devices = false;                 ///< See Container::add_default_devices().
    ProcMode proc_mode = ProcMode::New;           ///< Of the default mounts.
    std::vector<Device> devices = {};             ///< After the default ones.
    /// Absolute paths inside the root that cannot be read: files become /dev/null, directories empty and read-only.
    /// Needs Namespace::Mount. Missing ones are skipped. Applied, after read_only_paths, once everything is mounted.
    std::vector<std::string> masked_paths = {};
    std::vector<std::string> read_only_paths = {}; ///< The same, but read-only with all that is mounted below.
    Cgroup cgroup = {};
    Network network = {};
    std::vector<Hook> hooks = {};                        ///< Those of one point run in this order.
    std::map<std::string, std::string> annotations = {}; ///< For the hooks to read; libct makes nothing of them.

    bool operator==(const Spec&) const = default;
};

/// Adds the masked and read-only paths of Container::add_default_masks(), those that are not there yet.
CT_EXPORT void add_default_masks(Spec& spec);

} // namespace ct
