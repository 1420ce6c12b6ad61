// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// logs, events: what containers of all programs have written, and what becomes of them.
#include <algorithm>
#include <array>
#include <cerrno>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <poll.h>
#include <unistd.h>

#include "../log.hpp"
#include "../output.hpp"
#include "commands.hpp"

namespace ctrun {

namespace {

[[noreturn]] void throw_errno(const char* what) {
    throw std::system_error(errno, std::system_category(), what);
}

/// Waits until \p fd is readable.
void wait_for(int fd) {
    std::array<pollfd, 2> fds{
        {{.fd = fd, .events = POLLIN, .revents = 0}, {.fd = STDOUT_FILENO, .events = 0, .revents = 0}}};
    while (fds[0].revents == 0) {
        if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) throw_errno("poll");
        if (fds[1].revents != 0) throw NobodyReads();
    }
}

/// Writes records to the stream that they were written to, in their order.
class Printer {
public:
    explicit Printer(bool timestamps) : timestamps_(timestamps) {}

    void add(const ct::LogRecord& record) {
        const bool error = record.stream == ct::Stream::Error;
        const int fd = error ? STDERR_FILENO : STDOUT_FILENO;
        if (fd != fd_ || text_.size() >= Enough) flush();
        fd_ = fd;
        // Pieces of a line are joined.
        bool& within_line = within_line_[error ? 1 : 0];
        if (timestamps_ && !within_line) text_ += time(record) + ' ';
        text_ += record.bytes;
        if (!record.partial) text_ += '\n';
        within_line = record.partial;
    }
    void flush() {
        write_all(fd_, text_);
        text_.clear();
    }

private:
    static constexpr std::size_t Enough = 65536;

    static std::string time(const ct::LogRecord& record) {
        return record.time == ct::LogTime{} ? std::string("-") : ct::to_rfc3339(record.time);
    }

    const bool timestamps_;
    int fd_ = STDOUT_FILENO;
    std::string text_;
    std::array<bool, 2> within_line_{};
};

std::string orphaned(const std::string& name) {
    return "ctrun: container '" + name +
           "' goes on, but logging has ended: the process that did it is gone, and what the container writes is lost\n";
}

/// Whether it runs, and nobody logs what it writes any more.
bool is_orphaned(const ct::Session& session, const std::string& name) {
    for (const ct::ContainerInfo& info : session.containers())
        if (info.name == name) return info.state != ct::State::Stopped && info.owner < 0 && !info.log.empty();
    return false;
}

ct::LogReader open_log(const ct::Session& session, const LogsCommand& command) {
    const ct::LogReaderOptions options{.since = command.since, .tail = command.tail, .follow = command.follow};
    if (command.log.empty()) return session.read_log(command.name, options);
    const auto target = parse_log(command.log);
    if (!target) throw std::runtime_error("--log '" + command.log + "' is no log that can be read");
    return {*target, command.name, options};
}

void print_log(const ct::Session& session, const LogsCommand& command) {
    using Next = ct::LogReader::Next;
    ct::LogReader reader = open_log(session, command);
    Printer printer(command.timestamps);
    for (;;) {
        const Next next = reader.read([&](const ct::LogRecord& record) { printer.add(record); });
        printer.flush();
        if (next == Next::Nothing) wait_for(reader.fd());
        if (next == Next::Orphaned) write_all(STDERR_FILENO, orphaned(command.name));
        if (next == Next::Orphaned || next == Next::End) break;
    }
    if (!command.follow && command.log.empty() && is_orphaned(session, command.name))
        write_all(STDERR_FILENO, orphaned(command.name));
}

/// Who is waited for may come later, or was misspelt.
void tell_missing(const ct::Session& session, const std::vector<std::string>& names) {
    const std::vector<ct::ContainerInfo> there = session.containers();
    for (const std::string& name : names)
        if (std::ranges::find(there, name, &ct::ContainerInfo::name) == there.end())
            write_all(STDERR_FILENO, "ctrun: note: there is no container '" + name + "' at present\n");
}

void print_events(const ct::Session& session, const EventsCommand& command) {
    if (command.follow) tell_missing(session, command.names);
    ct::EventReader reader = session.read_events({.containers = command.names,
                                                  .since = command.since,
                                                  .history = command.since || !command.follow,
                                                  .follow = command.follow});
    for (;;) {
        std::string lines;
        const bool more = reader.read([&](const ct::RecordedEvent& event) { (lines += event.json) += '\n'; });
        write_all(STDOUT_FILENO, lines);
        if (more || !lines.empty()) continue;
        if (!command.follow) return;
        wait_for(reader.fd());
    }
}

} // namespace

int execute(const LogsCommand& command) {
    const ct::Session session = open_session();
    try {
        print_log(session, command);
    } catch (const NobodyReads&) {
    }
    return 0;
}

int execute(const EventsCommand& command) {
    const ct::Session session = open_session();
    try {
        print_events(session, command);
    } catch (const NobodyReads&) {
    }
    return 0;
}

} // namespace ctrun
