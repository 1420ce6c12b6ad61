// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/named.hpp"

#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include <ct/cgroup.hpp>
#include <ct/error.hpp>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "cgroup/parents.hpp"

/// Hierarchies of version 1 that only group processes.
namespace ct::internal {

const Hierarchy* find_named(const Hierarchies& hierarchies, const std::string& name) noexcept {
    const auto& all = hierarchies.all();
    const auto found = std::find_if(all.begin(), all.end(), [&](const Hierarchy& one) {
        return one.version == 1 && one.name.size() == name.size() + 5 && one.name.ends_with(name) &&
               one.name.starts_with("name=");
    });
    return found == all.end() ? nullptr : &*found;
}

void check_hierarchy_name(const std::string& name) {
    // As the kernel has it: see cgroup1_parse_param().
    const auto allowed = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
               c == '-';
    };
    if (!name.empty() && name.size() < 64 && std::all_of(name.begin(), name.end(), allowed)) return;
    throw Error::invalid_config(
        {}, {concat("a cgroup hierarchy cannot be called '", name.c_str(), "': 1 to 63 of A-Z a-z 0-9 . _ -")});
}

const Hierarchy& GroupParents::named(const std::string& name) {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<const Hierarchy>& known = named_[name];
    if (!known) {
        const Hierarchies present = Hierarchies::detect();
        const Hierarchy* const found = find_named(present, name);
        if (found == nullptr) {
            throw Error(Errc::Unsupported, Stage::Cgroup, concat("use the hierarchy '", name, "'"), {},
                        "no cgroup mount in /proc/self/mountinfo has that name: see mount_named_hierarchy()");
        }
        known = std::make_unique<const Hierarchy>(*found);
    }
    return *known;
}

} // namespace ct::internal

namespace ct {

std::string mount_named_hierarchy(const std::string& name, const std::string& directory) {
    internal::check_hierarchy_name(name);
    const internal::Hierarchies present = internal::Hierarchies::detect();
    if (const auto* const known = internal::find_named(present, name)) return known->mount_point;
    const std::string action = internal::concat("mount the hierarchy '", name, "' on");
    const auto& all = present.all();
    if (std::none_of(all.begin(), all.end(), [](const auto& one) { return one.version == 1; })) {
        throw Error(Errc::Unsupported, Stage::Cgroup, action, directory,
                    "no hierarchy of version 1 is in /proc/self/mountinfo: this host uses version 2 alone");
    }
    const bool made = ::mkdir(directory.c_str(), 0700) == 0;
    if (!made && errno != EEXIST) throw internal::sys::error(errno, Stage::Cgroup, action, directory);
    const std::string options = internal::concat("none,name=", name, ",xattr");
    if (::mount("cgroup", directory.c_str(), "cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, options.c_str()) < 0) {
        const int error = errno;
        if (made) ::rmdir(directory.c_str());
        throw internal::sys::error(error, Stage::Cgroup, action, directory,
                                   error == EPERM ? "needs CAP_SYS_ADMIN" : "");
    }
    return directory;
}

} // namespace ct
