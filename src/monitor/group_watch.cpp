// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor/group_watch.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <string_view>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "cgroup/control_file.hpp"
#include "cgroup/stats_text.hpp"

namespace ct::internal {

namespace {

void take(std::uint64_t& count, std::optional<std::uint64_t> found) {
    // A count that goes back is one of a group that is made anew; there is none.
    count = std::max(count, found.value_or(0));
}

void parse_memory(std::string_view text, GroupCounts& counts) {
    std::optional<std::uint64_t> high, oom, kills;
    parse_keyed(text, {{"high", high}, {"oom", oom}, {"oom_kill", kills}});
    take(counts.memory_high, high);
    take(counts.ooms, oom);
    take(counts.oom_kills, kills);
}

void parse_oom_control(std::string_view text, GroupCounts& counts) {
    std::optional<std::uint64_t> kills;
    parse_keyed(text, {{"oom_kill", kills}});
    take(counts.oom_kills, kills);
}

void parse_pids(std::string_view text, GroupCounts& counts) {
    std::optional<std::uint64_t> max;
    parse_keyed(text, {{"max", max}});
    take(counts.pids_limit, max);
}

void parse_events(std::string_view text, GroupCounts& counts) {
    std::optional<std::uint64_t> frozen;
    parse_keyed(text, {{"frozen", frozen}});
    if (frozen) counts.frozen = *frozen != 0;
}

void parse_freezer(std::string_view text, GroupCounts& counts) {
    counts.frozen = text.starts_with("FROZEN");
}

} // namespace

GroupWatch::GroupWatch(std::shared_ptr<Loop> loop, std::shared_ptr<const Groups> groups, Report report)
    : loop_(std::move(loop)), groups_(std::move(groups)), report_(std::move(report)) {}

GroupWatch::~GroupWatch() {
    for (const Loop::Id id : ids_) loop_->remove(id);
}

void GroupWatch::start(From from) {
    const Group* const memory = groups_->find(Controller::Memory);
    if (memory != nullptr && memory->hierarchy->version == 1) {
        watch_oom_control(*memory);
    } else {
        watch(memory, "memory.events", parse_memory);
    }
    watch(groups_->find(Controller::Pids), "pids.events", parse_pids);
    // The freezer of version 1 announces nothing: whoever uses it has to look.
    const Group* const freezer = groups_->find(Controller::Freezer);
    const bool old = groups_->unified() == nullptr && freezer != nullptr;
    watch(old ? freezer : groups_->unified(), old ? "freezer.state" : "cgroup.events",
          old ? parse_freezer : parse_events);
    {
        const std::lock_guard lock(mutex_);
        if (from == From::Now) (void)read(counts_);
        for (const File& file : files_) {
            if (file.parse != parse_oom_control && file.parse != parse_freezer) add(file.fd.get(), EPOLLPRI);
        }
        if (oom_) add(oom_.get(), EPOLLIN);
    }
    look(); // from here on the kernel tells
}

void GroupWatch::watch(const Group* group, const char* name, decltype(File::parse) parse) {
    if (group == nullptr) return;
    UniqueFd fd(::openat(group->directory.get(), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd && errno == ENOENT) return; // a controller that does not count
    if (!fd) throw sys::error(errno, Stage::Cgroup, "watch", concat(group->path, "/", name));
    files_.push_back({sys::above_stdio(std::move(fd), Stage::Cgroup, "watch"), parse});
}

void GroupWatch::watch_oom_control(const Group& group) {
    watch(&group, "memory.oom_control", parse_oom_control);
    if (files_.empty()) return;
    oom_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!oom_) throw sys::error(errno, Stage::Cgroup, "make an eventfd");
    oom_ = sys::above_stdio(std::move(oom_), Stage::Cgroup, "duplicate an eventfd");
    write_control(group, "cgroup.event_control", concat(oom_.get(), ' ', files_.back().fd.get()));
}

void GroupWatch::add(int fd, std::uint32_t events) {
    ids_.push_back(loop_->add(fd, events, [weak = weak_from_this()](std::uint32_t) {
        if (const auto self = weak.lock()) self->look();
    }));
}

bool GroupWatch::read(GroupCounts& counts) const {
    for (const File& file : files_) {
        std::array<char, 512> text{};
        // Reading marks what has happened up to now as known.
        const ssize_t size = ::pread(file.fd.get(), text.data(), text.size(), 0);
        if (size < 0) return false;
        file.parse({text.data(), static_cast<std::size_t>(size)}, counts);
    }
    return true;
}

void GroupWatch::look() {
    const std::lock_guard lock(mutex_);
    std::uint64_t ooms = 0;
    const bool out_of_memory = oom_ && ::read(oom_.get(), &ooms, sizeof ooms) == sizeof ooms;
    GroupCounts now = counts_;
    if (!read(now)) {
        // The kernel reports the files of a group that is gone for ever.
        for (const Loop::Id id : ids_) loop_->remove(id);
        ids_.clear();
        return;
    }
    if (out_of_memory) now.ooms += ooms;
    if (now == counts_) return;
    report_(counts_, now);
    counts_ = now;
}

} // namespace ct::internal
