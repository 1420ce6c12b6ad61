// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/parents.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <sstream>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "cgroup/control_file.hpp"
#include "cgroup/controllers.hpp"
#include "state/process_id.hpp"

namespace ct::internal {

namespace {

bool is_ours(const std::string& directory, const Hierarchy& hierarchy) {
    const auto writable = [&](std::string_view file) {
        return ::faccessat(AT_FDCWD, concat(directory, "/", file).c_str(), W_OK, AT_EACCESS) == 0;
    };
    return ::faccessat(AT_FDCWD, directory.c_str(), W_OK, AT_EACCESS) == 0 && writable("cgroup.procs") &&
           (hierarchy.version == 1 || writable("cgroup.subtree_control"));
}

/// Where an ordinary user may make groups: the topmost group above this process that is writable.
std::string delegated(const Hierarchy& hierarchy) {
    std::string found;
    for (std::string path = hierarchy.own_group.value_or(""); !path.empty(); path.resize(path.rfind('/'))) {
        const std::string directory = concat(hierarchy.mount_point, path);
        if (!is_ours(directory, hierarchy)) break;
        found = directory;
    }
    return found;
}

Group open_group(const Hierarchy& hierarchy, std::string path) {
    Group group{&hierarchy, std::move(path), {}, {}, {}};
    group.directory = sys::open(group.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, Stage::Cgroup, "open the cgroup");
    return group;
}

/// The one of that name in \p parent, and nothing that a symbolic link leads to.
Group open_below(const Group& parent, const std::string& name) {
    Group group{parent.hierarchy, concat(parent.path, parent.path == "/" ? "" : "/", name), {}, {}, {}};
    group.directory.reset(
        ::openat(parent.directory.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!group.directory) throw sys::error(errno, Stage::Cgroup, "open the cgroup", group.path);
    group.directory = sys::above_stdio(std::move(group.directory), Stage::Cgroup, "open the cgroup");
    return group;
}

std::string parent_directory(const std::string& path) {
    return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
}

std::vector<Controller> listed(const Group& group, const std::string& file) {
    std::vector<Controller> list;
    std::istringstream names(read_control(group, file));
    for (std::string name; names >> name;) {
        if (const auto controller = controller_of(name)) list.push_back(*controller);
    }
    return list;
}

/// Those of \p wanted that are not in \p present.
std::vector<Controller> without(const std::vector<Controller>& wanted, const std::vector<Controller>& present) {
    std::vector<Controller> rest;
    for (const Controller controller : wanted) {
        if (std::find(present.begin(), present.end(), controller) == present.end()) rest.push_back(controller);
    }
    return rest;
}

/// Enables controllers for what is below the group, and before that where it gets them from.
void enable_below(const Group& group, const std::vector<Controller>& wanted) {
    const auto missing = without(wanted, listed(group, "cgroup.subtree_control"));
    if (missing.empty()) return;
    const auto not_here = without(missing, listed(group, "cgroup.controllers"));
    if (!not_here.empty()) {
        const std::string above = parent_directory(group.path);
        if (group.path == group.hierarchy->mount_point || !is_ours(above, *group.hierarchy)) {
            throw Error(Errc::Unsupported, Stage::Cgroup,
                        concat("use the ", to_string(not_here.front()), " controller"),
                        concat(group.path, "/cgroup.controllers"), "it is not handed down to there");
        }
        enable_below(open_group(*group.hierarchy, above), not_here);
    }
    std::string text;
    for (const Controller controller : missing) text += concat(text.empty() ? "+" : " +", to_string(controller));
    // Some controllers the kernel would enable nevertheless, and make the group a threaded one, in which nobody can
    // have a group of processes. The root has no type.
    if (try_read_control(group, "cgroup.type") && !try_read_control(group, "cgroup.procs").value_or("").empty()) {
        throw write_error(group, "cgroup.subtree_control", text, EBUSY);
    }
    write_control(group, "cgroup.subtree_control", text);
}

} // namespace

void check_cgroup_parent(const std::string& parent) {
    const auto reject = [&](std::string_view why) {
        throw Error::invalid_config("open a session", {concat("the cgroup parent '", parent, "' ", why)});
    };
    if (parent.empty() || parent.front() != '/') reject("is no absolute path");
    if (parent.find('\0') != std::string::npos) reject("has a NUL byte");
    std::istringstream parts(parent);
    for (std::string part; std::getline(parts, part, '/');) {
        if (part == "." || part == "..") reject(concat("has a '", part, "' in it"));
        if (part.size() > 255) reject("has a component of more than 255 bytes");
    }
}

GroupParents::GroupParents(std::optional<std::string> parent) : parent_(std::move(parent)) {}

void GroupParents::remove_abandoned() const {
    for (const Hierarchy& hierarchy : hierarchies_.all()) internal::remove_abandoned(path(hierarchy));
}

void GroupParents::remove_made() noexcept {
    const std::lock_guard lock(mutex_);
    for (const auto& parent : parents_) {
        for (auto path = parent->made.rbegin(); path != parent->made.rend(); ++path) ::rmdir(path->c_str());
    }
}

GroupParents::Parent& GroupParents::opened(const Hierarchy& hierarchy) {
    for (const auto& parent : parents_) {
        if (parent->group->hierarchy == &hierarchy) return *parent;
    }
    auto parent = std::make_unique<Parent>();
    try {
        open(*parent, hierarchy);
    } catch (...) {
        for (auto path = parent->made.rbegin(); path != parent->made.rend(); ++path) ::rmdir(path->c_str());
        throw;
    }
    parents_.push_back(std::move(parent));
    return *parents_.back();
}

std::string GroupParents::path(const Hierarchy& hierarchy) const {
    const std::string& top = hierarchy.mount_point;
    if (parent_) return concat(top == "/" ? "" : top, *parent_);
    std::string found = is_ours(top, hierarchy) ? top : delegated(hierarchy);
    if (!found.empty()) return found;
    throw sys::error(EACCES, Stage::Cgroup, "find a cgroup to make groups in, below", top,
                     hierarchy.writable ? "nothing there is delegated to this user"
                                        : "the hierarchy is mounted read-only");
}

void GroupParents::open(Parent& parent, const Hierarchy& hierarchy) const {
    if (!parent_) {
        *parent.group = open_group(hierarchy, path(hierarchy));
        return;
    }
    Group& group = *parent.group;
    group = open_group(hierarchy, hierarchy.mount_point);
    std::istringstream parts(*parent_);
    for (std::string part; std::getline(parts, part, '/');) {
        if (part.empty()) continue;
        const std::string path = concat(group.path, "/", part);
        const bool made = ::mkdirat(group.directory.get(), part.c_str(), 0755) == 0;
        if (!made && errno != EEXIST) {
            throw sys::error(errno, Stage::Cgroup, "make the cgroup", path,
                             hierarchy.writable ? "" : "the hierarchy is mounted read-only");
        }
        if (made) {
            // At once: who finds it unmarked leaves it alone.
            const UniqueFd fresh(::openat(group.directory.get(), part.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
            if (fresh) mark_.put_on(fresh.get());
            parent.made.push_back(path);
        }
        Group next = open_below(group, part);
        if (!made) {
            // Its maker is gone, or a session of this process.
            const auto mark = mark_of(next.directory.get());
            if (mark && !is_in_use(*mark)) {
                mark_.put_on(next.directory.get());
                parent.made.push_back(path);
            }
        }
        if (!parent.made.empty() && parent.made.back() == path) inherit_cpuset(group, next);
        group = std::move(next);
    }
}

Group GroupParents::place(const Hierarchy& hierarchy, const std::string& name) {
    std::string path;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& parent : parents_) {
            if (parent->group->hierarchy == &hierarchy) path = parent->group->path;
        }
    }
    if (path.empty()) path = this->path(hierarchy);
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    return {&hierarchy, concat(path, path == "/" ? "" : "/", name), {}, {}, name};
}

std::shared_ptr<const Group> GroupParents::parent_again(const Hierarchy& hierarchy) {
    const std::lock_guard lock(mutex_);
    std::erase_if(parents_, [&](const auto& parent) { return parent->group->hierarchy == &hierarchy; });
    return opened(hierarchy).group;
}

std::shared_ptr<const Group> GroupParents::parent(const Hierarchy& hierarchy) {
    const std::lock_guard lock(mutex_);
    return opened(hierarchy).group;
}

void GroupParents::enable(const Hierarchy& hierarchy, const std::vector<Controller>& controllers) {
    std::vector<Controller> wanted;
    for (const Controller controller : controllers) {
        if (hierarchy.has(controller) && !is_implicit(controller)) wanted.push_back(controller);
    }
    if (wanted.empty()) return;
    const std::lock_guard lock(mutex_);
    Parent& parent = opened(hierarchy);
    wanted = without(wanted, parent.enabled);
    if (wanted.empty()) return;
    enable_below(*parent.group, wanted);
    parent.enabled.insert(parent.enabled.end(), wanted.begin(), wanted.end());
}

void enable_controllers(const Group& group, const std::vector<Controller>& controllers) {
    std::vector<Controller> wanted;
    for (const Controller controller : controllers) {
        if (!is_implicit(controller)) wanted.push_back(controller);
    }
    enable_below(group, wanted);
}

bool is_implicit(Controller controller) noexcept {
    return controller == Controller::Cpuacct || controller == Controller::Devices ||
           controller == Controller::Freezer || controller == Controller::PerfEvent;
}

void inherit_cpuset(const Group& parent, const Group& group) {
    if (group.hierarchy->version != 1 || !group.hierarchy->has(Controller::Cpuset)) return;
    for (const char* const file : {"cpuset.cpus", "cpuset.mems"})
        write_control(group, file, read_control(parent, file));
}

void remove_abandoned(std::string path) {
    for (; !path.empty(); path = parent_directory(path)) {
        const UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!directory && errno == ENOENT) continue;
        if (!directory) return;
        const auto mark = mark_of(directory.get());
        if (!mark || is_in_use(*mark) || ::rmdir(path.c_str()) < 0) return;
    }
}

} // namespace ct::internal
