// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor/pressure_watch.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "cgroup/stats_text.hpp"

namespace ct::internal {

namespace {

constexpr std::string_view Action = "watch the pressure";
constexpr std::string_view NotMeasured =
    "the kernel measures no pressure there: it has no PSI, or that is off (psi=1 on its command line puts it on, 1 in "
    "cgroup.pressure that of a group)";

std::string_view name_of(Resource resource) {
    constexpr std::array<std::string_view, 3> names{"cpu.pressure", "memory.pressure", "io.pressure"};
    return names.at(static_cast<std::size_t>(resource));
}

/// \throws Error that tells where it was looked for
const Group& group_with_pressure(const Groups* groups, std::string_view file) {
    if (groups != nullptr && groups->unified() != nullptr) return *groups->unified();
    std::string where;
    if (groups != nullptr) {
        for (const std::string& path : groups->paths()) where += concat(where.empty() ? "" : ", ", path);
    }
    throw Error(Errc::Unsupported, Stage::Cgroup, Action, file,
                concat("only groups of cgroup version 2 have that file, and the container has none: ",
                       where.empty() ? "it is in no group of its own" : concat("its groups are ", where),
                       "; Cgroup::own_group makes one where the host has version 2"));
}

std::string_view hint_for(int error) {
    if (error == EINVAL) return "without CAP_SYS_RESOURCE the window has to be a multiple of 2 s";
    if (error == EPERM || error == EACCES) return "before Linux 6.5 this needs CAP_SYS_RESOURCE";
    return {};
}

UniqueFd open_trigger(const Groups* groups, const PressureTrigger& trigger) {
    const std::string file(name_of(trigger.resource));
    const Group& group = group_with_pressure(groups, file);
    const std::string path = concat(group.path, "/", file);
    sys::fault_point(Stage::Cgroup, Action, path);
    UniqueFd fd(::openat(group.directory.get(), file.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd && (errno == ENOENT || errno == EOPNOTSUPP)) {
        throw Error(Errc::Unsupported, Stage::Cgroup, Action, path, NotMeasured);
    }
    if (!fd) throw sys::error(errno, Stage::Cgroup, Action, path, hint_for(errno));
    const std::string text = concat(trigger.stalled == Stalled::Full ? "full " : "some ", trigger.stall.count(), ' ',
                                    trigger.window.count());
    // With the NUL byte at its end.
    if (::write(fd.get(), text.c_str(), text.size() + 1) < 0) {
        const int error = errno;
        if (error == EOPNOTSUPP) throw Error(Errc::Unsupported, Stage::Cgroup, Action, path, NotMeasured);
        throw sys::error(error, Stage::Cgroup, concat("write '", text, "' to"), path, hint_for(error));
    }
    return sys::above_stdio(std::move(fd), Stage::Cgroup, Action);
}

} // namespace

PressureWatch::PressureWatch(std::shared_ptr<OncePolls> polls, const Groups* groups, const PressureTrigger& trigger,
                             Report report)
    : polls_(std::move(polls)), report_(std::move(report)), fd_(open_trigger(groups, trigger)) {}

PressureWatch::~PressureWatch() {
    if (id_ != 0) polls_->remove(id_);
}

void PressureWatch::start() {
    if (id_ == 0)
        id_ = polls_->add(fd_.get(), [weak = weak_from_this()](bool gone) {
            if (const auto self = weak.lock(); self && !gone) self->look();
        });
}

void PressureWatch::look() const {
    std::array<char, 512> text{};
    const ssize_t size = ::pread(fd_.get(), text.data(), text.size(), 0);
    if (size > 0) report_(parse_pressure({text.data(), static_cast<std::size_t>(size)}));
}

void check_pressure_trigger(const PressureTrigger& trigger) {
    using std::chrono::microseconds;
    std::vector<std::string> found;
    if (trigger.window < microseconds(500'000) || trigger.window > microseconds(10'000'000)) {
        found.push_back(concat("the window of ", trigger.window.count(), " us is not 500 ms to 10 s"));
    }
    if (trigger.stall <= microseconds(0) || trigger.stall > trigger.window) {
        found.push_back(concat("a stall of ", trigger.stall.count(), " us is not within the window"));
    }
    if (!found.empty()) throw Error::invalid_config(Action, std::move(found));
}

} // namespace ct::internal
