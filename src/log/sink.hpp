// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <ct/log.hpp>

#include "log/scratch.hpp"

namespace ct::internal {

/// A sink that may fail for a while: it keeps what it could not deliver, and drops what is too much of that.
class DeliveringSink : public LogSink {
public:
    using Clock = std::chrono::steady_clock;

    DeliveringSink(std::string container, LogDelivery delivery);

    void write(std::span<const LogRecord> records) final;
    /// Delivers what is left as far as possible, and drops the rest.
    void finish() override;

    /// Nothing more is to be read, for now.
    [[nodiscard]] bool blocks() const noexcept { return delivery_.policy == LogPolicy::Block && next_try_; }
    /// Whoever takes the records is there, and is only busy: the rest will be taken soon.
    [[nodiscard]] bool is_behind() const noexcept { return next_try_ && (error_ == EAGAIN || error_ == ENOBUFS); }
    /// When retry() should be called; none while all goes well.
    [[nodiscard]] std::optional<Clock::time_point> next_try() const noexcept { return next_try_; }
    void retry(Clock::time_point now);

    [[nodiscard]] std::uint64_t dropped_bytes() const noexcept { return dropped_bytes_; }
    [[nodiscard]] std::uint64_t dropped_records() const noexcept { return dropped_records_; }

    /// The start failed: nothing is to be left.
    virtual void abandon() noexcept {}

protected:
    /// Delivers \p records, in order, as many as possible. \returns how many; if not all, `error_` says why not
    virtual std::size_t put(std::span<const LogRecord> records) = 0;
    /// Whether a part of what put() has taken is not delivered yet; the next put(), of nothing perhaps, goes on with
    /// it.
    [[nodiscard]] virtual bool has_rest() const noexcept { return false; }
    void count_dropped(std::size_t bytes) noexcept;
    /// What the container has written for it.
    [[nodiscard]] static std::size_t size_of(const LogRecord& record) noexcept {
        return record.bytes.size() + (record.partial ? 0 : 1);
    }

    int error_ = 0;

private:
    /// A record with its bytes.
    struct Kept {
        LogRecord record;
        std::string bytes;
        bool note = false; ///< Of libct's own.
    };
    void keep(const LogRecord& record);
    void append(const LogRecord& record, bool note = false);
    void append_note();
    /// \returns whether all of the backlog was delivered
    bool deliver_backlog();

    const std::string container_;
    const LogDelivery delivery_;
    std::deque<Kept> backlog_;
    std::size_t backlog_bytes_ = 0;
    std::optional<Clock::time_point> next_try_;
    std::chrono::milliseconds pause_{};
    std::atomic<std::uint64_t> dropped_bytes_{0};
    std::atomic<std::uint64_t> dropped_records_{0};
    std::uint64_t noted_bytes_ = 0; ///< Of the dropped: what a note has told of.
    std::uint64_t noted_records_ = 0;
};

/// The sink of \p target. \throws Error if it cannot be opened
[[nodiscard]] std::unique_ptr<DeliveringSink> open_sink(const LogTarget& target, const std::string& container,
                                                        std::shared_ptr<ScratchPool> scratches);

} // namespace ct::internal
