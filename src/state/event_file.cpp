// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "state/event_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <exception>

#include <ct/log_reader.hpp>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "monitor/event_fields.hpp"

namespace ct::internal {

namespace {

/// Of one file; there are two.
constexpr std::uint64_t Limit = 512UL * 1024;

} // namespace

void LockedEntry::append_line(const char* file, std::string_view line, std::uint64_t limit) {
    const std::string path = concat(name_, '/', file);
    const auto fail = [&] { return sys::error(errno, Stage::State, "write", path); };
    const auto open = [&] {
        return UniqueFd(
            ::openat(directory_.get(), file, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    };
    UniqueFd fd = open();
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) < 0) throw fail();
    if (!S_ISREG(status.st_mode)) throw Error(Errc::BadRecord, Stage::State, "trust", path, "it is no regular file");
    auto size = static_cast<std::uint64_t>(status.st_size);
    if (size > 0 && size + line.size() >= limit) {
        const std::string old = concat(file, ".1");
        if (::renameat(directory_.get(), file, directory_.get(), old.c_str()) < 0) throw fail();
        fd = open();
        if (!fd) throw fail();
        size = 0;
    }
    std::string text(line);
    text += '\n';
    // A writer was killed within its line.
    char last = '\n';
    if (size > 0 && ::pread(fd.get(), &last, 1, static_cast<off_t>(size) - 1) == 1 && last != '\n')
        text.insert(0, "\n");
    const ssize_t written = ::write(fd.get(), text.data(), text.size());
    if (written == static_cast<ssize_t>(text.size())) return;
    if (written >= 0) errno = ENOSPC;
    const Error error = fail();
    if (written > 0) (void)::ftruncate(fd.get(), static_cast<off_t>(size)); // nobody has it but us
    throw error;
}

std::string event_path(const Store& store) {
    (void)store.lock(EventDirectory);
    return concat(store.path(), '/', EventDirectory, '/', EventFile);
}

void append_event(const Store& store, std::string_view line) noexcept {
    try {
        store.lock(EventDirectory).append_line(EventFile, line, Limit);
    } catch (const std::exception&) { // a full disk
    }
}

std::string event_line(std::string_view name, std::string_view fields) {
    const auto now = std::chrono::time_point_cast<LogTime::duration>(std::chrono::system_clock::now());
    return concat(R"({"time":")", to_rfc3339(now), R"(","container":")", name, "\",", fields, '}');
}

void record_end(const Store& store, const Record& record, const std::optional<ExitStatus>& status) noexcept {
    try {
        const std::string& name = record.name;
        append_event(store, event_line(name, event_fields(StateEvent{name, State::Running, State::Stopping})));
        if (!record.held) {
            ExitRecord exit{.container = name, .pid = record.init.pid, .status = status.value_or(ExitStatus{})};
            if (record.started) exit.started = std::chrono::system_clock::time_point(*record.started);
            exit.ended = std::chrono::system_clock::now();
            append_event(store, event_line(name, event_fields(ExitEvent{name, exit})));
        }
        append_event(store, event_line(name, event_fields(StateEvent{name, State::Stopping, State::Stopped})));
    } catch (const std::exception&) { // no memory
    }
}

} // namespace ct::internal
