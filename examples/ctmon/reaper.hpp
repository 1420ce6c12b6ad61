// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/unique_fd.hpp"
#include "monitor/loop.hpp"

namespace ctmon {

/// Reaps all children of this process, which is the subreaper of its containers, and tells how those ended that
/// somebody watches.
class Reaper {
public:
    using Id = std::uint64_t;
    /// \param status  as of waitpid(2); none if nobody knows it: the process was no child
    using Callback = std::function<void(std::optional<int> status)>;

    /// Blocks SIGCHLD in this process. \throws ct::Error
    explicit Reaper(std::shared_ptr<ct::internal::Loop> loop);
    Reaper(const Reaper&) = delete;
    Reaper& operator=(const Reaper&) = delete;
    ~Reaper();

    /// As long as there is one, statuses are kept of processes that nobody watches: a container's first process may end
    /// before its pid is known.
    class Expectation {
    public:
        explicit Expectation(Reaper& reaper) noexcept : reaper_(reaper) { ++reaper_.expectations_; }
        Expectation(const Expectation&) = delete;
        Expectation& operator=(const Expectation&) = delete;
        ~Expectation() {
            if (--reaper_.expectations_ == 0) reaper_.unclaimed_.clear();
        }

    private:
        Reaper& reaper_;
    };

    /// Calls \p callback once, within a dispatch of the loop. The process need not be a child.
    void watch(pid_t pid, Callback callback);
    /// Another process has reaped \p pid for this one.
    void note(pid_t pid, int status);
    /// From now on statuses may also come by note(): who is no child is waited for until then.
    void expect_notes() noexcept { expects_notes_ = true; }
    /// They come no more: who has ended has an unknown status, unless the kernel has kept it.
    void expect_no_notes();
    /// Whether there is a child, living or not.
    [[nodiscard]] static bool has_children() noexcept;
    void reap_all();

private:
    struct Watched {
        ct::internal::UniqueFd pidfd;
        ct::internal::Loop::Id watch = 0;
        Callback callback;
    };
    void ended(pid_t pid);
    void tell(pid_t pid, std::optional<int> status);

    const std::shared_ptr<ct::internal::Loop> loop_;
    ct::internal::UniqueFd signals_;
    ct::internal::Loop::Id watch_ = 0;
    bool expects_notes_ = false;
    std::map<pid_t, Watched> watched_;
    int expectations_ = 0;
    std::vector<std::pair<pid_t, int>> unclaimed_;
};

} // namespace ctmon
