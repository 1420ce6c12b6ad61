// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "serve/server.hpp"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>

#include "base/concat.hpp"

/// What the server and its keeper tell each other.
namespace ctmon {

using ct::internal::concat;
using ct::internal::Loop;
using ct::internal::UniqueFd;
using Clock = std::chrono::steady_clock;

namespace {

constexpr const char* EndedId = "ended";

} // namespace

void Server::tell_keeper(const std::vector<std::string>& words, const std::vector<int>& fds) {
    if (keeper_) (void)send_message(keeper_.get(), words, fds);
}

void Server::restore() {
    std::vector<Message> entries; // told of only when the keeper listens again
    for (;;) {
        Message message;
        if (receive_message(keeper_.get(), 0, message) != Received::Message) ::_exit(EXIT_FAILURE);
        const std::string_view what = message.word(0);
        if (what == "begin") break;
        if (what == "socket" && !message.fds.empty()) listener_ = std::move(message.fds.front());
        if (what == "entry") entries.push_back(std::move(message));
    }
    for (Message& message : entries) {
        if (message.word(1) == EndedId) {
            restore_ended(message);
        } else {
            restore_one(std::move(message));
        }
    }
}

void Server::restore_ended(const Message& message) {
    for (std::size_t at = 2; at + 1 < message.words.size(); at += 2) {
        ended_[message.words[at]] = static_cast<int>(message.number(at + 1));
        ended_order_.push_back(message.words[at]);
    }
}

void Server::tell_ended() {
    std::vector<std::string> words{"note", EndedId};
    for (const std::string& name : ended_order_) {
        words.push_back(name);
        words.push_back(std::to_string(ended_.at(name)));
    }
    tell_keeper(words);
}

void Server::restore_one(Message message) {
    const std::string id(message.word(1));
    Monitor::Saved saved;
    saved.phase = static_cast<Monitor::Phase>(message.number(2));
    saved.failed = message.number(3) == 1;
    if (const long pid = message.number(4); pid > 0) saved.container = static_cast<pid_t>(pid);
    if (!message.word(5).empty()) saved.code = static_cast<int>(message.number(5));
    saved.reported = message.number(6) == 1;
    if (const long deadline = message.number(7); deadline > 0)
        saved.deadline = Clock::time_point(Clock::duration(deadline));
    auto job = read_job(message, 8);
    if (!job) return tell_keeper({"drop", id});
    saved.in = job->take("in");
    saved.out = job->take("out");
    saved.err = job->take("err");
    saved.terminal = job->take("terminal");
    try {
        make(id, std::move(*job), true)->resume(std::move(saved));
    } catch (const std::exception& error) { // the container goes on, without anybody who looks after it
        const std::string line = concat("ctmon: cannot go on with '", id, "': ", error.what(), '\n');
        (void)!::write(STDERR_FILENO, line.data(), line.size());
        entries_.erase(id);
        tell_keeper({"drop", id});
    }
}

void Server::save(const std::string& id) {
    const auto found = entries_.find(id);
    if (found == entries_.end() || !keeper_) return;
    Entry& entry = found->second;
    const Monitor& monitor = *entry.monitor;
    Job job{.arguments = entry.arguments, .inherited = {}, .fds = {}};
    job.inherited.environment = monitor.inherited().environment;
    job.inherited.oom_score_adj = monitor.inherited().oom_score_adj;
    job.inherited.sigpipe_ignored = monitor.inherited().sigpipe_ignored;
    job.inherited.blocked_signals = monitor.inherited().blocked_signals;
    job.inherited.limits = monitor.inherited().limits;
    if (const UniqueFd& directory = monitor.inherited().directory) job.fds.emplace_back("directory", directory.get());
    if (monitor.pipes().sync.fd() >= 0) job.fds.emplace_back("sync", monitor.pipes().sync.fd());
    for (const auto& [number, fd] : monitor.inherited().fds) job.fds.emplace_back(concat(ForeignFd, number), fd.get());
    for (auto& each : monitor.descriptors()) job.fds.push_back(std::move(each));
    std::vector<std::string> words{
        "put",
        id,
        std::to_string(static_cast<int>(monitor.phase())),
        monitor.failed() ? "1" : "0",
        std::to_string(monitor.container().value_or(0)),
        monitor.exit_code() ? std::to_string(*monitor.exit_code()) : "",
        monitor.reported() ? "1" : "0",
        std::to_string(monitor.deadline().value_or(Clock::time_point()).time_since_epoch().count())};
    std::vector<int> fds;
    append_job(job, words, fds);
    tell_keeper(words, fds);
    if (!entry.has_foreign || !monitor.inherited().fds.empty()) return;
    // The keeper has to have closed them, too, before anybody is told.
    entry.has_foreign = false;
    tell_keeper({"sync"});
    for (Message message; receive_message(keeper_.get(), 0, message) == Received::Message;) {
        if (message.word(0) == "synced") return;
        take_from_keeper(message);
    }
}

void Server::hear_keeper() {
    for (;;) {
        Message message;
        switch (receive_message(keeper_.get(), MSG_DONTWAIT, message)) {
        case Received::Message: take_from_keeper(message); break;
        case Received::Nothing: return;
        case Received::End: return keeper_is_gone();
        }
    }
}

void Server::take_from_keeper(const Message& message) {
    const std::string_view what = message.word(0);
    if (what == "status") {
        // Not at once: a monitor may be at work.
        loop_->add_timer(Loop::TimePoint{}, [this, pid = message.number(1), status = message.number(2)] {
            reaper_.note(static_cast<pid_t>(pid), static_cast<int>(status));
            tell_keeper({"noted", std::to_string(pid)});
        });
    } else if (what == "stop") {
        stopping_ = true;
        accept_from(false); // the next one will
    } else if (what == "finish") {
        finishing_ = true;
    }
}

void Server::keeper_is_gone() {
    // From now on we do its work; what it has reaped and not told is asked of the kernel.
    loop_->remove(std::exchange(keeper_watch_, 0));
    keeper_.reset();
    stopping_ = false;
    accept_from(true);
    (void)::prctl(PR_SET_CHILD_SUBREAPER, 1);
    reaper_.expect_no_notes();
}

} // namespace ctmon
