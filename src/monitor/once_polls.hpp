// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <linux/aio_abi.h>

#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/unique_fd.hpp"
#include "monitor/loop.hpp"

namespace ct::internal {

/// Watches descriptors whose readiness is gone as soon as poll(2) has told it, such as triggers of pressure. An epoll
/// descriptor that is polled itself, as that of a session is, would swallow it: whoever polls it makes it ask. The
/// kernel's IOCB_CMD_POLL tells an eventfd instead, which stays readable.
class OncePolls {
public:
    using Id = std::uint64_t;
    /// \param gone  the descriptor is of no more use, and is not watched any more
    using Callback = std::function<void(bool gone)>;

    /// \throws Error with Errc::Unsupported if the kernel has no such polls
    static std::shared_ptr<OncePolls> make(Loop& loop);
    explicit OncePolls(UniqueFd completed) : completed_(std::move(completed)) {}
    OncePolls(const OncePolls&) = delete;
    OncePolls& operator=(const OncePolls&) = delete;
    ~OncePolls();

    /// Calls \p callback whenever \p fd, which stays open until remove(), has told POLLPRI.
    Id add(int fd, Callback callback);
    void remove(Id id) noexcept;

private:
    struct Poll {
        iocb request = {};
        aio_context_t context = 0;
        Callback callback;
    };

    void submit(Poll& poll);
    void open_context();
    /// Calls those that were told.
    void look();
    void told(const io_event& event);

    const UniqueFd completed_;
    std::mutex mutex_; ///< Guards what follows; not held while callbacks run.
    std::vector<aio_context_t> contexts_;
    std::unordered_map<Id, std::shared_ptr<Poll>> polls_;
    Id last_ = 0;
};

} // namespace ct::internal
