// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/unique_fd.hpp"

namespace ct::internal {

class Meanwhile;
class ProcessCore;

/// The processes that entered a container and are not reaped yet.
///
/// They are children of the host. Kept here, they leave no zombie when nobody waits for them. And the first process of
/// a pid namespace does not end before all others in it are reaped (zap_pid_ns_processes in the kernel): who waits for
/// it has to reap these meanwhile.
class Entered {
public:
    Entered() = default;
    Entered(const Entered&) = delete;
    Entered& operator=(const Entered&) = delete;

    void add(const std::shared_ptr<ProcessCore>& process);
    /// Reaps those that have ended; never blocks.
    void sweep();
    /// All that are not reaped yet.
    [[nodiscard]] std::vector<std::shared_ptr<ProcessCore>> all();
    /// Takes over all of \p other.
    void take_all(Entered& other);

    /// Blocks until the first process of the container has ended, at most for \p limit, and reaps the others.
    /// \param first  its pidfd, the same at every call
    [[nodiscard]] bool wait_until_ended(int first, std::optional<std::chrono::nanoseconds> limit,
                                        Meanwhile* meanwhile = nullptr);

private:
    /// \returns null if no descriptor is to be had
    std::shared_ptr<UniqueFd> open_epoll(int first);
    /// Reaps what epoll reports within that time; -1: however long it takes. \returns whether the first process has
    /// ended
    bool reap_ready(int epoll, int milliseconds);
    void watch(int epoll, ProcessCore& process);
    void reap(ProcessCore* process);

    std::mutex mutex_;
    std::map<ProcessCore*, std::shared_ptr<ProcessCore>> processes_;
    std::weak_ptr<UniqueFd> epoll_; ///< Of the first process and all others; held by those who wait.
};

} // namespace ct::internal
