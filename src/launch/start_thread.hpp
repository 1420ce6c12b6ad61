// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>

#include "base/unique_fd.hpp"

namespace ct::internal {

/// A thread that makes processes for others, so that the parent-death signal of these processes tells its end.
///
/// It blocks all signals, and does one job at a time. The object may be used by any number of threads, and also be
/// destroyed in a fork(2) of the host, where there is no such thread any more.
class StartThread {
public:
    /// \throws Error if there is no thread to be had
    StartThread();
    StartThread(const StartThread&) = delete;
    StartThread& operator=(const StartThread&) = delete;
    /// Ends the thread, and waits for that.
    ~StartThread();

    /// Whether this process is the one that has the thread.
    [[nodiscard]] bool usable() const noexcept;
    /// Runs \p job on the thread; what it throws is thrown here.
    void run(const std::function<void()>& job);

    /// The process of that descriptor, which lives at least as long as the process, has a parent-death signal.
    void watch(std::weak_ptr<const UniqueFd> pidfd);
    /// From now on the thread ends by itself, after all the processes that are watched.
    void outlive_object() noexcept;

private:
    struct State;

    pid_t owner_;
    std::shared_ptr<State> state_;
};

} // namespace ct::internal
