// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/groups.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/concat.hpp"
#include "base/rollback.hpp"
#include "base/sys.hpp"
#include "cgroup/controllers.hpp"
#include "cgroup/parents.hpp"
#include "cgroup/processes.hpp"
#include "cgroup/removal.hpp"

namespace ct::internal {

const Group* Groups::find(Controller controller) const noexcept {
    const auto found = std::find_if(groups_.begin(), groups_.end(),
                                    [&](const Group& group) { return group.hierarchy->has(controller); });
    return found == groups_.end() ? nullptr : &*found;
}

const Group* Groups::unified() const noexcept {
    const auto found =
        std::find_if(groups_.begin(), groups_.end(), [](const Group& group) { return group.hierarchy->version == 2; });
    return found == groups_.end() ? nullptr : &*found;
}

const Group& Groups::at(Controller controller) const {
    const Group* const group = find(controller);
    if (group != nullptr) return *group;
    throw started_without(controller);
}

Error Groups::started_without(Controller controller) {
    return {Errc::InvalidState,
            Stage::Cgroup,
            concat("use the ", to_string(controller), " controller"),
            {},
            "the container was started without it"};
}

std::vector<std::string> Groups::paths() const {
    std::vector<std::string> paths;
    for (const Group& group : groups_) paths.push_back(group.path);
    return paths;
}

namespace {

struct Needed {
    const Hierarchy* hierarchy;
    bool only_to_end_all; ///< See Group.
};

std::vector<Needed> needed_hierarchies(GroupParents& parents, const Cgroup& cgroup, bool own_pid_namespace) {
    const Hierarchies& hierarchies = parents.hierarchies();
    std::vector<Needed> needed;
    const auto add = [&](const Hierarchy* hierarchy, bool only_to_end_all = false) {
        const bool there = std::any_of(needed.begin(), needed.end(),
                                       [&](const Needed& other) { return other.hierarchy == hierarchy; });
        if (!there) needed.push_back({hierarchy, only_to_end_all});
    };
    for (const Controller controller : needed_controllers(cgroup)) {
        const Hierarchy* const hierarchy = hierarchies.find(controller);
        if (hierarchy == nullptr) {
            throw Error(Errc::Unsupported, Stage::Cgroup, concat("use the ", to_string(controller), " controller"), {},
                        hierarchies.missing(controller));
        }
        add(hierarchy);
    }
    for (const std::string& name : cgroup.named_hierarchies) add(&parents.named(name));
    // To end all processes, and to freeze them; or to be seen inside.
    if (cgroup.own_group || cgroup.born_frozen || cgroup.mount != CgroupMount::None || !own_pid_namespace) {
        const Hierarchy* const unified = hierarchies.unified();
        const Hierarchy* const freezer = hierarchies.find(Controller::Freezer);
        const bool unasked = !cgroup.own_group && !cgroup.born_frozen && cgroup.mount == CgroupMount::None;
        if (unified != nullptr && unified->writable) {
            add(unified, unasked);
        } else if (freezer != nullptr) {
            add(freezer, unasked);
        } else if (needed.empty() || cgroup.born_frozen) {
            throw Error(Errc::Unsupported, Stage::Cgroup, "make a group of its own", {},
                        hierarchies.missing(Controller::Freezer));
        }
    }
    return needed;
}

template <typename Body>
void explain_denial(bool only_to_end_all, const Body& body) {
    try {
        body();
    } catch (const Error& error) {
        if (!only_to_end_all || error.code() != std::errc::permission_denied) throw;
        throw error.with_hint("without a pid namespace the container needs a group there, too, by which all of its "
                              "processes can be ended: add Namespace::Pid, or have one delegated");
    }
}

/// Empty on failure, with errno.
UniqueFd open_in(const Group& parent, const std::string& name) {
    return UniqueFd(::openat(parent.directory.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

/// \returns whether the present group of that name is to be used as it is, else it is removed
/// \throws Error if it has to be left alone
bool take_over(Group& group, bool use_existing) {
    group.directory = open_in(*group.parent, group.name);
    if (!group.directory) throw sys::error(errno, Stage::Cgroup, "open the cgroup", group.path);
    const std::optional<std::string> owner = mark_of(group.directory.get());
    if (!owner && use_existing) {
        if (processes_in(group).empty()) return true;
        throw sys::error(EBUSY, Stage::Cgroup, "use the cgroup", group.path, "there are processes in it");
    }
    group.directory.reset();
    if (!owner) {
        throw sys::error(EEXIST, Stage::Cgroup, "make the cgroup", group.path,
                         "it is none of libct's; choose another name or cgroup parent, or remove it");
    }
    const auto in_use = [&](std::string_view hint) {
        return Error(Errc::NameInUse, Stage::Cgroup, "make the cgroup", group.path, hint);
    };
    if (is_in_use(*owner))
        throw in_use("another container of this or of another process has it; or one of another pid namespace had it");
    const int error = remove_tree(group.parent->directory.get(), group.name);
    if (error == EBUSY) throw in_use("processes of an earlier container of that name are in it");
    if (error != 0 && error != ENOENT) throw sys::error(error, Stage::Cgroup, "remove the stale cgroup", group.path);
    return false;
}

void make_group(Group& group, GroupParents& parents, bool use_existing, const GroupMark& mark) {
    sys::fault_point(Stage::Cgroup, "make the cgroup", group.path);
    for (int tries = 0;; ++tries) {
        if (::mkdirat(group.parent->directory.get(), group.name.c_str(), 0755) == 0) break;
        if (errno == ENOENT && tries == 0) {
            // Another session that had made it has closed.
            group.parent = parents.parent_again(*group.hierarchy);
            continue;
        }
        if (errno != EEXIST || tries > 2) throw sys::error(errno, Stage::Cgroup, "make the cgroup", group.path);
        if (take_over(group, use_existing)) break;
    }
    try {
        group.directory = open_in(*group.parent, group.name);
        if (!group.directory) throw sys::error(errno, Stage::Cgroup, "open the cgroup", group.path);
        // At once: who finds it without the mark leaves it alone.
        mark.put_on(group.directory.get());
        sys::fault_point(Stage::Cgroup, "open the cgroup", group.path);
        group.directory = sys::above_stdio(std::move(group.directory), Stage::Cgroup, "open the cgroup");
    } catch (...) {
        ::unlinkat(group.parent->directory.get(), group.name.c_str(), AT_REMOVEDIR);
        throw;
    }
}

} // namespace

std::vector<Group> place_groups(GroupParents& parents, const std::string& name, const Cgroup& cgroup,
                                bool own_pid_namespace) {
    std::vector<Group> groups;
    for (const auto& [hierarchy, only_to_end_all] : needed_hierarchies(parents, cgroup, own_pid_namespace)) {
        explain_denial(only_to_end_all, [&] { groups.push_back(parents.place(*hierarchy, name)); });
        groups.back().only_to_end_all = only_to_end_all;
    }
    return groups;
}

Groups make_groups(GroupParents& parents, std::vector<Group> planned, const Cgroup& cgroup,
                   std::shared_ptr<const GroupMark> mark) {
    Rollback undo;
    for (Group& group : planned) {
        explain_denial(group.only_to_end_all, [&] {
            group.parent = parents.parent(*group.hierarchy);
            if (group.hierarchy->version == 2) parents.enable(*group.hierarchy, needed_controllers(cgroup));
            make_group(group, parents, cgroup.use_existing, *mark);
        });
        undo.add([&group] { (void)remove_tree(group.parent->directory.get(), group.name); });
        inherit_cpuset(*group.parent, group);
    }
    undo.dismiss();
    return Groups(std::move(planned), std::move(mark));
}

Groups open_groups(const Hierarchies& hierarchies, const std::vector<std::string>& paths,
                   const std::optional<std::string>& mark) {
    std::vector<Group> groups;
    for (const std::string& path : paths) {
        const Hierarchy* const hierarchy = hierarchies.containing(path);
        const std::size_t slash = path.rfind('/');
        if (hierarchy == nullptr || slash == std::string::npos || slash == 0) continue;
        auto parent = std::make_shared<Group>(Group{hierarchy, path.substr(0, slash), {}, {}, {}});
        parent->directory.reset(::open(parent->path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        Group group{hierarchy, path, {}, std::move(parent), path.substr(slash + 1)};
        group.directory = open_in(*group.parent, group.name);
        if (group.directory && (!mark || mark_of(group.directory.get()) == mark)) groups.push_back(std::move(group));
    }
    return Groups(std::move(groups));
}

Groups open_groups_of(GroupParents& parents, std::vector<Group> planned, pid_t process) {
    std::vector<Group> groups;
    for (Group& group : planned) {
        const auto at = directory_of(process, *group.hierarchy);
        if (!at || (*at != group.path && !at->starts_with(group.path + '/'))) continue;
        group.parent = parents.parent(*group.hierarchy);
        group.directory = open_in(*group.parent, group.name);
        if (group.directory) groups.push_back(std::move(group));
    }
    return Groups(std::move(groups));
}

} // namespace ct::internal
