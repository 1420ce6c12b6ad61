// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <iterator>
#include <map>
#include <sstream>

#include "cgroup/control_file.hpp"
#include "cgroup/devices.hpp"
#include "cgroup/restore.hpp"

// Device rules of groups in use.
namespace ct::internal {

namespace {

constexpr std::string_view AllowFile = "devices.allow";
constexpr std::string_view DenyFile = "devices.deny";

/// The exceptions of a list by their devices, such as "c 1:3", each with its ways, such as "rw".
using Exceptions = std::map<std::string, std::string>;

bool grants_by_default(const DeviceLists& lists) {
    return lists.writes.front().file == AllowFile;
}

Exceptions exceptions_of(const DeviceLists& lists) {
    Exceptions found;
    for (auto write = std::next(lists.writes.begin()); write != lists.writes.end(); ++write) {
        const std::size_t space = write->text.rfind(' ');
        found.emplace(write->text.substr(0, space), write->text.substr(space + 1));
    }
    return found;
}

/// The ways of \p a that \p b does not have.
std::string without(std::string_view a, std::string_view b) {
    std::string ways;
    for (const char way : a) {
        if (b.find(way) == std::string_view::npos) ways += way;
    }
    return ways;
}

} // namespace

std::vector<DeviceLists::Write> device_changes(const DeviceLists& before, const DeviceLists& after) {
    const bool grants = grants_by_default(after);
    if (grants_by_default(before) != grants) return after.writes;
    const Exceptions old = exceptions_of(before);
    const Exceptions wanted = exceptions_of(after);
    std::vector<DeviceLists::Write> writes;
    const auto write = [&](std::string_view file, const std::string& device, const std::string& ways) {
        if (!ways.empty()) writes.push_back({file, device + ' ' + ways});
    };
    const auto add = [&](const std::string& device, const std::string& ways) {
        write(grants ? DenyFile : AllowFile, device, ways);
    };
    const auto remove = [&](const std::string& device, const std::string& ways) {
        write(grants ? AllowFile : DenyFile, device, ways);
    };
    for (const auto& [device, ways] : wanted) {
        if (!old.contains(device)) add(device, ways);
    }
    for (const auto& [device, ways] : wanted) {
        const auto earlier = old.find(device);
        if (earlier == old.end()) continue;
        // First what denies: the ways of both together would be more than either grants.
        if (grants) add(device, without(ways, earlier->second));
        remove(device, without(earlier->second, ways));
        if (!grants) add(device, without(ways, earlier->second));
    }
    for (const auto& [device, ways] : old) {
        if (!wanted.contains(device)) remove(device, ways);
    }
    return writes;
}

DeviceLists present_device_lists(std::string_view list, const std::optional<std::vector<DeviceRule>>& rules) {
    if (list.starts_with('a')) {
        // The kernel does not tell the exceptions to this.
        const auto known = rules ? device_lists(*rules) : std::nullopt;
        return known && grants_by_default(*known) ? *known : DeviceLists{{{AllowFile, "a"}}};
    }
    DeviceLists present{{{DenyFile, "a"}}};
    std::istringstream lines{std::string(list)};
    for (std::string line; std::getline(lines, line);) present.writes.push_back({AllowFile, line});
    return present;
}

void update_device_rules(const Group& group, const std::optional<std::vector<DeviceRule>>& before,
                         const std::vector<DeviceRule>& rules, const std::function<void()>& finish) {
    if (group.hierarchy->version == 2) {
        attach_device_program(group, rules, finish);
        return;
    }
    const DeviceLists wanted = expressible_lists(group, rules);
    const DeviceLists present = present_device_lists(read_control(group, "devices.list"), before);
    if (grants_by_default(present) != grants_by_default(wanted) &&
        (!grants_by_default(present) || present.writes.size() > 1)) {
        throw Error(Errc::Unsupported, Stage::Cgroup, "change the device rules", group.path,
                    "cgroup version 1 can change a list of what is granted, or one of what is denied, but not replace "
                    "one by the other without granting everything for a moment: start the container anew");
    }
    const auto change = [&] {
        write_device_lists(group, device_changes(present, wanted));
        finish();
    };
    run_or_restore(change, [&]() -> std::string {
        try {
            write_device_lists(group, device_changes(wanted, present));
        } catch (const Error& error) {
            return concat("; ", error.what());
        }
        return {};
    });
}

} // namespace ct::internal
