// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "systemd/scope.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>

#include "base/concat.hpp"
#include "base/rollback.hpp"
#include "base/sys.hpp"
#include "cgroup/control_file.hpp"
#include "cgroup/controllers.hpp"
#include "cgroup/parents.hpp"
#include "cgroup/removal.hpp"
#include "systemd/bus.hpp"

namespace ct::internal {

std::string scope_of(const std::string& container) {
    return concat("libct-", container, ".scope");
}

bool is_in_scope(const Groups& groups, const std::string& container) {
    const Group* const group = groups.unified();
    if (group == nullptr || !group->parent) return false;
    const std::string& path = group->parent->path;
    return path.substr(path.rfind('/') + 1) == scope_of(container);
}

void check_scopes(const Hierarchies& hierarchies, const Cgroup& cgroup) {
    const auto unsupported = [](std::string_view hint) {
        return Error(Errc::Unsupported, Stage::Cgroup, "make a scope of systemd", {}, hint);
    };
    for (const Hierarchy& hierarchy : hierarchies.all()) {
        if (hierarchy.version == 2) continue;
        throw unsupported(concat(
            "it needs cgroup version 2 alone, since systemd delegates no controllers of version 1: ", hierarchy.name,
            " is at ", hierarchy.mount_point));
    }
    const Hierarchy* const unified = hierarchies.unified();
    if (unified == nullptr) throw unsupported("cgroup version 2 is not mounted");
    if (cgroup.mount != CgroupMount::None)
        throw unsupported(
            "what a container sees of its groups has to be there before it is born: use CgroupManager::Cgroupfs");
    for (const Controller controller : needed_controllers(cgroup)) {
        if (unified->has(controller)) continue;
        throw Error(Errc::Unsupported, Stage::Cgroup, concat("use the ", to_string(controller), " controller"), {},
                    hierarchies.missing(controller));
    }
}

namespace {

std::shared_ptr<Group> open_scope(const Hierarchy& hierarchy, const std::string& unit, pid_t process) {
    auto scope = std::make_shared<Group>();
    scope->hierarchy = &hierarchy;
    scope->path = directory_of(process, hierarchy).value_or("");
    if (scope->path.substr(scope->path.rfind('/') + 1) != unit) {
        throw sys::error(ENOENT, Stage::Cgroup, "find the group of the scope", unit,
                         "systemd has put the process elsewhere, or where this cgroup namespace does not see it");
    }
    scope->directory =
        sys::open(scope->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, Stage::Cgroup, "open the group of the scope");
    return scope;
}

} // namespace

Groups make_scope(const Hierarchies& hierarchies, const std::string& container, pid_t process, const Cgroup& cgroup,
                  const SessionOptions& options, std::shared_ptr<const GroupMark> mark) {
    const Hierarchy& hierarchy = *hierarchies.unified();
    SystemdBus systemd;
    const std::string unit = scope_of(container);
    systemd.start_scope({unit, concat("libct container ", container), options.cgroup_parent.value_or(""), process,
                         options.systemd_properties});
    Rollback undo;
    undo.add([&] {
        try {
            systemd.stop_scope(unit);
        } catch (const std::exception&) { // its process is killed next, and an empty scope goes by itself
        }
    });
    sys::fault_point(Stage::Cgroup, "open the group of the scope", unit);
    std::shared_ptr<const Group> scope = open_scope(hierarchy, unit, process);
    std::vector<Group> groups;
    Group& group = groups.emplace_back(Group{&hierarchy, concat(scope->path, "/", container), {}, scope, container});
    sys::fault_point(Stage::Cgroup, "make the cgroup", group.path);
    if (::mkdirat(scope->directory.get(), container.c_str(), 0755) != 0)
        throw sys::error(errno, Stage::Cgroup, "make the cgroup", group.path);
    undo.add([&] { (void)remove_tree(scope->directory.get(), container); });
    group.directory = sys::open(group.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, Stage::Cgroup, "open the cgroup");
    mark->put_on(group.directory.get());
    sys::fault_point(Stage::Cgroup, "move the process into", group.path);
    write_control(group, "cgroup.procs", concat(process));
    // Now that the scope has no processes of its own.
    enable_controllers(*scope, needed_controllers(cgroup));
    undo.dismiss();
    return Groups(std::move(groups), std::move(mark));
}

void check_slice(const std::string& slice) {
    constexpr std::string_view suffix = ".slice";
    constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.\\-";
    const auto reject = [&](std::string_view why) {
        throw Error::invalid_config("open a session", {concat("the slice '", slice, "' ", why)});
    };
    if (slice.size() > 255 || slice.size() <= suffix.size() || slice.substr(slice.size() - suffix.size()) != suffix)
        reject("is no name that ends with .slice");
    if (slice.find_first_not_of(allowed) != std::string::npos) reject("has a character that unit names cannot have");
}

} // namespace ct::internal
