// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/removal.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <exception>
#include <optional>
#include <vector>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "cgroup/await.hpp"
#include "cgroup/control_file.hpp"
#include "cgroup/kill.hpp"
#include "cgroup/processes.hpp"
#include "cgroup/walk.hpp"
#include "launch/exit_status.hpp"

namespace ct::internal {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

/// From the innermost outwards.
class Remover : public GroupVisitor {
public:
    bool descend(int parent, const std::string& name) override {
        if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0) return false;
        return errno == EBUSY; // there may be others in it
    }
    void ascend(int parent, const std::string& name) override {
        if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) < 0 && errno != ENOENT) error = errno;
    }
    void refused(const std::string&, int why) override { error = why; }

    int error = 0;
};

/// Kills and awaits those who are in the group; \returns false if \p deadline has passed first
bool await_members(const Group& group, Clock::time_point deadline) {
    for (;;) {
        bool alive = false;
        for (const pid_t pid : processes_in(group)) {
            const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
            if (!process && errno != ESRCH) return false;
            // Who has ended may still be listed until its parent takes notice of it.
            if (!process || wait_until_ended(process.get(), nanoseconds(0))) continue;
            alive = true;
            (void)::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
            if (!wait_until_ended(process.get(), std::max<nanoseconds>(deadline - Clock::now(), nanoseconds(0))))
                return false;
        }
        if (!alive) return true;
    }
}

bool await_empty(const Group& group, Clock::time_point deadline) {
    if (group.hierarchy->version == 1) return await_members(group, deadline);
    return await_event(group, deadline - Clock::now(), [&] {
        std::string text;
        const int error = read_control_at(group.directory.get(), "cgroup.events", text);
        return error != 0 || text.find("populated 0") != std::string::npos;
    });
}

/// Who is in the way, for a message.
std::string occupants(const Group& group) {
    std::string text;
    for (const pid_t pid : processes_in(group)) {
        if (text.size() > 60) return text + ", ...";
        text += concat(text.empty() ? "these do not end: " : ", ", pid);
    }
    return text;
}

int try_remove(const Group& group) {
    return ::unlinkat(group.parent->directory.get(), group.name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT ? 0
                                                                                                               : errno;
}

/// \throws Error if it is still there after the deadline
void remove_group(const Groups& groups, const Group& group, Clock::time_point deadline) {
    int error = EBUSY;
    // Another round for those who came in meanwhile: by enter(), or by forks where nothing can freeze them.
    constexpr nanoseconds round = std::chrono::seconds(1);
    for (bool last = false; !last;) {
        last = Clock::now() + round >= deadline;
        if (!await_empty(group, last ? deadline : Clock::now() + round)) {
            kill_all(groups, round / 10);
            continue;
        }
        // The kernel may still be at work on the last of them, or on groups below, which it tells nobody.
        const nanoseconds left = std::max<nanoseconds>(deadline - Clock::now(), nanoseconds(0));
        const bool gone = await_by_looking(std::min(left, round), [&] {
            error = remove_tree(group.parent->directory.get(), group.name);
            return error == 0 || error == ENOENT || error != EBUSY;
        });
        if (gone) break;
    }
    if (error != 0 && error != ENOENT)
        throw sys::error(error, Stage::Cgroup, "remove the cgroup", group.path, occupants(group));
}

} // namespace

void remove_groups(const Groups& groups, nanoseconds limit) {
    std::vector<const Group*> left;
    for (const Group& group : groups.all()) {
        if (try_remove(group) != 0) left.push_back(&group);
    }
    if (left.empty()) return;
    const auto deadline = Clock::now() + limit;
    kill_all(groups, limit / 4);
    std::optional<Error> first;
    std::string others;
    for (const Group* const group : left) {
        try {
            remove_group(groups, *group, deadline);
        } catch (const Error& error) {
            if (first) others += concat(first->hint().empty() && others.empty() ? "" : "; ", error.what());
            if (!first) first = error;
        }
    }
    if (!first) return;
    throw Error(first->code(), Stage::Cgroup, "remove the cgroup", first->path(), first->hint() + others);
}

int try_remove_groups(const Groups& groups) {
    const auto remove_all = [&](auto remove) {
        int worst = 0;
        for (const Group& group : groups.all()) {
            const int error = remove(group);
            if (error != 0 && error != ENOENT && worst != EBUSY) worst = error;
        }
        return worst;
    };
    if (remove_all(try_remove) == 0) return 0;
    kill_all(groups, std::chrono::milliseconds(2)); // no longer than others may wait
    return remove_all([](const Group& group) { return remove_tree(group.parent->directory.get(), group.name); });
}

int remove_tree(int parent, const std::string& name) noexcept {
    if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0) return 0;
    if (errno != EBUSY) return errno;
    const UniqueFd top(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!top) return errno;
    Remover remover;
    try {
        walk_groups(top.get(), remover);
    } catch (const std::bad_alloc&) {
        return ENOMEM;
    } catch (const std::exception&) {
        return EBUSY;
    }
    if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0) return 0;
    return remover.error != 0 ? remover.error : errno;
}

} // namespace ct::internal
