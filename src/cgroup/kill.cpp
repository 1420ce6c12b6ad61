// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/kill.hpp"

#include <cerrno>
#include <csignal>
#include <exception>

#include <ct/error.hpp>

#include "cgroup/control_file.hpp"
#include "cgroup/freezer.hpp"
#include "cgroup/processes.hpp"

namespace ct::internal {

namespace {

bool can_freeze(const Groups& groups) noexcept {
    return groups.unified() != nullptr || groups.find(Controller::Freezer) != nullptr;
}

} // namespace

void kill_members(const Group& group) noexcept {
    try {
        // By number, which is safe: as long as they are frozen, none of them ends. Who is not frozen may end in between
        // and, in theory, have left its number to another.
        for (const pid_t pid : processes_in(group)) (void)::kill(pid, SIGKILL);
    } catch (const std::exception&) {
        // Then they are found the next time.
    }
}

void kill_frozen(const Groups& groups, std::chrono::nanoseconds limit) {
    if (!can_freeze(groups)) {
        for (const Group& group : groups.all()) kill_members(group);
        return;
    }
    const Group& group = freezing_group(groups);
    (void)write_control_at(group.directory.get(), freeze_file(group).name, freeze_file(group).freeze);
    try {
        await_frozen(group, limit);
    } catch (const Error&) {
        // One that does not even freeze does not fork either.
    }
    kill_members(group);
    (void)write_control_at(group.directory.get(), freeze_file(group).name, freeze_file(group).thaw);
}

void kill_all(const Groups& groups, std::chrono::nanoseconds limit) {
    const Group* const unified = groups.unified();
    const int error = unified == nullptr ? ENOENT : write_control_at(unified->directory.get(), "cgroup.kill", "1");
    // EOPNOTSUPP: somebody has made it a group of threads.
    if (error != 0) kill_frozen(groups, limit);
    thaw_for_kill(groups);
}

} // namespace ct::internal
