// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "serve/server.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>

#include "base/concat.hpp"
#include "idle_loop.hpp"

namespace ctmon {

using ct::internal::concat;
using ct::internal::Loop;
using ct::internal::UniqueFd;

namespace {

constexpr int TrimAfter = 1000; ///< Milliseconds without anything to do.
constexpr std::size_t RememberedEnds = 1024;
constexpr const char* EndedId = "ended";
constexpr std::string_view ForeignPrefix = "fd-";

std::string absolute(const std::string& path) {
    if (path.empty() || path.starts_with('/')) return path;
    std::array<char, PATH_MAX> directory{};
    return concat(::getcwd(directory.data(), directory.size()) == nullptr ? "" : directory.data(), '/', path);
}

/// What is used later, when the current directory is not that of the client.
Options with_absolute_paths(Options options) {
    for (std::string* const path : {&options.bundle, &options.container_pidfile, &options.exit_dir,
                                    &options.persist_dir, &options.socket_dir_path, &options.sdnotify_socket})
        *path = absolute(*path);
    if (options.log.file) options.log.file = absolute(*options.log.file);
    return options;
}

/// The current directory is another one as long as this lives.
class InDirectory {
public:
    explicit InDirectory(int directory) { (void)!::fchdir(directory); }
    InDirectory(const InDirectory&) = delete;
    InDirectory& operator=(const InDirectory&) = delete;
    ~InDirectory() { (void)!::chdir("/"); }
};

/// Further descriptors for the runtime, by the numbers that they have there.
std::vector<std::pair<int, UniqueFd>> take_foreign(ReceivedJob& job) {
    std::vector<std::pair<int, UniqueFd>> found;
    for (auto& [name, fd] : job.fds) {
        if (!name.starts_with(ForeignPrefix)) continue;
        int number = -1;
        const auto [end, error] =
            std::from_chars(name.data() + ForeignPrefix.size(), name.data() + name.size(), number);
        if (error == std::errc() && number >= 0) found.emplace_back(number, std::move(fd));
    }
    return found;
}

std::string kind_of(const Options& options) {
    return options.mode == Mode::Exec ? "exec" : "container";
}

std::string_view to_string(Monitor::Phase phase) {
    static constexpr std::array<std::string_view, 7> names{"new",    "creating", "running", "ending",
                                                           "ending", "ending",   "finished"};
    return names.at(static_cast<std::size_t>(phase));
}

} // namespace

Server::Server(UniqueFd keeper)
    : keeper_(std::move(keeper)), loop_(std::make_shared<Loop>()),
      scratches_(std::make_shared<ct::internal::ScratchPool>()), view_(std::make_shared<ct::internal::PipeView>()),
      reaper_(loop_), shared_{loop_, reaper_, scratches_} {
    (void)::fcntl(keeper_.get(), F_SETFD, FD_CLOEXEC);
    (void)!::chdir("/");
    reaper_.expect_notes();
    restore();
    keeper_watch_ = loop_->add(keeper_.get(), EPOLLIN, [this](std::uint32_t) { hear_keeper(); });
    (void)::fcntl(listener_.get(), F_SETFL, O_NONBLOCK);
    listener_watch_ = loop_->add(listener_.get(), EPOLLIN, [this](std::uint32_t) { accept_some(); });
}

Server::~Server() {
    loop_->close();
}

void Server::tell_keeper(const std::vector<std::string>& words, const std::vector<int>& fds) {
    if (keeper_) (void)send_message(keeper_.get(), words, fds);
}

void Server::restore() {
    for (;;) {
        Message message;
        if (receive_message(keeper_.get(), 0, message) != Received::Message) ::_exit(EXIT_FAILURE);
        const std::string_view what = message.word(0);
        if (what == "begin") return;
        if (what == "socket" && !message.fds.empty()) listener_ = std::move(message.fds.front());
        if (what != "entry") continue;
        if (message.word(1) == EndedId) {
            for (std::size_t at = 2; at + 1 < message.words.size(); at += 2) {
                ended_[message.words[at]] = static_cast<int>(message.number(at + 1));
                ended_order_.push_back(message.words[at]);
            }
        } else {
            restore_one(std::move(message));
        }
    }
}

void Server::restore_one(Message message) {
    const std::string id(message.word(1));
    last_id_ = std::max(last_id_, static_cast<unsigned long>(std::max(message.number(1), 0L)));
    Monitor::Saved saved;
    saved.phase = static_cast<Monitor::Phase>(message.number(2));
    saved.failed = message.number(3) == 1;
    if (const long pid = message.number(4); pid > 0) saved.container = static_cast<pid_t>(pid);
    if (!message.word(5).empty()) saved.code = static_cast<int>(message.number(5));
    auto job = read_job(message, 6);
    if (!job) return tell_keeper({"drop", id});
    saved.in = job->take("in");
    saved.out = job->take("out");
    saved.err = job->take("err");
    saved.terminal = job->take("terminal");
    try {
        make(id, std::move(*job))->resume(std::move(saved));
    } catch (const std::exception&) { // its log is gone, perhaps; the container goes on
        entries_.erase(id);
    }
}

std::shared_ptr<Monitor> Server::make(const std::string& id, ReceivedJob job) {
    UniqueFd directory = job.take("directory");
    const InDirectory in(directory.get());
    Request request = parse(job.arguments);
    Options options = with_absolute_paths(std::move(request.options));
    ClientPipes pipes{ReportPipe(job.take("sync")), ReportPipe(job.take("attach")), job.take("start")};
    Entry entry{.monitor = {}, .arguments = job.arguments};
    Inherited inherited = std::move(job.inherited);
    inherited.fds = take_foreign(job);
    inherited.directory = std::move(directory);
    entry.has_foreign = !inherited.fds.empty();
    Streams streams(options, scratches_, view_);
    entry.monitor = std::make_shared<Monitor>(std::move(options), std::move(inherited), std::move(pipes),
                                              std::move(streams), shared_);
    const auto monitor = entry.monitor;
    entries_[id] = std::move(entry);
    monitor->when_changed([this, id] { save(id); });
    return monitor;
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
    job.fds.emplace_back("directory", monitor.inherited().directory.get());
    if (monitor.pipes().sync.fd() >= 0) job.fds.emplace_back("sync", monitor.pipes().sync.fd());
    for (const auto& [number, fd] : monitor.inherited().fds)
        job.fds.emplace_back(concat(ForeignPrefix, number), fd.get());
    for (auto& each : monitor.descriptors()) job.fds.push_back(std::move(each));
    std::vector<std::string> words{"put",
                                   id,
                                   std::to_string(static_cast<int>(monitor.phase())),
                                   monitor.failed() ? "1" : "0",
                                   std::to_string(monitor.container().value_or(0)),
                                   monitor.exit_code() ? std::to_string(*monitor.exit_code()) : ""};
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
    } else if (what == "finish") {
        finishing_ = true;
        loop_->remove(std::exchange(listener_watch_, 0));
        listener_.reset();
    }
}

void Server::keeper_is_gone() {
    // From now on we do its work; what it has reaped and not told is asked of the kernel.
    loop_->remove(std::exchange(keeper_watch_, 0));
    keeper_.reset();
    (void)::prctl(PR_SET_CHILD_SUBREAPER, 1);
    reaper_.expect_no_notes();
}

void Server::accept_some() {
    UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    const int number = socket.get();
    Client& client = clients_[number];
    client.socket = std::move(socket);
    client.watch = loop_->add(number, EPOLLIN, [this, number](std::uint32_t) { hear(number); });
}

void Server::forget(int client) {
    const auto found = clients_.find(client);
    if (found == clients_.end()) return;
    loop_->remove(found->second.watch);
    clients_.erase(found);
}

void Server::hear(int number) {
    Client& client = clients_.at(number);
    Message message;
    switch (receive_message(number, MSG_DONTWAIT, message)) {
    case Received::Nothing: return;
    case Received::End: return forget(number);
    case Received::Message:
        if (!answer(client, std::move(message))) forget(number);
    }
}

bool Server::answer(Client& client, Message message) {
    const std::string_view what = message.word(0);
    const int socket = client.socket.get();
    if (what == "monitor") return begin(client, std::move(message));
    if (what == "list") {
        list(socket);
        return true;
    }
    const std::string name(message.word(1));
    const auto entry = find(name);
    if (what == "wait" && entry == entries_.end() && ended_.contains(name)) {
        return send_message(socket, {"ended", std::to_string(ended_.at(name))}) == 0;
    }
    if (entry == entries_.end()) return send_message(socket, {"error", concat("there is no '", name, "'")}) == 0;
    if (what == "wait") {
        client.waits_for = entry->first;
        return true;
    }
    if (what == "where") return send_message(socket, {"where", entry->second.monitor->options().bundle}) == 0;
    return control(client, message);
}

bool Server::begin(Client& client, Message message) {
    const int socket = client.socket.get();
    auto job = read_job(message, 1);
    if (!job) return false;
    const std::string id = std::to_string(++last_id_);
    try {
        const auto monitor = make(id, std::move(*job));
        if (monitor->options().sync) client.waits_for = id;
        (void)send_message(socket, {"started", std::to_string(keeper_ ? ::getppid() : ::getpid()), id});
        monitor->begin();
    } catch (const std::exception& error) {
        entries_.erase(id);
        (void)send_message(socket, {"refused", error.what()});
    }
    return true;
}

bool Server::control(Client& client, const Message& message) {
    const int socket = client.socket.get();
    Monitor& monitor = *find(std::string(message.word(1)))->second.monitor;
    if (message.word(0) == "reopen") {
        monitor.reopen_log();
    } else if (message.word(0) == "resize") {
        const auto side = [&](std::size_t at) { return std::clamp(message.number(at), 0L, 1000L); };
        monitor.resize({.rows = static_cast<unsigned short>(side(2)), .columns = static_cast<unsigned short>(side(3))});
    } else {
        return send_message(socket, {"error", concat("'", message.word(0), "' is not known")}) == 0;
    }
    return send_message(socket, {"done"}) == 0;
}

void Server::list(int socket) const {
    for (const auto& [id, entry] : entries_) {
        const Monitor& monitor = *entry.monitor;
        const Options& options = monitor.options();
        (void)send_message(socket, {"one", options.cuuid.empty() ? id : options.cuuid, options.cid, kind_of(options),
                                    std::to_string(monitor.container().value_or(0)),
                                    std::string(to_string(monitor.phase())), options.name});
    }
    (void)send_message(socket, {"done"});
}

Server::Entries::iterator Server::find(const std::string& name) {
    if (const auto found = entries_.find(name); found != entries_.end()) return found;
    return std::ranges::find_if(entries_, [&](const auto& each) {
        const Options& options = each.second.monitor->options();
        return options.cuuid == name || (options.mode != Mode::Exec && options.cid == name);
    });
}

void Server::sweep() {
    for (auto entry = entries_.begin(); entry != entries_.end();) {
        const Monitor& monitor = *entry->second.monitor;
        if (!monitor.done()) {
            ++entry;
            continue;
        }
        const int code = monitor.failed() ? -1 : monitor.exit_code().value_or(-1);
        for (const std::string& name : {entry->first, monitor.options().cuuid}) {
            if (name.empty()) continue;
            ended_[name] = code;
            ended_order_.push_back(name);
        }
        std::vector<std::string> words{"note", EndedId};
        while (ended_order_.size() > RememberedEnds) {
            ended_.erase(ended_order_.front());
            ended_order_.erase(ended_order_.begin());
        }
        for (const auto& [name, value] : ended_) {
            words.push_back(name);
            words.push_back(std::to_string(value));
        }
        tell_keeper(words);
        for (const auto& [number, client] : clients_) {
            if (client.waits_for == entry->first) {
                (void)send_message(number, {"ended", std::to_string(code), std::to_string(monitor.exit_status())});
            }
        }
        tell_keeper({"drop", entry->first});
        entry = entries_.erase(entry);
    }
}

int Server::run() {
    IdleLoop idle(*loop_, *scratches_);
    for (;;) {
        idle.turn();
        sweep();
        const auto is_busy = [](const auto& each) {
            const Monitor::Phase phase = each.second.monitor->phase();
            return phase == Monitor::Phase::Creating || phase > Monitor::Phase::Running;
        };
        if (finishing_ && entries_.empty()) return EXIT_SUCCESS;
        if (!stopping_ || std::ranges::any_of(entries_, is_busy)) continue;
        for (const auto& [id, entry] : entries_) entry.monitor->hand_over();
        return EXIT_SUCCESS;
    }
}

} // namespace ctmon
