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
std::optional<Hierarchy> parse_mount(std::string_view line) {
    const std::size_t separator = line.find(" - ");
    if (separator == std::string_view::npos) return std::nullopt;
    const auto before = fields_of(line.substr(0, separator));
    const auto after = fields_of(line.substr(separator + 3));
    if (before.size() < 6 || after.size() < 3 || (after[0] != "cgroup" && after[0] != "cgroup2")) return std::nullopt;
    Hierarchy found;
    found.version = after[0] == "cgroup2" ? 2 : 1;
    found.root = unescape(before[3]);
    found.mount_point = unescape(before[4]);
    found.writable = has_option(before[5], "rw");
    found.ns_delegate = has_option(after[2], "nsdelegate");
    if (found.version == 2) return found;
    for_each_part(after[2], ",", [&](std::string_view option) {
        const std::optional<Controller> controller = controller_of(option);
        if (!controller && option.substr(0, 5) != "name=") return;
        if (controller) found.controllers.push_back(*controller);
        found.name += concat(found.name.empty() ? "" : ",", option);
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

Hierarchies::Hierarchies(std::string_view mountinfo, std::string_view cgroups,
                         const std::function<std::string(const std::string& directory)>& read_controllers) {
    for_each_part(mountinfo, "\n", [&](std::string_view line) {
        std::optional<Hierarchy> mount = parse_mount(line);
        if (!mount) return;
        // The same hierarchy may be mounted several times: the first place is the usual one, unless only another can be
        // written to.
        const auto known = std::find_if(all_.begin(), all_.end(), [&](const Hierarchy& hierarchy) {
            return hierarchy.version == mount->version && hierarchy.name == mount->name;
        });
        if (known == all_.end()) {
            all_.push_back(std::move(*mount));
        } else if (!known->writable && mount->writable) {
            *known = std::move(*mount);
        }
    });
    for_each_part(cgroups, "\n", [&](std::string_view line) {
        const auto fields = fields_of(line);
        if (fields.size() < 4 || fields[0].front() == '#') return;
        (fields[3] == "0" ? disabled_ : known_).emplace_back(fields[0]);
    });
    const auto unified = std::find_if(all_.begin(), all_.end(), [](const auto& one) { return one.version == 2; });
    if (unified == all_.end()) return;
    const auto add_unless_elsewhere = [&](Controller controller) {
        if (find(controller) == nullptr) unified->controllers.push_back(controller);
    };
    for_each_part(read_controllers(unified->mount_point), " \n", [&](std::string_view name) {
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
    return Hierarchies(whole_file("/proc/self/mountinfo"), whole_file("/proc/cgroups"),
                       [](const std::string& directory) { return whole_file(directory + "/cgroup.controllers"); });
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
    const auto listed = [&](const std::vector<std::string>& names) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (listed(disabled_)) return concat("/proc/cgroups says that it is switched off on the kernel's command line");
    const bool only_version_1 = controller == Controller::NetCls || controller == Controller::NetPrio;
    if (listed(known_) && only_version_1) {
        return concat("the kernel has it, but it is mounted nowhere: mount -t cgroup -o ", name, " none DIRECTORY");
    }
    const Hierarchy* const version_2 = unified();
    const std::string controllers =
        version_2 == nullptr
            ? ""
            : concat(version_2->mount_point, version_2->mount_point == "/" ? "" : "/", "cgroup.controllers");
    std::string places = "no cgroup mount in /proc/self/mountinfo has it";
    if (!controllers.empty()) places += concat(", and ", controllers, " does not list it");
    return places;
}

} // namespace ct::internal
