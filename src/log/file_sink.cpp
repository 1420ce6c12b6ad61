// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "log/file_sink.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/sys.hpp"

namespace ct::internal {

namespace {

constexpr std::size_t Room = 256UL * 1024; ///< For what is written at once.
constexpr std::chrono::seconds RotatePause{1};

} // namespace

FileSink::FileSink(const std::string& container, const LogFile& settings, std::shared_ptr<ScratchPool> scratches)
    : DeliveringSink(container, settings.delivery), settings_(settings), scratches_(std::move(scratches)),
      file_(settings.path, settings.mode),
      formatter_(settings.format, settings.local_time ? TimeZone::Local : TimeZone::Utc, settings.labels),
      total_(settings.total_with_old ? file_.size() : 0) {}

void FileSink::reopen() {
    settle_torn(); // belongs to the old file
    if (!settings_.replace_on_reopen) return file_.reopen();
    const int error = file_.rotate(settings_.rotate_count);
    if (error != 0) throw sys::error(error, Stage::Stdio, "replace the log", settings_.path);
}

std::size_t FileSink::write_bytes(const char* bytes, std::size_t size) {
    std::size_t done = 0;
    while (done < size) {
        const ssize_t written = ::write(file_.fd(), bytes + done, size - done);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) {
            error_ = written < 0 ? errno : ENOSPC;
            break;
        }
        done += static_cast<std::size_t>(written);
    }
    file_.grew(done);
    total_ += done;
    return done;
}

bool FileSink::write_torn() {
    const std::size_t done = write_bytes(torn_.data(), torn_.size());
    torn_written_ += done;
    torn_.erase(0, done);
    return torn_.empty();
}

void FileSink::settle_torn() {
    if (torn_.empty() || write_torn()) return;
    file_.cut(torn_written_);
    count_dropped(torn_size_);
    torn_.clear();
}

void FileSink::rotate() {
    const int error = file_.rotate(settings_.rotate_count);
    if (error == 0) return;
    error_ = error;
    rotate_after_ = Clock::now() + RotatePause; // the file grows on meanwhile
}

std::size_t FileSink::format(std::span<const LogRecord> records, Scratch& scratch) {
    const std::uint64_t limit = settings_.rotate_size.count;
    const std::uint64_t most = settings_.total_size.count;
    const bool rotates = limit != 0 && Clock::now() >= rotate_after_;
    scratch.ends.clear();
    scratch.reserve(std::max(Room, formatter_.most(records.front())));
    char* const begin = scratch.bytes.get();
    std::size_t length = 0;
    for (const LogRecord& record : records) {
        if (length + formatter_.most(record) > scratch.size) break;
        const auto end = static_cast<std::size_t>(formatter_.write(record, begin + length) - begin);
        exhausted_ = most != 0 && (settings_.total_with_old ? total_ + length >= most : total_ + end > most);
        if (exhausted_) break;
        // A record that is too long for any file gets one of its own.
        if (rotates && file_.size() + end > limit && file_.size() + length > 0) break;
        scratch.ends.push_back(end);
        length = end;
    }
    return scratch.ends.size();
}

std::size_t FileSink::write_out(std::span<const LogRecord> records, const Scratch& scratch) {
    const std::size_t done = write_bytes(scratch.bytes.get(), scratch.ends.back());
    if (done == scratch.ends.back()) return scratch.ends.size();
    const auto torn = std::upper_bound(scratch.ends.begin(), scratch.ends.end(), done);
    const auto whole = static_cast<std::size_t>(torn - scratch.ends.begin());
    const std::size_t begin = whole == 0 ? 0 : scratch.ends[whole - 1];
    if (begin == done) return whole;
    torn_.assign(scratch.bytes.get() + done, *torn - done);
    torn_written_ = done - begin;
    torn_size_ = size_of(records[whole]);
    return whole + 1;
}

std::size_t FileSink::put(std::span<const LogRecord> records) {
    if (!torn_.empty() && !write_torn()) return 0;
    ScratchPool::Lease scratch(*scratches_);
    std::size_t taken = 0;
    while (taken < records.size()) {
        const auto rest = records.subspan(taken);
        const std::size_t count = exhausted_ ? 0 : format(rest, *scratch);
        if (count > 0) {
            const std::size_t written = write_out(rest, *scratch);
            taken += written;
            if (written < count || has_rest()) break;
        } else if (exhausted_) {
            for (const LogRecord& record : rest) count_dropped(size_of(record));
            return records.size();
        } else {
            rotate();
        }
    }
    return taken;
}

void FileSink::finish() {
    DeliveringSink::finish();
    settle_torn();
    if (settings_.sync) (void)::fsync(file_.fd()); // what the device does not take, nobody could do anything about
}

} // namespace ct::internal
