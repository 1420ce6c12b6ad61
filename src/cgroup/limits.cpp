// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/limits.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <string_view>
#include <vector>

#include <ct/error.hpp>

#include "base/concat.hpp"
#include "cgroup/control_file.hpp"
#include "cgroup/limit_values.hpp"
#include "cgroup/restore.hpp"

namespace ct::internal {

namespace {

/// The page sizes that the group has files for, as one clause.
std::string huge_page_sizes(const Group& group) {
    const auto close = [](DIR* directory) { ::closedir(directory); };
    const std::unique_ptr<DIR, decltype(close)> directory(::opendir(group.path.c_str()), close);
    constexpr std::string_view prefix = "hugetlb.";
    std::set<std::string> sizes;
    while (const dirent* const entry = directory ? ::readdir(directory.get()) : nullptr) {
        const std::string_view name = entry->d_name;
        if (!name.starts_with(prefix)) continue;
        sizes.emplace(name.substr(prefix.size(), name.find('.', prefix.size()) - prefix.size()));
    }
    if (sizes.empty()) return "this host has no huge pages";
    return concat("the huge pages of this host are of ", join(sizes, ", "));
}

/// Why there is no such file.
std::string missing_hint(const Group& group, std::string_view file) {
    if (file.starts_with("hugetlb.")) return huge_page_sizes(group);
    if (file == "memory.swap.max" || file == "memory.memsw.limit_in_bytes") {
        return "the kernel has no swap, or does not count that of groups (swapaccount=1 on its command line)";
    }
    if (file == "cpu.idle") return "the kernel has no such file; it needs Linux 5.15";
    if (file == "cpu.max" || file == "cpu.cfs_quota_us" || file == "cpu.cfs_period_us") {
        return "the kernel has no such file; it was built without CONFIG_CFS_BANDWIDTH";
    }
    if (file == "io.max" || file.starts_with("blkio.throttle.")) {
        return "the kernel has no such file; it was built without CONFIG_BLK_DEV_THROTTLING";
    }
    return "the kernel has no such file";
}

/// Whether the group may use the controller; on version 2 that has to be enabled for it.
bool has_controller(const Group& group, Controller controller) {
    if (group.hierarchy->version == 1) return true;
    const std::string list = concat(" ", try_read_control(group, "cgroup.controllers").value_or(""), " ");
    return list.find(concat(" ", to_string(controller), " ")) != std::string::npos;
}

/// \p error of the use of \p file, unless that is missing: then it says why.
Error explained(const Error& error, const Groups& groups, Controller controller, const std::string& file) {
    const Group& group = groups.at(controller);
    const bool no_file = error.code() == std::errc::no_such_file_or_directory;
    // In a group that was removed nothing is there any more.
    const bool removed = ::faccessat(group.directory.get(), "cgroup.procs", F_OK, 0) != 0;
    if (!no_file || removed) return error;
    if (!has_controller(group, controller)) return Groups::started_without(controller);
    return {Errc::Unsupported, Stage::Cgroup, "use the control file", error.path(), missing_hint(group, file)};
}

void write_limit(const Groups& groups, const LimitWrite& write) {
    const Group& group = groups.at(write.controller);
    try {
        write_control(group, write.file, *write.value);
    } catch (const Error& error) {
        throw explained(error, groups, write.controller, write.file);
    }
}

std::vector<LimitChange> read_all(const Groups& groups, std::vector<LimitWrite> writes) {
    std::vector<LimitChange> list;
    list.reserve(writes.size());
    for (LimitWrite& write : writes) {
        const Group& group = groups.at(write.controller);
        try {
            std::string text = read_control(group, write.file);
            // A set of version 2 inherits as long as it is empty, but cannot become empty again while it is in use.
            if (text.empty() && write.controller == Controller::Cpuset) {
                text = read_control(group, write.file + ".effective");
            }
            list.push_back({std::move(write), std::move(text)});
        } catch (const Error& error) {
            throw explained(error, groups, write.controller, write.file);
        }
    }
    return list;
}

/// Restores what was written, latest first. \returns what run_or_restore() wants
std::string restore(const Groups& groups, const std::vector<LimitChange>& list, std::size_t written) {
    std::string failures;
    for (std::size_t i = written; i-- > 0;) {
        const auto& [write, text] = list[i];
        // The weight of a group that was idle is none that can be written.
        const bool was_idle = !write.value && i + 1 < list.size() && list[i + 1].before == "1";
        const std::optional<std::string> value = was_idle ? std::nullopt : restoring_value(write, text);
        try {
            if (value) write_control(groups.at(write.controller), write.file, *value);
        } catch (const Error& error) {
            failures += concat("; ", error.what());
        }
    }
    return failures;
}

} // namespace

void apply_limits(const Groups& groups, const Limits& limits) {
    for (const LimitWrite& write : limit_writes(groups, limits, limits)) {
        if (write.value) write_limit(groups, write);
    }
}

void update_limits(const Groups& groups, const Limits& given, const Limits& whole,
                   const std::function<void()>& finish) {
    std::vector<LimitChange> list = read_all(groups, limit_writes(groups, given, whole));
    order_changes(list);
    std::size_t written = 0;
    const auto change = [&] {
        for (; written < list.size(); ++written) {
            if (list[written].write.value) write_limit(groups, list[written].write);
        }
        if (finish) finish();
    };
    run_or_restore(change, [&] { return restore(groups, list, written); });
}

} // namespace ct::internal
