// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <string>

#include <ct/error.hpp>

#include "base/concat.hpp"
#include "cgroup/controllers.hpp"
#include "cgroup/parents.hpp"
#include "features/features.hpp"
#include "systemd/bus.hpp"
#include "systemd/scope.hpp"

namespace ct::internal {

namespace {

bool exists(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

void add_layout(Features& features, const Hierarchies& hierarchies) {
    const auto& all = hierarchies.all();
    const bool old = std::any_of(all.begin(), all.end(), [](const auto& hierarchy) { return hierarchy.version == 1; });
    const Hierarchy* const unified = hierarchies.unified();
    std::string layout;
    if (old) layout = unified == nullptr ? "version 1" : concat("versions 1 and 2, this at ", unified->mount_point);
    if (!old && unified != nullptr) layout = concat("version 2 at ", unified->mount_point);
    add_feature(features, "cgroup", layout.empty() ? ENOENT : 0, "mount -t cgroup2 none /sys/fs/cgroup",
                layout.empty() ? "no hierarchy is mounted" : layout);
}

/// Where a group of the session's would be; if nowhere, why.
struct Place {
    std::string path;
    std::string reason;
    std::string remedy;
};

/// The nearest directory above that is there.
std::string present_part(std::string path) {
    while (path.size() > 1 && !exists(path)) path.resize(std::max<std::size_t>(path.rfind('/'), 1));
    return path;
}

Place place_in(const GroupParents& parents, const Hierarchy& hierarchy) {
    Place place;
    try {
        place.path = parents.path(hierarchy);
        if (::faccessat(AT_FDCWD, present_part(place.path).c_str(), W_OK, AT_EACCESS) == 0) return place;
        place.reason = concat("no groups can be made at ", place.path);
    } catch (const Error& error) {
        place.reason = concat(hierarchy.mount_point, ": ", error.hint());
    }
    place.remedy = hierarchy.writable
                       ? "run as root, or in a group that is delegated to this user: systemd-run --user --scope "
                         "--property=Delegate=yes"
                       : concat("mount -o remount,rw ", hierarchy.mount_point);
    return place;
}

bool lists(const std::string& file, Controller controller) {
    std::ifstream names(file);
    for (std::string name; names >> name;) {
        if (name == to_string(controller)) return true;
    }
    return false;
}

/// Adds to \p place why groups there cannot have that controller of version 2.
void check_handed_down(Place& place, const Hierarchy& hierarchy, Controller controller) {
    if (hierarchy.version == 1 || is_implicit(controller) || !place.reason.empty()) return;
    const std::string there = present_part(place.path);
    if (lists(there + "/cgroup.subtree_control", controller)) return;
    if (!lists(there + "/cgroup.controllers", controller)) {
        // Of a parent directory that this process may change it can be had.
        if (there != hierarchy.mount_point && ::geteuid() == 0) return;
        place.reason = concat(there, "/cgroup.controllers does not list it");
        place.remedy = "have it delegated, by Delegate= of the systemd unit above";
    } else if (exists(there + "/cgroup.type") && !first_line(there + "/cgroup.procs").empty()) {
        place.reason = concat(there, " has processes of its own, and so cannot hand it down");
        place.remedy = "move these into a group below, or choose another cgroup parent";
    }
}

void add_controllers(Features& features, const GroupParents& parents) {
    const Hierarchies& hierarchies = parents.hierarchies();
    for (const Controller controller : AllControllers) {
        const std::string name = concat("cgroup.", to_string(controller));
        const Hierarchy* const hierarchy = hierarchies.find(controller);
        if (hierarchy == nullptr) {
            add_feature(features, name, ENOENT, hierarchies.remedy(controller), hierarchies.missing(controller));
            continue;
        }
        Place place = place_in(parents, *hierarchy);
        check_handed_down(place, *hierarchy, controller);
        if (place.reason.empty()) {
            add_feature(features, name, 0, {}, concat("version ", hierarchy->version, " at ", place.path));
        } else {
            add_feature(features, name, EACCES, place.remedy, place.reason);
        }
    }
}

/// What a group of version 2 has. Only a new one tells, since the root has less.
void add_group_files(Features& features, const GroupParents& parents) {
    const Hierarchy* const unified = parents.hierarchies().unified();
    const Hierarchy* const freezer = parents.hierarchies().find(Controller::Freezer);
    Place place = unified != nullptr ? place_in(parents, *unified)
                                     : Place{{}, "version 2 is not mounted", "mount -t cgroup2 none /sys/fs/cgroup"};
    bool kill = false;
    bool freeze = false;
    if (place.reason.empty()) {
        const std::string group = concat(present_part(place.path), "/libct-check-", ::getpid());
        if (::mkdir(group.c_str(), 0755) == 0) {
            kill = exists(group + "/cgroup.kill");
            freeze = exists(group + "/cgroup.freeze");
            ::rmdir(group.c_str());
        } else {
            place.reason = concat("cannot make ", group);
            place.remedy = "see cgroup.max.descendants there";
        }
    }
    const bool usable = place.reason.empty();
    add_feature(features, "cgroup.delegation", usable ? 0 : EACCES, place.remedy, usable ? place.path : place.reason);
    add_feature(features, "cgroup.kill", kill ? 0 : ENOENT, usable ? "Linux 5.14" : place.remedy,
                kill     ? ""
                : usable ? "groups have no file of that name; they are frozen and killed one by one"
                         : place.reason);
    if (freeze || freezer == nullptr || freezer->version == 2) {
        add_feature(features, "cgroup.freeze", freeze ? 0 : ENOENT, usable ? "Linux 5.2" : place.remedy,
                    freeze ? "version 2" : place.reason);
    } else {
        const Place old = place_in(parents, *freezer);
        add_feature(features, "cgroup.freeze", old.reason.empty() ? 0 : EACCES, old.remedy,
                    old.reason.empty() ? "version 1" : old.reason);
    }
}

void add_systemd(Features& features, const Hierarchies& hierarchies) {
    const auto add = [&](int error, std::string remedy, std::string detail) {
        add_feature(features, "cgroup.systemd", error, std::move(remedy), std::move(detail));
    };
    try {
        check_scopes(hierarchies, {});
        add(0, {}, SystemdBus().version());
    } catch (const Error& error) {
        add(ENOTSUP, "boot with systemd and cgroup version 2 alone, and start dbus", error.what());
    }
}

} // namespace

void add_cgroup_features(Features& features, const GroupParents& parents) {
    add_layout(features, parents.hierarchies());
    add_controllers(features, parents);
    add_group_files(features, parents);
    add_systemd(features, parents.hierarchies());
    // With psi=0 the file is there, and cannot be opened.
    const bool pressure = !first_line("/proc/pressure/memory").empty();
    add_feature(features, "cgroup.pressure", pressure ? 0 : ENOENT, "boot with psi=1",
                pressure ? "" : "the kernel keeps no pressure stall information");
}

} // namespace ct::internal
