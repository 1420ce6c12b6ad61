// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <ct/log_reader.hpp>

#include <sys/epoll.h>

#include <cerrno>
#include <utility>

#include <ct/error.hpp>

#include "base/sys.hpp"
#include "follow/file_source.hpp"
#include "follow/journal_source.hpp"
#include "follow/log_reader_core.hpp"

namespace ct {

namespace internal {

std::unique_ptr<LogSource> open_source(const LogTarget& target, const std::string& container,
                                       const LogReaderOptions& options) {
    if (const auto* const file = std::get_if<LogFile>(&target)) return std::make_unique<FileSource>(*file, options);
    if (const auto* const journal = std::get_if<Journald>(&target)) return open_journal(*journal, container, options);
    throw Error(Errc::Unsupported, Stage::Stdio, "read the log", {}, "the system log cannot be read back");
}

LogReaderCore::LogReaderCore(std::unique_ptr<LogSource> source, std::unique_ptr<RunFollower> run, bool follow)
    : source_(std::move(source)), run_(std::move(run)), follow_(follow) {
    if (!follow_) return;
    poll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    if (!poll_) throw sys::error(errno, Stage::Stdio, "follow the log");
    poll_ = sys::above_stdio(std::move(poll_), Stage::Stdio, "follow the log");
    watch(source_->fd());
    if (!run_) return;
    watch(run_->changes());
    watch(run_->owner());
}

void LogReaderCore::watch(int fd) {
    if (fd < 0) return;
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, fd, &event) < 0)
        throw sys::error(errno, Stage::Stdio, "follow the log");
}

LogReader::Next LogReaderCore::read(const RecordHandler& handler) {
    using Status = RunFollower::Status;
    // Asked first: what was written before the end is there then.
    const Status status = !follow_ ? Status::Ended : run_ ? run_->status() : Status::Live;
    if (source_->read(handler)) return LogReader::Next::More;
    if (status == Status::Live) return LogReader::Next::Nothing;
    source_->finish(handler);
    return status == Status::Ended ? LogReader::Next::End : LogReader::Next::Orphaned;
}

} // namespace internal

LogReader::LogReader(const LogTarget& target, const std::string& container, LogReaderOptions options)
    : core_(std::make_unique<internal::LogReaderCore>(internal::open_source(target, container, options), nullptr,
                                                      options.follow)) {}

LogReader::LogReader(std::unique_ptr<internal::LogReaderCore> core) noexcept : core_(std::move(core)) {}
LogReader::LogReader(LogReader&&) noexcept = default;
LogReader& LogReader::operator=(LogReader&&) noexcept = default;
LogReader::~LogReader() = default;

LogReader::Next LogReader::read(const RecordHandler& handler) {
    return core_->read(handler);
}

int LogReader::fd() const noexcept {
    return core_->fd();
}

} // namespace ct
