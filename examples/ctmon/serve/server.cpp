// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "serve/server.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdlib>

#include "absolute_path.hpp"
#include "base/concat.hpp"
#include "base/sys.hpp"
#include "idle_loop.hpp"

namespace ctmon {

using ct::internal::concat;
using ct::internal::Loop;
using ct::internal::UniqueFd;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t MostClients = 1024;
constexpr std::size_t MostFds = 200; ///< Of one client: with those of the streams they have to fit into a message.
constexpr std::size_t RememberedEnds = 256;
constexpr std::chrono::seconds ClientPatience{10};
constexpr std::chrono::milliseconds AcceptPause{100};
/// A pipe that is new has room for a report.
constexpr std::chrono::milliseconds ReportPatience{0};

/// What is used later, when the current directory is not that of the client.
Options with_absolute_paths(Options options) {
    for (std::string* const path : {&options.bundle, &options.container_pidfile, &options.exit_dir,
                                    &options.persist_dir, &options.socket_dir_path, &options.sdnotify_socket})
        *path = absolute_path(*path);
    if (options.log.file) options.log.file = absolute_path(*options.log.file);
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
        if (!name.starts_with(ForeignFd)) continue;
        int number = -1;
        const auto [end, error] = std::from_chars(name.data() + ForeignFd.size(), name.data() + name.size(), number);
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
    accept_from(true);
    watch_signals();
}

void Server::watch_signals() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, number);
    (void)::sigprocmask(SIG_BLOCK, &set, nullptr);
    signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) throw ct::internal::sys::error(errno, ct::Stage::Session, "make a signal descriptor");
    signal_watch_ = loop_->add(signals_.get(), EPOLLIN, [this](std::uint32_t) {
        signalfd_siginfo info{};
        while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
            // The keeper has got it, too, if it was meant for both.
            if (!keeper_ && info.ssi_signo != SIGHUP) finishing_ = true;
        }
    });
}

Server::~Server() {
    loop_->close();
}

Streams Server::open_streams(Options& options, bool restored) const {
    try {
        return {options, scratches_, view_};
    } catch (const ct::Error& error) {
        if (!restored) throw;
        Messages(options).error(concat(error.what(), "; the container goes on without its log"));
        options.log = {};
        return {options, scratches_, view_};
    }
}

std::shared_ptr<Monitor> Server::make(const std::string& id, ReceivedJob job, bool restored) {
    UniqueFd directory = job.take("directory");
    const InDirectory in(directory.get());
    Request request = parse(job.arguments);
    if (request.answer) throw Refused("ctmon: there is nothing to monitor");
    Options options = with_absolute_paths(std::move(request.options));
    ClientPipes pipes{ReportPipe(job.take("sync"), ReportPatience), ReportPipe(job.take("attach"), ReportPatience),
                      job.take("start")};
    Entry entry{.monitor = {}, .arguments = job.arguments};
    Inherited inherited = std::move(job.inherited);
    inherited.fds = take_foreign(job);
    inherited.directory = std::move(directory);
    entry.has_foreign = !inherited.fds.empty();
    Streams streams = open_streams(options, restored);
    entry.monitor = std::make_shared<Monitor>(std::move(options), std::move(inherited), std::move(pipes),
                                              std::move(streams), shared_);
    const auto monitor = entry.monitor;
    entries_[id] = std::move(entry);
    monitor->when_changed([this, id] { save(id); });
    return monitor;
}

void Server::accept_from(bool now) {
    loop_->remove(std::exchange(accept_timer_, 0));
    if (now == (listener_watch_ != 0)) return;
    if (now) {
        listener_watch_ = loop_->add(listener_.get(), EPOLLIN, [this](std::uint32_t) { accept_some(); });
    } else {
        loop_->remove(std::exchange(listener_watch_, 0));
    }
}

/// Who has asked for nothing, or was answered, is not needed. \returns false if there is no such client
bool Server::make_room() {
    if (clients_.size() < MostClients) return true;
    const Client* oldest = nullptr;
    for (const auto& [number, client] : clients_) {
        if (client.is_idle() && (oldest == nullptr || client.number < oldest->number)) oldest = &client;
    }
    if (oldest != nullptr) forget(oldest->socket.get());
    return oldest != nullptr;
}

void Server::accept_some() {
    if (!make_room()) return accept_from(false); // until one goes away
    UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) {
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
        // No descriptor or no memory is left: trying again at once would keep the machine busy.
        accept_from(false);
        accept_timer_ = loop_->add_timer(Clock::now() + AcceptPause, [this] {
            accept_timer_ = 0;
            accept_from(!stopping_);
        });
        return;
    }
    const int number = socket.get();
    Client& client = clients_[number];
    client.socket = std::move(socket);
    client.number = ++last_client_;
    client.watch = loop_->add(number, EPOLLIN, [this, number](std::uint32_t) { hear(number); });
}

void Server::forget(int number) {
    const auto found = clients_.find(number);
    if (found == clients_.end()) return;
    Client& client = found->second;
    loop_->remove(client.watch);
    loop_->remove(client.timer);
    if (!client.begins.empty()) entries_.erase(client.begins);
    clients_.erase(found);
    accept_from(!stopping_);
}

void Server::hear(int number) {
    const auto found = clients_.find(number);
    if (found == clients_.end()) return;
    try {
        Message message;
        switch (receive_message(number, MSG_DONTWAIT, message)) {
        case Received::Nothing: return;
        case Received::End: break;
        case Received::Message:
            if (answer(found->second, std::move(message))) return;
        }
    } catch (const std::exception&) { // there is no memory, or no descriptor, for what it wants
    }
    forget(number);
}

bool Server::answer(Client& client, Message message) {
    const std::string_view what = message.word(0);
    const int socket = client.socket.get();
    if (what == "monitor") return prepare(client, std::move(message));
    if (what == "go") {
        begin(client);
        return true;
    }
    if (what == "list") return send_message(socket, list()) == 0;
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

bool Server::prepare(Client& client, Message message) {
    const int socket = client.socket.get();
    if (stopping_) return false; // it tries again, and gets the next server
    if (finishing_) return send_message(socket, {"refused", "ctmon: the server takes nothing new: it is to end"}) == 0;
    auto job = message.fds.size() > MostFds ? std::nullopt : read_job(message, 1);
    if (!job || !client.begins.empty()) {
        return send_message(socket, {"refused", "ctmon: the server does not understand the request"}) == 0;
    }
    // Of another server, or process, is no one of the same name.
    const std::string id = concat(::getpid(), '-', ++last_id_);
    try {
        make(id, std::move(*job), false);
    } catch (const std::exception& error) {
        entries_.erase(id);
        return send_message(socket, {"refused", error.what()}) == 0;
    }
    client.begins = id;
    client.timer = loop_->add_timer(Clock::now() + ClientPatience, [this, socket] { forget(socket); });
    return send_message(socket, {"started", std::to_string(keeper_ ? ::getppid() : ::getpid()), id}) == 0;
}

void Server::begin(Client& client) {
    const auto entry = entries_.find(std::exchange(client.begins, {}));
    loop_->remove(std::exchange(client.timer, 0));
    if (entry == entries_.end()) return;
    const auto monitor = entry->second.monitor;
    if (monitor->options().sync) client.waits_for = entry->first;
    monitor->begin();
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

/// At once: a client that is slow to read would miss some of several messages.
std::vector<std::string> Server::list() const {
    std::vector<std::string> words{"list"};
    for (const auto& [id, entry] : entries_) {
        const Monitor& monitor = *entry.monitor;
        const Options& options = monitor.options();
        for (std::string word :
             {options.cuuid.empty() ? id : options.cuuid, options.cid, kind_of(options),
              std::to_string(monitor.container().value_or(0)), std::string(to_string(monitor.phase())), options.name})
            words.push_back(std::move(word));
    }
    return words;
}

Server::Entries::iterator Server::find(const std::string& name) {
    if (const auto found = entries_.find(name); found != entries_.end()) return found;
    return std::ranges::find_if(entries_, [&](const auto& each) {
        const Options& options = each.second.monitor->options();
        return options.cuuid == name || (options.mode != Mode::Exec && options.cid == name);
    });
}

void Server::ended(const std::string& id, const Monitor& monitor) {
    const int code = monitor.failed() ? -1 : monitor.exit_code().value_or(-1);
    for (const std::string& name : {id, monitor.options().cuuid}) {
        if (name.empty()) continue;
        std::erase(ended_order_, name);
        ended_order_.push_back(name);
        ended_[name] = code;
    }
    while (ended_order_.size() > RememberedEnds) {
        ended_.erase(ended_order_.front());
        ended_order_.erase(ended_order_.begin());
    }
    tell_ended();
    std::vector<int> deaf;
    for (const auto& [number, client] : clients_) {
        if (client.waits_for != id) continue;
        const std::vector<std::string> words{"ended", std::to_string(code), std::to_string(monitor.exit_status())};
        if (send_message(number, words) != 0) deaf.push_back(number);
    }
    for (const int number : deaf) forget(number);
}

void Server::sweep() {
    for (auto entry = entries_.begin(); entry != entries_.end();) {
        if (!entry->second.monitor->done()) {
            ++entry;
            continue;
        }
        ended(entry->first, *entry->second.monitor);
        tell_keeper({"drop", entry->first});
        entry = entries_.erase(entry);
    }
}

/// What cannot be interrupted, and does not last.
bool Server::is_busy() const {
    using Phase = Monitor::Phase;
    return std::ranges::any_of(entries_, [](const auto& each) {
        const Phase phase = each.second.monitor->phase();
        return phase == Phase::New || phase == Phase::Creating || phase == Phase::Ending || phase == Phase::Done;
    });
}

void Server::hand_over() {
    for (const auto& [id, entry] : entries_) entry.monitor->hand_over();
    // Sockets and fifos stay where they are, for the next one.
    ::_exit(EXIT_SUCCESS);
}

void Server::remove_socket() {
    sockaddr_un address{};
    socklen_t size = sizeof address;
    if (::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0) {
        (void)::unlink(address.sun_path);
    }
}

int Server::run() {
    IdleLoop idle(*loop_, *scratches_);
    for (;;) {
        try {
            idle.turn();
            sweep();
        } catch (const std::exception& error) { // of one container, which the others have nothing to do with
            const std::string line = concat("ctmon: ", error.what(), '\n');
            (void)!::write(STDERR_FILENO, line.data(), line.size());
        }
        if (finishing_ && entries_.empty()) {
            if (!keeper_) remove_socket();
            return EXIT_SUCCESS;
        }
        if (stopping_ && !is_busy()) hand_over();
    }
}

} // namespace ctmon
