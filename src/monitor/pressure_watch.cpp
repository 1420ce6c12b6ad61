// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor/pressure_watch.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "cgroup/stats_text.hpp"

namespace ct::internal {

namespace {

std::string_view name_of(Resource resource) {
    constexpr std::array<std::string_view, 3> names{"cpu", "memory", "io"};
    return names.at(static_cast<std::size_t>(resource));
}

UniqueFd open_trigger(const Groups& groups, const PressureTrigger& trigger) {
    const std::string file = concat(name_of(trigger.resource), ".pressure");
    constexpr std::string_view action = "watch the pressure";
    const Group* const group = groups.unified();
    if (group == nullptr) {
        throw Error(Errc::Unsupported, Stage::Cgroup, action, file,
                    "only groups of cgroup version 2 have it, and the container has none");
    }
    const std::string path = concat(group->path, "/", file);
    UniqueFd fd(::openat(group->directory.get(), file.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd && (errno == ENOENT || errno == EOPNOTSUPP)) {
        throw Error(Errc::Unsupported, Stage::Cgroup, action, path,
                    "this kernel does not measure it: it has no PSI, or that is off (psi=1 on its command line)");
    }
    if (!fd) throw sys::error(errno, Stage::Cgroup, action, path);
    const std::string text =
        concat(trigger.full ? "full " : "some ", trigger.stall.count(), ' ', trigger.window.count());
    // With the NUL byte at its end.
    if (::write(fd.get(), text.c_str(), text.size() + 1) < 0) {
        if (errno == EOPNOTSUPP) {
            throw Error(Errc::Unsupported, Stage::Cgroup, action, path,
                        "PSI is off: psi=1 on the kernel's command line");
        }
        throw sys::error(errno, Stage::Cgroup, concat(action, " of '", text, "'"), path,
                         errno == EINVAL ? "without CAP_SYS_RESOURCE the window has to be a multiple of 2 s" : "");
    }
    return sys::above_stdio(std::move(fd), Stage::Cgroup, action);
}

} // namespace

PressureWatch::PressureWatch(std::shared_ptr<Loop> loop, const Groups& groups, const PressureTrigger& trigger,
                             Report report)
    : loop_(std::move(loop)), report_(std::move(report)), fd_(open_trigger(groups, trigger)) {}

PressureWatch::~PressureWatch() {
    if (id_ != 0) loop_->remove(id_);
}

void PressureWatch::start() {
    id_ = loop_->add(fd_.get(), EPOLLPRI, [weak = weak_from_this()](std::uint32_t events) {
        if (const auto self = weak.lock()) self->look(events);
    });
}

void PressureWatch::look(std::uint32_t events) {
    std::array<char, 512> text{};
    const ssize_t size = ::pread(fd_.get(), text.data(), text.size(), 0);
    if ((events & EPOLLERR) != 0 || size < 0) { // the group is gone
        loop_->remove(id_);
        return;
    }
    report_(parse_pressure({text.data(), static_cast<std::size_t>(size)}));
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
    if (!found.empty()) throw Error::invalid_config("watch the pressure", std::move(found));
}

} // namespace ct::internal
