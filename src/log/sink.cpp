// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "log/sink.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/concat.hpp"
#include "log/datagram_sink.hpp"
#include "log/file_sink.hpp"

namespace ct {

LogSink::~LogSink() = default;

} // namespace ct

namespace ct::internal {

namespace {

constexpr std::chrono::milliseconds SlowPause{1}; ///< For who takes something each time, but not all.
constexpr std::chrono::milliseconds FirstPause{10};
constexpr std::chrono::milliseconds LongestPause{1000};
constexpr std::size_t Portion = 64; ///< Of the backlog, delivered at a time.

} // namespace

DeliveringSink::DeliveringSink(std::string container, LogDelivery delivery)
    : container_(std::move(container)), delivery_(delivery) {}

void DeliveringSink::count_dropped(std::size_t bytes) noexcept {
    dropped_bytes_ += bytes;
    ++dropped_records_;
}

void DeliveringSink::append(const LogRecord& record, bool note) {
    backlog_.push_back({record, std::string(record.bytes), note});
    backlog_.back().record.container = container_;
    backlog_bytes_ += record.bytes.size();
}

void DeliveringSink::append_note() {
    const std::uint64_t records = dropped_records_ - noted_records_;
    if (records == 0) return;
    const std::string text =
        concat("libct: dropped ", records, " lines or parts of lines, ", dropped_bytes_ - noted_bytes_, " bytes",
               error_ != 0 ? concat(": ", ::strerrordesc_np(error_)) : "");
    noted_records_ += records;
    noted_bytes_ = dropped_bytes_;
    append({.container = container_, .stream = Stream::Error, .time = std::chrono::system_clock::now(), .bytes = text},
           true);
}

void DeliveringSink::keep(const LogRecord& record) {
    const bool has_room =
        delivery_.policy == LogPolicy::Block || backlog_bytes_ + record.bytes.size() <= delivery_.backlog.count;
    if (!has_room) return count_dropped(size_of(record));
    append_note();
    append(record);
}

bool DeliveringSink::deliver_backlog() {
    std::vector<LogRecord> portion;
    do {
        portion.clear();
        for (std::size_t i = 0; i < std::min(Portion, backlog_.size()); ++i) {
            portion.push_back(backlog_[i].record);
            portion.back().bytes = backlog_[i].bytes; // where the string is now
        }
        const std::size_t taken = put(portion);
        for (std::size_t i = 0; i < taken; ++i) {
            backlog_bytes_ -= backlog_.front().bytes.size();
            backlog_.pop_front();
        }
        if (taken < portion.size() || has_rest()) return false;
        if (backlog_.empty()) append_note();
    } while (!backlog_.empty());
    return true;
}

void DeliveringSink::retry(Clock::time_point now) {
    if (!next_try_ || now < *next_try_) return;
    const std::size_t before = backlog_.size();
    if (deliver_backlog()) {
        next_try_.reset();
        pause_ = {};
        return;
    }
    pause_ = backlog_.size() < before ? SlowPause : std::clamp(pause_ * 2, FirstPause, LongestPause);
    next_try_ = now + pause_;
}

void DeliveringSink::write(std::span<const LogRecord> records) {
    const auto fit = [&] {
        std::size_t size = backlog_bytes_;
        for (const LogRecord& record : records) size += record.bytes.size();
        return size <= delivery_.backlog.count;
    };
    // Before anything is dropped.
    if (next_try_ && !fit() && deliver_backlog()) next_try_.reset();
    const std::size_t taken = next_try_ ? 0 : put(records);
    if (taken == records.size() && !has_rest() && !next_try_) return;
    for (const LogRecord& record : records.subspan(taken)) keep(record);
    if (next_try_) return;
    pause_ = FirstPause;
    next_try_ = Clock::now() + pause_;
}

void DeliveringSink::finish() {
    if (next_try_) (void)deliver_backlog();
    for (const Kept& kept : backlog_)
        if (!kept.note) count_dropped(size_of(kept.record));
    backlog_.clear();
    backlog_bytes_ = 0;
    next_try_.reset();
}

std::unique_ptr<DeliveringSink> open_sink(const LogTarget& target, const std::string& container,
                                          std::shared_ptr<ScratchPool> scratches) {
    if (const auto* const file = std::get_if<LogFile>(&target)) {
        return std::make_unique<FileSink>(container, *file, std::move(scratches));
    }
    if (const auto* const journal = std::get_if<Journald>(&target)) {
        return std::make_unique<JournalSink>(container, *journal);
    }
    return std::make_unique<SyslogSink>(container, std::get<Syslog>(target));
}

} // namespace ct::internal
