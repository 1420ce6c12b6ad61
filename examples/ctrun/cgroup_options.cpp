// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup_options.hpp"

#include <charconv>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

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

/// "allow:c:1:3:rwm"; "*" is every one.
ct::DeviceRule parse_device_rule(const std::string& text) {
    const std::vector<std::string> parts = split(text, ':');
    const auto reject = [&] {
        return std::invalid_argument("'" + text + "' is not allow|deny:a|b|c:MAJOR:MINOR:rwm, with * for every number");
    };
    if (parts.size() != 5 || (parts[0] != "allow" && parts[0] != "deny")) throw reject();
    const auto number = [&](std::string_view part) -> std::optional<std::uint32_t> {
        if (part == "*") return std::nullopt;
        std::uint32_t value = 0;
        const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
        if (error != std::errc{} || end != part.data() + part.size()) throw reject();
        return value;
    };
    ct::DeviceRule rule{.allow = parts[0] == "allow", .major = number(parts[2]), .minor = number(parts[3])};
    if (parts[1] != "a" && parts[1] != "b" && parts[1] != "c") throw reject();
    if (parts[1] != "a") rule.type = parts[1] == "b" ? ct::DeviceClass::Block : ct::DeviceClass::Character;
    if (parts[4].empty() || parts[4].find_first_not_of("rwm") != std::string_view::npos) throw reject();
    const auto has = [&](char way) { return parts[4].find(way) != std::string_view::npos; };
    rule.read = has('r');
    rule.write = has('w');
    rule.make = has('m');
    return rule;
}

void add_rules(ct::Limits& limits, const std::vector<ct::DeviceRule>& rules) {
    if (!limits.devices) limits.devices.emplace();
    limits.devices->insert(limits.devices->end(), rules.begin(), rules.end());
}

} // namespace

void add_device_rule_options(Adder& add, ct::Limits& limits) {
    add.option("--device-rule", "RULE",
               "Grant access to devices: allow|deny:a|b|c:MAJOR:MINOR:rwm,\n"
               "* is every number. What no rule allows is denied; the last one\n"
               "that is about an access counts",
               [&](const std::string& text) { add_rules(limits, {parse_device_rule(text)}); });
    add.flag("--default-device-rules", "Grant access to the devices that programs expect",
             [&] { add_rules(limits, ct::default_device_rules()); });
}

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
    add.flag("--born-frozen", "Start it paused, before its program runs", [&] { spec.cgroup.born_frozen = true; });
    add_device_rule_options(add, spec.cgroup.limits);
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
