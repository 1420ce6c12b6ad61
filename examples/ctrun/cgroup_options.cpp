// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup_options.hpp"

#include <stdexcept>
#include <utility>

#include "values.hpp"

namespace ctrun {

namespace {

ct::Controller parse_controller(const std::string& text) {
    for (int number = 0; number <= static_cast<int>(ct::Controller::Misc); ++number) {
        const auto controller = static_cast<ct::Controller>(number);
        if (ct::to_string(controller) == text) return controller;
    }
    throw std::invalid_argument("'" + text + "' is no cgroup controller such as cpu, memory, pids or io");
}

/// "pids:pids.max=7"
ct::ControllerValue parse_value(const std::string& text) {
    const std::size_t colon = text.find(':');
    const std::size_t equals = text.find('=', colon);
    if (colon == std::string::npos || equals == std::string::npos)
        throw std::invalid_argument("'" + text + "' is not CONTROLLER:FILE=VALUE");
    return {parse_controller(text.substr(0, colon)), text.substr(colon + 1, equals - colon - 1),
            text.substr(equals + 1)};
}

} // namespace

void add_cgroup_options(Adder& add, ct::Spec& spec) {
    add.group("Cgroups");
    add.option("--controller", "NAME,...", "Put the container in groups of its own with these cgroup controllers",
               [&](const std::string& text) {
                   for (const std::string_view name : split(text, ','))
                       spec.cgroup.controllers.push_back(parse_controller(std::string(name)));
               });
    add.option("--cgroup-value", "CONTROLLER:FILE=VALUE", "Write to a control file of its group",
               [&](const std::string& text) { spec.cgroup.values.push_back(parse_value(text)); });
    add.flag("--own-group", "Give it a group even without a controller: kill ends all of its processes",
             [&] { spec.cgroup.own_group = true; });
    add.option("--cgroup-mount", "ro|rw", "Show it its own groups at /sys/fs/cgroup; with rw it may divide them",
               [&](const std::string& text) {
                   if (text != "ro" && text != "rw") throw std::invalid_argument("'" + text + "' is not ro or rw");
                   spec.cgroup.mount = text == "rw" ? ct::CgroupMount::Writable : ct::CgroupMount::ReadOnly;
               });
}

void add_group_place_options(Adder& add, GroupOptions& options) {
    add.group("Place of cgroups");
    add.option("--cgroup-parent", "PATH", "Make its groups below this one; with systemd the name of a slice",
               [&](const std::string& text) { options.parent = text; });
    add.option("--cgroup-manager", "cgroupfs|systemd", "Who makes its groups", [&](const std::string& text) {
        if (text != "cgroupfs" && text != "systemd") throw std::invalid_argument("'" + text + "' is no cgroup manager");
        options.manager = text == "systemd" ? ct::CgroupManager::Systemd : ct::CgroupManager::Cgroupfs;
    });
}

} // namespace ctrun
