// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/mount_trees.hpp"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "config/validate.hpp"
#include "launch/launch.hpp"

namespace ct::internal {

namespace {

constexpr unsigned AtRecursive = 0x8000; // AT_RECURSIVE, from <linux/fcntl.h>, which <fcntl.h> excludes

bool needs_preparation(const Mount& mount) {
    return mount.type.empty() && (mount.id_mapped || mount.propagation == Propagation::Shared);
}

[[noreturn]] void fail(const Mount& mount, std::string_view action, std::string_view hint) {
    const std::string what = concat(action, " '", mount.source, "' on");
    if (errno == ENOSYS) throw Error(Errc::Unsupported, Stage::Mounts, what, mount.target, hint);
    throw sys::error(errno, Stage::Mounts, what, mount.target, hint);
}

UniqueFd copy_tree(const Mount& mount) {
    sys::fault_point(Stage::Mounts, "bind", mount.target);
    const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (mount.recursive ? AtRecursive : 0U);
    UniqueFd tree(static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, mount.source.c_str(), flags)));
    if (tree) return sys::above_stdio(std::move(tree), Stage::Mounts, "duplicate a mount");
    std::string_view hint;
    if (errno == EPERM) hint = "for such a bind the host needs CAP_SYS_ADMIN";
    if (errno == ENOSYS) hint = "such a bind needs Linux 5.2";
    fail(mount, "bind", hint);
}

void set_attributes(const Mount& mount, int tree, int user_namespace) {
    const MountArgs flags = mount_flags(mount);
    mount_attr attributes{};
    attributes.attr_set = flags.attributes;
    if (user_namespace >= 0) attributes.attr_set |= __u64{MOUNT_ATTR_IDMAP};
    attributes.attr_clr = flags.cleared;
    // As binds that the child makes itself, whose namespace is a slave of the host's.
    attributes.propagation = propagation_flag(mount.propagation.value_or(Propagation::Slave));
    if (user_namespace >= 0) attributes.userns_fd = static_cast<__u64>(user_namespace);
    const unsigned at = AT_EMPTY_PATH | (mount.recursive ? AtRecursive : 0U);
    sys::fault_point(Stage::Mounts, "set the attributes of", mount.target);
    if (::syscall(SYS_mount_setattr, tree, "", at, &attributes, sizeof attributes) >= 0) return;
    std::string_view hint;
    if (errno == ENOSYS) hint = "such a bind needs mount_setattr(2), Linux 5.12";
    if (mount.id_mapped && errno == EINVAL) {
        hint = "the file system there, or one mounted below, cannot map ids in this kernel, or maps them already";
    }
    if (mount.id_mapped && errno == EPERM) hint = "mapping ids needs CAP_SYS_ADMIN where the file system was mounted";
    fail(mount, mount.id_mapped ? "map the ids of the bind of" : "set the attributes of the bind of", hint);
}

} // namespace

UniqueFd IdMaps::make(const Spec& maps) {
    UniqueFd fd;
    Plan plan;
    compile_user_namespace(plan, maps, HostFacts::detect(), [&](pid_t child) {
        fd = sys::open(concat("/proc/", child, "/ns/user"), O_RDONLY, Stage::IdMap, "open the user namespace");
    });
    (void)launch({plan, -1, nullptr}, areas_);
    return fd;
}

int IdMaps::find(const Mount& mount) {
    const bool own = mount.uid_map.empty() && mount.gid_map.empty();
    const std::vector<IdRange>& uid_map = own ? spec_.uid_map : mount.uid_map;
    const std::vector<IdRange>& gid_map = own ? spec_.gid_map : mount.gid_map;
    const auto found = std::find_if(known_.begin(), known_.end(), [&](const Known& known) {
        return known.uid_map == uid_map && known.gid_map == gid_map;
    });
    if (found != known_.end()) return found->fd.get();
    UniqueFd fd;
    const auto joined = spec_.namespaces.find(Namespace::User);
    if (own && joined != spec_.namespaces.end() && !makes_namespace(spec_, Namespace::User)) {
        if (const auto* path = std::get_if<NamespacePath>(&joined->second)) {
            fd = sys::open(path->path, O_RDONLY, Stage::IdMap, "open the user namespace");
        } else {
            fd = sys::duplicate(std::get<NamespaceFd>(joined->second).fd, Stage::IdMap, "duplicate a user namespace");
        }
    } else {
        Spec maps;
        maps.namespaces[Namespace::User] = NewNamespace{};
        maps.uid_map = uid_map;
        maps.gid_map = gid_map;
        fd = make(maps);
    }
    known_.push_back({uid_map, gid_map, std::move(fd)});
    return known_.back().fd.get();
}

UniqueFd prepare_tree(const Mount& mount, IdMaps& maps) {
    UniqueFd tree = copy_tree(mount);
    set_attributes(mount, tree.get(), mount.id_mapped ? maps.find(mount) : -1);
    return tree;
}

void lend_trees(Streams& streams, const Spec& spec, AreaPool& areas) {
    if (std::none_of(spec.mounts.begin(), spec.mounts.end(), needs_preparation)) return;
    IdMaps maps(spec, areas);
    MountKeys keys;
    for (const Mount& mount : spec.mounts) {
        MountKey key = keys.next(mount.target);
        if (needs_preparation(mount)) streams.lend_tree(std::move(key), prepare_tree(mount, maps));
    }
}

} // namespace ct::internal
