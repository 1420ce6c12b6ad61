// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "follow/run_follower.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>

#include "base/concat.hpp"
#include "state/cleanup.hpp"

namespace ct::internal {

RunFollower::RunFollower(const Store& store, const StoredRecord& present)
    : store_(store), record_(present.record), watch_(store.watch(record_.name)) {
    if (record_.viewpoint == store_.viewpoint()) owner_ = open_if_alive(record_.owner);
    if (!watch_) status_ = Status::Ended;
}

RunFollower::Status RunFollower::look() const {
    const auto present = store_.read(record_.name);
    if (!present || present->record.created != record_.created) return Status::Ended;
    const Record& record = present->record;
    const bool same_run = record_.phase == Phase::Starting || record.init == record_.init;
    if (record.phase == Phase::Idle || !same_run) return Status::Ended;
    const Standing standing = assess(record, store_.viewpoint()).standing;
    if (owner_alive(record, store_.viewpoint())) return Status::Live;
    return standing == Standing::Running ? Status::Orphaned : Status::Ended;
}

RunFollower::Status RunFollower::status() {
    if (status_ != Status::Live) return status_;
    alignas(inotify_event) std::array<char, 4096> events{};
    while (::read(watch_.get(), events.data(), events.size()) > 0) continue;
    status_ = look();
    return status_;
}

} // namespace ct::internal
