// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/delegation.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/concat.hpp"
#include "base/sys.hpp"

namespace ct::internal {

namespace {

std::string text_of(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::uint32_t outside_root(pid_t pid, std::string_view file) {
    const std::string path = concat("/proc/", pid, "/", file);
    const auto id = outside_of_root(text_of(path));
    if (id) return *id;
    throw Error(Errc::InvalidConfig, Stage::Cgroup, "find in its user namespace the owner for its cgroups", path,
                "a writable cgroup mount needs a user and a group 0 inside");
}

/// \param file  "" for the directory
void change_owner(const Group& group, const std::string& file, const RootIds& owner) {
    const std::string path = file.empty() ? group.path : concat(group.path, "/", file);
    sys::fault_point(Stage::Cgroup, "change the owner of", path);
    const int flags = AT_SYMLINK_NOFOLLOW | (file.empty() ? AT_EMPTY_PATH : 0);
    if (::fchownat(group.directory.get(), file.c_str(), owner.uid, owner.gid, flags) == 0) return;
    // Which files there are depends on the kernel, and on the controllers that the group has.
    if (errno == ENOENT && !file.empty()) return;
    throw sys::error(errno, Stage::Cgroup, "change the owner of", path,
                     errno == EPERM ? "only a host with CAP_CHOWN can delegate to other users than itself" : "");
}

} // namespace

std::optional<std::uint32_t> outside_of_root(std::string_view map) {
    std::istringstream lines{std::string(map)};
    std::uint32_t inside = 0;
    std::uint32_t outside = 0;
    std::uint32_t count = 0;
    while (lines >> inside >> outside >> count) {
        if (inside == 0 && count > 0) return outside;
    }
    return std::nullopt;
}

RootIds root_of(pid_t pid) {
    return {outside_root(pid, "uid_map"), outside_root(pid, "gid_map")};
}

std::vector<std::string> delegated_files(int version, std::string_view delegate) {
    if (version == 1) return {"cgroup.procs", "tasks"};
    std::vector<std::string> files{"cgroup.procs", "cgroup.threads", "cgroup.subtree_control"};
    std::istringstream names{std::string(delegate)};
    for (std::string name; names >> name;) {
        const bool plain = name.find('/') == std::string::npos && name.front() != '.';
        if (plain && std::find(files.begin(), files.end(), name) == files.end()) files.push_back(std::move(name));
    }
    return files;
}

void delegate_groups(const Groups& groups, const RootIds& owner) {
    for (const Group& group : groups.all()) {
        const int version = group.hierarchy->version;
        const std::string names = version == 2 ? text_of("/sys/kernel/cgroup/delegate") : "";
        change_owner(group, "", owner);
        for (const std::string& file : delegated_files(version, names)) change_owner(group, file, owner);
    }
}

} // namespace ct::internal
