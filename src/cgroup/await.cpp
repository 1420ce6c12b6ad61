// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/await.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "base/time_limit.hpp"

namespace ct::internal {

namespace {

using std::chrono::nanoseconds;

/// After that it is looked whether the group is still there.
constexpr std::chrono::milliseconds LostEvent{50};

} // namespace

bool await_event(const Group& group, nanoseconds limit, const std::function<bool()>& done) {
    const TimeLimit time(limit);
    const UniqueFd events(::openat(group.directory.get(), "cgroup.events", O_RDONLY | O_CLOEXEC));
    if (!events) throw sys::error(errno, Stage::Cgroup, "open", concat(group.path, "/cgroup.events"));
    for (;;) {
        // Reading marks what has happened up to now as known.
        std::array<char, 256> text{};
        if (::pread(events.get(), text.data(), text.size(), 0) < 0 && errno == ENODEV) return done();
        if (done()) return true;
        if (time.passed()) return false;
        pollfd fd{events.get(), POLLPRI, 0};
        // The kernel holds an event back that follows another within 10 ms, and for ever if the group is removed then.
        const timespec pause = to_timespec(std::min<nanoseconds>(*time.left(), LostEvent));
        if (::ppoll(&fd, 1, &pause, nullptr) < 0 && errno != EINTR)
            throw sys::error(errno, Stage::Cgroup, "wait for", concat(group.path, "/cgroup.events"));
    }
}

bool await_by_looking(nanoseconds limit, const std::function<bool()>& done) {
    constexpr nanoseconds longest = std::chrono::milliseconds(20);
    nanoseconds pause = std::chrono::microseconds(50);
    const TimeLimit time(limit);
    while (!done()) {
        if (time.passed()) return false;
        const timespec moment = to_timespec(std::min(pause, *time.left()));
        (void)::ppoll(nullptr, 0, &moment, nullptr);
        pause = std::min(2 * pause, longest);
    }
    return true;
}

} // namespace ct::internal
