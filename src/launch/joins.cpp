// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/joins.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "config/sysctls.hpp"
#include "plan/namespace_flags.hpp"

namespace ct::internal {

namespace {

std::string action(Namespace kind) {
    return concat("join ", to_string(kind), " namespace");
}

bool is_namespace_file(int fd) {
    struct statfs status {};
    return ::fstatfs(fd, &status) == 0 && status.f_type == NSFS_MAGIC;
}

void check_kind(Namespace kind, int fd, const std::string& name) {
    const auto reject = [&](std::string_view hint) {
        return sys::error(EINVAL, Stage::Namespaces, action(kind), name, hint);
    };
    if (!is_namespace_file(fd)) throw reject("it is no namespace");
    const int type = ::ioctl(fd, NS_GET_NSTYPE);
    if (type >= 0 && static_cast<std::uint64_t>(static_cast<unsigned>(type)) != namespace_flag(kind)) {
        throw reject("it is a namespace of another kind");
    }
}

/// Whether the user namespace that owns the namespace \p fd is \p user or one below it.
bool owned_below(int fd, int user) {
    UniqueFd owner(::ioctl(fd, NS_GET_USERNS));
    while (owner && !same_namespace(owner.get(), user)) owner.reset(::ioctl(owner.get(), NS_GET_PARENT));
    return static_cast<bool>(owner);
}

/// A sysctl of a joined namespace that is the host's after all would change the host.
void check_sysctls(const Spec& spec, Namespace kind, int fd) {
    for (const auto& [name, value] : spec.sysctls) {
        if (sysctl_namespace(sysctl_path(name)) != kind) continue;
        const UniqueFd own(::open(concat("/proc/thread-self/ns/", to_string(kind)).c_str(), O_RDONLY | O_CLOEXEC));
        if (!own || !same_namespace(own.get(), fd)) continue;
        throw Error::invalid_config("start", {concat("sysctl '", name, "' would change the host: the joined ",
                                                     to_string(kind), " namespace is the host's own")});
    }
}

} // namespace

bool same_namespace(int a, int b) noexcept {
    struct stat first {};
    struct stat second {};
    return ::fstat(a, &first) == 0 && ::fstat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

UniqueFd open_namespace_file(Namespace kind, const std::string& path) {
    const UniqueFd place = sys::open(path, O_PATH, Stage::Namespaces, action(kind));
    if (!is_namespace_file(place.get())) {
        throw sys::error(EINVAL, Stage::Namespaces, action(kind), path, "it is no namespace");
    }
    const int fd = ::open(concat("/proc/self/fd/", place.get()).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) throw sys::error(errno, Stage::Namespaces, action(kind), path);
    return sys::above_stdio(UniqueFd(fd), Stage::Namespaces, action(kind));
}

UniqueFd open_namespace_of(Namespace kind, pid_t pid, int pidfd) {
    const std::string path = concat("/proc/", pid, "/ns/", to_string(kind));
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const int error = errno;
    // What was opened belongs to this process only if it is still there.
    if (::syscall(SYS_pidfd_send_signal, pidfd, 0, nullptr, 0) < 0 && errno == ESRCH) {
        throw sys::error(ESRCH, Stage::Namespaces, "open", path);
    }
    if (!fd) throw sys::error(error == ENOENT ? ESRCH : error, Stage::Namespaces, "open", path);
    return sys::above_stdio(std::move(fd), Stage::Namespaces, "open");
}

Joins::Joins(const Spec& spec, const OfContainer& of_container) {
    for (const auto& [kind, source] : spec.namespaces) {
        if (const auto* path = std::get_if<NamespacePath>(&source)) {
            add(kind, open_namespace_file(kind, path->path), path->path);
        } else if (const auto* fd = std::get_if<NamespaceFd>(&source)) {
            list_.push_back({kind, fd->fd, concat("fd ", fd->fd)});
        } else if (const auto* other = std::get_if<NamespaceOf>(&source)) {
            add(kind, of_container(kind, other->container), concat("container ", other->container));
        } else {
            continue;
        }
        check_kind(kind, list_.back().fd, list_.back().name);
        if (!spec.sysctls.empty()) check_sysctls(spec, kind, list_.back().fd);
    }
    put_in_order();
}

void Joins::add(Namespace kind, UniqueFd fd, std::string name) {
    list_.push_back({kind, fd.get(), std::move(name)});
    owned_.push_back(std::move(fd));
}

/// What the joined user namespace owns comes after it, since joining it may be what brings the privilege; all else
/// before it, since it takes the privilege away. The mount namespace is the last of its part: after it the root is
/// another one.
void Joins::put_in_order() {
    if (list_.size() < 2) return;
    const int user = find(Namespace::User);
    const auto rank = [user](const NamespaceJoin& join) {
        if (join.kind == Namespace::User) return 2;
        const bool after = user >= 0 && owned_below(join.fd, user);
        return (after ? 3 : 0) + (join.kind == Namespace::Mount ? 1 : 0);
    };
    std::vector<std::pair<int, NamespaceJoin>> ranked;
    ranked.reserve(list_.size());
    for (NamespaceJoin& join : list_) {
        const int place = rank(join);
        ranked.emplace_back(place, std::move(join));
    }
    std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (std::size_t i = 0; i < ranked.size(); ++i) list_[i] = std::move(ranked[i].second);
}

int Joins::find(Namespace kind) const noexcept {
    const auto found =
        std::find_if(list_.begin(), list_.end(), [&](const NamespaceJoin& join) { return join.kind == kind; });
    return found == list_.end() ? -1 : found->fd;
}

} // namespace ct::internal
