// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/hierarchies.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>

#include "base/concat.hpp"
#include "cgroup/controllers.hpp"

namespace ct::internal {

namespace {

/// Calls \p use with each part of \p text between separators; empty parts are left out.
template <typename Use>
void for_each_part(std::string_view text, std::string_view separators, const Use& use) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find_first_of(separators, at), text.size());
        if (end > at) use(text.substr(at, end - at));
        at = end + 1;
    }
}

std::vector<std::string_view> fields_of(std::string_view line) {
    std::vector<std::string_view> fields;
    for_each_part(line, " \t", [&](std::string_view field) { fields.push_back(field); });
    return fields;
}

/// Paths in mountinfo have \040 and the like in place of white space.
std::string unescape(std::string_view text) {
    std::string plain;
    const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
            is_octal(text[i + 3])) {
            plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

bool has_option(std::string_view options, std::string_view wanted) {
    bool found = false;
    for_each_part(options, ",", [&](std::string_view option) { found = found || option == wanted; });
    return found;
}

/// One line of /proc/PID/mountinfo; see proc_pid_mountinfo(5).
struct MountLine {
    std::string_view id;
    std::string_view parent;
    std::string_view root;
    std::string_view point;
    std::string_view options;
    std::string_view type;
    std::string_view super_options;
};

std::optional<MountLine> parse_mount(std::string_view line) {
    const std::size_t separator = line.find(" - ");
    if (separator == std::string_view::npos) return std::nullopt;
    const auto before = fields_of(line.substr(0, separator));
    const auto after = fields_of(line.substr(separator + 3));
    if (before.size() < 6 || after.empty()) return std::nullopt;
    // The source may be empty, and the options are last.
    return MountLine{before[0],
                     before[1],
                     before[3],
                     before[4],
                     before[5],
                     after[0],
                     after.size() > 1 ? after.back() : std::string_view{}};
}

/// Whether \p inner is \p outer or lies in it.
bool is_within(std::string_view inner, std::string_view outer) {
    if (outer == "/") return true;
    return inner.substr(0, outer.size()) == outer && (inner.size() == outer.size() || inner[outer.size()] == '/');
}

/// Whether a path reaches the mount, and nothing that is mounted over it or over its way.
bool is_reachable(const MountLine& mount, const std::vector<MountLine>& all) {
    const auto is_over = [&](const MountLine& other) { return other.parent == mount.id && other.point == mount.point; };
    if (std::any_of(all.begin(), all.end(), is_over)) return false;
    for (const MountLine* step = &mount; step != nullptr;) {
        const MountLine* parent = nullptr;
        for (const MountLine& other : all) {
            if (other.id == step->parent) parent = &other;
            const bool beside = other.parent == step->parent && other.point != step->point;
            if (beside && is_within(step->point, other.point)) return false;
        }
        step = parent == step ? nullptr : parent;
    }
    return true;
}

/// Where \p group, a path of /proc/self/cgroup, is below the mount of \p root; both as this cgroup namespace sees them.
std::optional<std::string> below(std::string_view root, std::string_view group) {
    // Outside the namespace only the kernel knows the names.
    if (is_within(root, "/..") || is_within(group, "/..") || !is_within(group, root)) return std::nullopt;
    const std::string_view rest = group.substr(root == "/" ? 0 : root.size());
    return std::string(rest == "/" ? std::string_view{} : rest);
}

/// The path in the line of /proc/self/cgroup that is about the hierarchy of that name.
std::optional<std::string_view> group_in(std::string_view groups, std::string_view name) {
    std::optional<std::string_view> found;
    for_each_part(groups, "\n", [&](std::string_view line) {
        const std::size_t first = line.find(':');
        if (first == std::string_view::npos) return;
        const std::size_t second = line.find(':', first + 1);
        if (second != std::string_view::npos && line.substr(first + 1, second - first - 1) == name)
            found = line.substr(second + 1);
    });
    return found;
}

std::string whole_file(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

} // namespace

bool Hierarchy::has(Controller controller) const noexcept {
    return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}

Hierarchies::Hierarchies(std::string_view mountinfo, std::string_view controllers, std::string_view groups,
                         const std::function<std::string(const std::string& directory)>& read_controllers) {
    take_names(controllers);
    take_mounts(mountinfo, groups);
    for (Hierarchy& hierarchy : all_) {
        if (hierarchy.version == 2) take_version_2(hierarchy, read_controllers(hierarchy.mount_point));
    }
}

void Hierarchies::take_names(std::string_view controllers) {
    for_each_part(controllers, "\n", [&](std::string_view line) {
        const auto fields = fields_of(line);
        if (fields.size() < 4 || fields[0].front() == '#') return;
        (fields[3] == "0" ? disabled_ : known_).emplace_back(fields[0]);
    });
}

void Hierarchies::take_mounts(std::string_view mountinfo, std::string_view groups) {
    std::vector<MountLine> mounts;
    for_each_part(mountinfo, "\n", [&](std::string_view line) {
        if (const auto mount = parse_mount(line)) mounts.push_back(*mount);
    });
    for (const MountLine& mount : mounts) {
        if (mount.type != "cgroup" && mount.type != "cgroup2") continue;
        Hierarchy found;
        found.version = mount.type == "cgroup2" ? 2 : 1;
        found.root = unescape(mount.root);
        found.mount_point = unescape(mount.point);
        found.writable = has_option(mount.options, "rw") && !has_option(mount.super_options, "ro");
        found.ns_delegate = has_option(mount.super_options, "nsdelegate");
        for_each_part(found.version == 2 ? std::string_view{} : mount.super_options, ",", [&](std::string_view option) {
            const std::optional<Controller> controller = controller_of(option);
            const bool unknown_controller = std::find(known_.begin(), known_.end(), option) != known_.end();
            if (!controller && !unknown_controller && option.substr(0, 5) != "name=") return;
            if (controller) found.controllers.push_back(*controller);
            found.name += concat(found.name.empty() ? "" : ",", option);
        });
        if (found.version == 1 && found.name.empty()) continue;
        if (const auto group = group_in(groups, found.name)) found.own_group = below(found.root, *group);
        if (!is_reachable(mount, mounts)) {
            hidden_.push_back(std::move(found));
            continue;
        }
        // The same hierarchy may be mounted several times: the first place is the usual one, unless only another can be
        // written to, or has the group of this process in it.
        const auto known = std::find_if(all_.begin(), all_.end(), [&](const Hierarchy& hierarchy) {
            return hierarchy.version == found.version && hierarchy.name == found.name;
        });
        const auto worth = [](const Hierarchy& one) { return (one.writable ? 2 : 0) + (one.own_group ? 1 : 0); };
        if (known == all_.end()) {
            all_.push_back(std::move(found));
        } else if (worth(found) > worth(*known)) {
            *known = std::move(found);
        }
    }
}

void Hierarchies::take_version_2(Hierarchy& unified, std::string_view controllers) {
    const auto add_unless_elsewhere = [&](Controller controller) {
        if (find(controller) == nullptr) unified.controllers.push_back(controller);
    };
    for_each_part(controllers, " \n", [&](std::string_view name) {
        if (const auto controller = controller_of(name)) add_unless_elsewhere(*controller);
    });
    // What version 2 has without a controller of that name.
    add_unless_elsewhere(Controller::Cpuacct);
    add_unless_elsewhere(Controller::Devices);
    add_unless_elsewhere(Controller::Freezer);
    if (std::find(known_.begin(), known_.end(), "perf_event") != known_.end()) {
        add_unless_elsewhere(Controller::PerfEvent);
    }
}

Hierarchies Hierarchies::detect() {
    return Hierarchies(whole_file("/proc/self/mountinfo"), whole_file("/proc/cgroups"), whole_file("/proc/self/cgroup"),
                       [](const std::string& directory) { return whole_file(directory + "/cgroup.controllers"); });
}

std::optional<std::string> directory_of(pid_t process, const Hierarchy& hierarchy) {
    const std::string groups = whole_file(concat("/proc/", process, "/cgroup"));
    const auto group = group_in(groups, hierarchy.name);
    const auto path = group ? below(hierarchy.root, *group) : std::nullopt;
    if (!path) return std::nullopt;
    return concat(hierarchy.mount_point == "/" ? "" : hierarchy.mount_point, *path);
}

const Hierarchy* Hierarchies::find(Controller controller) const noexcept {
    const auto found =
        std::find_if(all_.begin(), all_.end(), [&](const Hierarchy& hierarchy) { return hierarchy.has(controller); });
    return found == all_.end() ? nullptr : &*found;
}

const Hierarchy* Hierarchies::unified() const noexcept {
    const auto found = std::find_if(all_.begin(), all_.end(), [](const auto& one) { return one.version == 2; });
    return found == all_.end() ? nullptr : &*found;
}

namespace {

bool is_listed(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_only_version_1(Controller controller) {
    return controller == Controller::NetCls || controller == Controller::NetPrio;
}

} // namespace

const Hierarchy* Hierarchies::containing(std::string_view path) const noexcept {
    const Hierarchy* found = nullptr;
    for (const Hierarchy& hierarchy : all_) {
        const std::string& top = hierarchy.mount_point;
        if (path.substr(0, top.size()) != top || (path.size() > top.size() && path[top.size()] != '/')) continue;
        if (found == nullptr || found->mount_point.size() < top.size()) found = &hierarchy;
    }
    return found;
}

std::string Hierarchies::missing(Controller controller) const {
    const std::string_view name = kernel_name(controller);
    if (is_listed(disabled_, name)) return "/proc/cgroups says that it is switched off on the kernel's command line";
    for (const Hierarchy& hierarchy : hidden_) {
        if (hierarchy.has(controller))
            return concat("its mount at ", hierarchy.mount_point, " is hidden by what is mounted over it");
    }
    if (is_listed(known_, name) && is_only_version_1(controller)) {
        return concat("the kernel has it, but it is mounted nowhere: ", remedy(controller));
    }
    std::string places = "no cgroup mount in /proc/self/mountinfo has it";
    if (const Hierarchy* const version_2 = unified()) {
        places += concat(", and ", version_2->mount_point, version_2->mount_point == "/" ? "" : "/",
                         "cgroup.controllers does not list it");
    }
    return places;
}

std::string Hierarchies::remedy(Controller controller) const {
    const std::string_view name = kernel_name(controller);
    if (is_listed(disabled_, name)) return concat("boot without cgroup_disable=", name);
    if (is_listed(known_, name)) return concat("mount -t cgroup -o ", name, " none DIRECTORY");
    return concat("a kernel that has it", is_only_version_1(controller) ? ", for version 1" : "");
}

} // namespace ct::internal
