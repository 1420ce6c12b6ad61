// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/freezer.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "base/time_limit.hpp"
#include "cgroup/await.hpp"
#include "cgroup/control_file.hpp"
#include "cgroup/processes.hpp"
#include "cgroup/walk.hpp"

namespace ct::internal {

namespace {

constexpr FreezeFile Version1{"freezer.state", "FROZEN", "THAWED"};
constexpr FreezeFile Version2{"cgroup.freeze", "1", "0"};

/// What is read while the processes are on their way, too.
bool has_frozen(const Group& group) {
    if (group.hierarchy->version == 1) return read_control(group, Version1.name) == "FROZEN";
    return read_control(group, "cgroup.events").find("frozen 1") != std::string::npos;
}

bool has_thawed(const Group& group) {
    if (group.hierarchy->version == 1) return read_control(group, Version1.name) == "THAWED";
    return !has_frozen(group);
}

/// Whether a group that has had time to thaw is frozen because one above it is.
bool frozen_above(const Group& group) {
    if (group.hierarchy->version == 1) return try_read_control(group, "freezer.parent_freezing") == "1";
    return read_control(group, Version2.name) == "0" && has_frozen(group);
}

template <typename Done>
bool await(const Group& group, std::chrono::nanoseconds limit, const Done& done) {
    if (group.hierarchy->version == 2) return await_event(group, limit, done);
    return await_by_looking(limit, [&] {
        if (done()) return true;
        // The kernel does not tell of version 1. Who was not ready for it is asked again.
        if (read_control(group, Version1.name) == "FREEZING") {
            (void)write_control_at(group.directory.get(), Version1.name, Version1.freeze);
        }
        return false;
    });
}

Error timed_out(std::string_view action, const Group& group, std::chrono::nanoseconds limit, std::string_view why) {
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
    return sys::error(ETIMEDOUT, Stage::Cgroup, action, group.path, concat("not within ", milliseconds, " ms: ", why));
}

std::vector<const Group*> freezing_groups(const Groups& groups) {
    std::vector<const Group*> found;
    for (const Group* const group : {groups.unified(), groups.find(Controller::Freezer)}) {
        if (group != nullptr && (found.empty() || found.front() != group)) found.push_back(group);
    }
    return found;
}

} // namespace

const FreezeFile& freeze_file(const Group& group) {
    return group.hierarchy->version == 1 ? Version1 : Version2;
}

const Group& freezing_group(const Groups& groups) {
    const auto found = freezing_groups(groups);
    if (!found.empty()) return *found.front();
    throw Error(Errc::InvalidState, Stage::Cgroup, "freeze", {},
                "it has no group that could be frozen: it was started without Cgroup::own_group and "
                "Controller::Freezer");
}

namespace {

bool is_frozen_at(int directory) {
    std::string text;
    if (read_control_at(directory, Version1.name, text) == 0) return text != Version1.thaw;
    // Asked for by the group itself, or done by one above.
    if (read_control_at(directory, Version2.name, text) == 0 && text == Version2.freeze) return true;
    return read_control_at(directory, "cgroup.events", text) == 0 && text.find("frozen 1") != std::string::npos;
}

} // namespace

bool is_frozen(const Groups& groups) {
    const auto found = freezing_groups(groups);
    return std::any_of(found.begin(), found.end(),
                       [](const Group* group) { return is_frozen_at(group->directory.get()); });
}

bool is_frozen(const std::vector<std::string>& paths) {
    return std::any_of(paths.begin(), paths.end(), [](const std::string& path) {
        const UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        return directory && is_frozen_at(directory.get());
    });
}

void await_frozen(const Group& group, std::chrono::nanoseconds limit) {
    if (await(group, limit, [&] { return has_frozen(group); })) return;
    throw timed_out("freeze", group, limit, "a process in it may be in a system call that nothing interrupts");
}

void freeze(const Groups& groups, std::chrono::nanoseconds limit) {
    const Group& group = freezing_group(groups);
    write_control(group, freeze_file(group).name, freeze_file(group).freeze);
    try {
        await_frozen(group, limit);
    } catch (...) {
        (void)write_control_at(group.directory.get(), freeze_file(group).name, freeze_file(group).thaw);
        throw;
    }
}

void thaw(const Groups& groups, std::chrono::nanoseconds limit) {
    (void)freezing_group(groups);
    const TimeLimit time(limit);
    // Someone else may have used the other one.
    for (const Group* const group : freezing_groups(groups)) {
        write_control(*group, freeze_file(*group).name, freeze_file(*group).thaw);
        if (await(*group, *time.left(), [&] { return has_thawed(*group); })) continue;
        throw timed_out("thaw", *group, limit,
                        frozen_above(*group) ? "a group above it is frozen" : "somebody else may have frozen it again");
    }
}

void begin_thaw(const Groups& groups) noexcept {
    try {
        for (const Group* const group : freezing_groups(groups))
            (void)write_control_at(group->directory.get(), freeze_file(*group).name, freeze_file(*group).thaw);
    } catch (const std::bad_alloc&) {
        return; // who wants them to end kills them
    }
}

void thaw_for_kill(const Groups& groups) {
    struct Thaw : GroupVisitor {
        void visit(int directory) override { (void)write_control_at(directory, Version1.name, Version1.thaw); }
    } visitor;
    const Group* const group = groups.find(Controller::Freezer);
    if (group == nullptr || group->hierarchy->version != 1) return;
    walk_groups(group->directory.get(), visitor);
    if (!frozen_above(*group)) return;
    for (const pid_t pid : processes_in(*group)) thaw_for_kill(groups, pid);
}

void thaw_for_kill(const Groups& groups, pid_t process) noexcept {
    const Group* const group = groups.find(Controller::Freezer);
    if (group == nullptr || group->hierarchy->version != 1) return;
    try {
        // Who arrives in a group that is not frozen goes on. The topmost never is.
        const UniqueFd top(::open(group->hierarchy->mount_point.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        (void)write_control_at(top.get(), "cgroup.procs", std::to_string(process));
    } catch (const std::bad_alloc&) {
        return;
    }
}

} // namespace ct::internal
