// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>

#include <ct/attach.hpp>

#include "attach/client.hpp"
#include "attach/listener.hpp"
#include "attach/point.hpp"
#include "log/scratch.hpp"
#include "monitor/loop.hpp"

namespace ct::internal {

/// The socket of an AttachServer, and its clients. As one who is attached it hears of the end; each client is another.
class AttachServerCore final : public AttachTap, public std::enable_shared_from_this<AttachServerCore> {
public:
    /// \param point  null: one of its own
    /// \throws Error
    AttachServerCore(AttachServerOptions options, std::shared_ptr<AttachPoint> point, std::shared_ptr<Loop> loop,
                     std::shared_ptr<ScratchPool> scratches);
    /// Begins to serve. \throws Error
    void open();
    /// Ends that at once, except in a fork of the host process.
    void close() noexcept;
    void disconnect_clients() noexcept;
    [[nodiscard]] bool finished() const noexcept;
    [[nodiscard]] AttachServerStats stats() const;
    /// \throws Error if it is a container's
    [[nodiscard]] AttachPoint& own_point(std::string_view action) const;
    [[nodiscard]] const std::shared_ptr<AttachPoint>& point() const noexcept { return point_; }
    [[nodiscard]] const std::shared_ptr<Loop>& loop() const noexcept { return loop_; }

    // Of its clients, which hold no lock then.
    /// \param expelled  for what it did, or did not
    void drop(const AttachClient& client, bool expelled) noexcept;
    void input_ended(const AttachClient& client);
    /// It is a client no more, and only waits for the container to take its input.
    void orphan(const AttachClient& client) noexcept;
    // What follows takes no lock.
    void count_skipped(std::size_t bytes) noexcept { skipped_bytes_ += bytes; }
    void count_spilled(std::size_t bytes) noexcept { spilled_bytes_ += bytes; }
    void count_lost(std::size_t bytes) noexcept { lost_input_ += bytes; }
    /// Input of one who is gone, with its cost. \returns false if there is no room for it
    [[nodiscard]] bool keep_input(std::size_t bytes) noexcept;
    void release_input(std::size_t bytes) noexcept { orphaned_input_ -= bytes; }

    void begin(std::vector<OutputPiece>) override {}
    /// Accepts those whose connection is older than the output.
    void before_output() noexcept override;
    void output(SharedChunk&) override {}
    void room() override {}
    void end(bool calls_handlers) override;

private:
    struct Entry {
        std::shared_ptr<AttachClient> client;
        bool writes = true;    ///< Its input has not ended.
        bool orphaned = false; ///< It is gone, and its input is not delivered yet.
    };
    using Clients = std::map<const AttachClient*, Entry>;

    void listen();
    /// \param most  of those who wait
    void accept_some(int most);
    /// \returns false if there is nobody who could be accepted now
    bool accept_one();
    /// Tries again in a while: there are no descriptors left.
    void pause();
    void close_listener() noexcept;
    /// Gives those who are still there a while to read the rest.
    void linger();
    /// Disconnects those who have not read anything in that while.
    void expire();

    const AttachServerOptions options_;
    const pid_t process_;
    const bool owns_point_;
    const std::shared_ptr<AttachPoint> point_;
    const std::shared_ptr<Loop> loop_;
    const std::shared_ptr<ScratchPool> scratches_;
    const AttachClient::Limits limits_; ///< Of each client.
    std::atomic<std::uint64_t> accepted_{0};
    std::atomic<std::uint64_t> refused_{0};
    std::atomic<std::uint64_t> expelled_{0};
    std::atomic<std::uint64_t> skipped_bytes_{0};
    std::atomic<std::uint64_t> spilled_bytes_{0};
    std::atomic<std::size_t> orphaned_input_{0};
    std::atomic<std::uint64_t> lost_input_{0};
    mutable std::mutex mutex_; ///< Guards what follows; not held while clients or the output are called.
    std::shared_ptr<AttachListener> listener_;
    Loop::Id watch_ = 0;
    Loop::Id timer_ = 0; ///< Of a pause, and later of the end.
    Clients clients_;
    std::size_t orphans_ = 0; ///< Clients that are gone: they do not count.
    std::size_t writers_ = 0; ///< Clients whose input has not ended.
    bool ended_ = false;      ///< Who comes now has come too late.
};

} // namespace ct::internal
