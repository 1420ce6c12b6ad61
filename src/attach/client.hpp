// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ct/attach.hpp>

#include "attach/point.hpp"
#include "attach/spill_file.hpp"
#include "base/unique_fd.hpp"
#include "log/scratch.hpp"
#include "monitor/loop.hpp"

namespace ct::internal {

class AttachServerCore;

/// One who has connected to an AttachServer. Output goes out as soon as it comes; what the socket does not take is kept
/// in a bounded queue, and what has no room there in a file, if it is to spill. One packet of input at a time is taken,
/// and no further one before the container has all of it. Once it is gone, all it has sent is taken off its socket, as
/// far as the server keeps that, and the socket is closed.
class AttachClient final : public AttachTap, public std::enable_shared_from_this<AttachClient> {
public:
    struct Limits {
        std::size_t queue;
        SlowClient slow;
        std::uint64_t spill;
        std::string spill_directory;
    };

    AttachClient(UniqueFd socket, Limits limits, std::shared_ptr<AttachPoint> point,
                 std::weak_ptr<AttachServerCore> server, std::shared_ptr<Loop> loop,
                 std::shared_ptr<ScratchPool> scratches);

    /// Has the loop watch it. \throws Error
    void start();
    void begin(std::vector<OutputPiece> history) override;
    void output(SharedChunk& chunk) override;
    void room() override;
    void catch_up() override;
    /// Disconnects it once it has been sent everything.
    void end(bool calls_handlers) override;
    /// Disconnects it: it can still read what it was sent.
    void close() noexcept;
    /// Whether it has read anything since the end, or the last call.
    [[nodiscard]] bool has_read() noexcept;

private:
    struct Queued {
        char id;
        std::string_view left;
        std::shared_ptr<const std::string> owner; ///< Of the bytes; null while they are borrowed.
    };
    /// What has to be done once the mutex is free.
    struct Todo {
        bool unblock = false;
        bool input_ended = false;
        bool orphaned = false; ///< Only its input is left.
        bool gone = false;
        bool expelled = false;
    };
    void carry_out(const Todo& todo);
    /// What the loop calls.
    [[nodiscard]] Loop::Callback callback();
    void flush(Todo& todo);
    void pop(std::size_t packets) noexcept;
    void forget_queue(Todo& todo) noexcept;
    /// Deals with a queue that has grown too long by its last entry.
    void limit_queue(Todo& todo);
    void spill(char id, std::string_view bytes, Todo& todo);
    /// Queues what comes next of what was spilled. \returns whether there was anything
    bool refill(Todo& todo);
    /// What was sent, and is not read yet, is all that is left.
    [[nodiscard]] bool sent_all() const noexcept { return queue_.empty() && spill_.empty(); }
    /// \returns the size of the next packet, of which the first bytes are in \p scratch; 0 at the end
    [[nodiscard]] std::optional<std::size_t> next_packet(Scratch& scratch);
    /// \returns false if there is nothing to be received now
    bool receive(Todo& todo);
    /// Closes the socket of one who is gone. What it has sent is kept, or lost.
    void orphan(Todo& todo);
    /// As much of `input_` as the container takes.
    void pass_on_input();
    /// \p bytes of what is kept are not any more.
    void release(std::size_t bytes) noexcept;
    void ready(std::uint32_t events);
    /// Has the loop watch for what is of use now.
    void watch(Todo& todo);

    const Limits limits_;
    const std::shared_ptr<AttachPoint> point_;
    const std::weak_ptr<AttachServerCore> server_;
    const std::shared_ptr<Loop> loop_;
    const std::shared_ptr<ScratchPool> scratches_;
    std::mutex mutex_; ///< Guards what follows; not held while the server or the output is called.
    UniqueFd socket_;
    std::deque<Queued> queue_;
    std::size_t queued_ = 0; ///< What the entries cost.
    std::size_t history_ = 0;
    SpillFile spill_;                      ///< What comes after the queue.
    std::uint64_t packets_ = 0;            ///< Sent.
    std::pair<std::uint64_t, int> seen_{}; ///< Of these, and what was not read of them, when that was last looked at.
    bool blocks_ = false;
    bool reads_ = true;    ///< Its input has not ended.
    bool hung_up_ = false; ///< It cannot be sent anything any more.
    bool gone_ = false;    ///< And sends nothing any more.
    bool ending_ = false;
    std::deque<std::string> input_; ///< Packets that the container has not taken yet: one, or all of one who is gone.
    std::size_t kept_ = 0;          ///< What the server has counted for that.
    Loop::Id watch_ = 0;
    std::uint32_t watched_;
};

} // namespace ct::internal
