// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "base/unique_fd.hpp"
#include "monitor/loop.hpp"

namespace ct::internal {

/// The host's end of a process's standard input: a pipe, a terminal, or a socket. Never blocks, and keeps nothing: what
/// the kernel does not take is the writer's still. Those who wait for room are told one after the other, as long as
/// there is some, so that nobody starves.
class Input : public std::enable_shared_from_this<Input> {
public:
    class Waiter {
    public:
        virtual ~Waiter() = default;
        /// Called without any lock, on the thread that dispatches.
        virtual void room() = 0;
    };

    /// Makes \p fd non-blocking. \throws Error with Stage::Stdio
    Input(UniqueFd fd, const std::shared_ptr<Loop>& loop);
    Input(const Input&) = delete;
    Input& operator=(const Input&) = delete;
    ~Input();

    /// \returns how much was taken; none if nobody will ever read it
    [[nodiscard]] std::optional<std::size_t> write(std::string_view bytes);
    /// Tells \p waiter once.
    void await_room(std::weak_ptr<Waiter> waiter);
    /// The reader gets the end of file. That of a terminal is a character, after which it goes on.
    void end();
    /// Gives the descriptor back to the kernel.
    void close() noexcept;
    /// Borrowed; -1 once it was given back.
    [[nodiscard]] int descriptor();

private:
    void write_ends();
    void close_locked() noexcept;
    void arm();
    void ready();

    const bool terminal_;
    const std::weak_ptr<Loop> loop_;
    std::mutex mutex_; ///< Guards what follows.
    UniqueFd fd_;
    bool full_ = false;
    bool in_line_ = false; ///< The last byte did not end a line.
    int ends_due_ = 0;     ///< End-of-file characters to be written.
    std::deque<std::weak_ptr<Waiter>> waiters_;
    Loop::Id watch_ = 0;
};

} // namespace ct::internal
