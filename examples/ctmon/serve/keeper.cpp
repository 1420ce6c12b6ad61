// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "serve/keeper.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "base/concat.hpp"
#include "base/sys.hpp"

namespace ctmon {

using ct::Stage;
using ct::internal::concat;
using ct::internal::UniqueFd;
namespace sys = ct::internal::sys;

namespace {

/// Between two servers: one that fails at once would keep the machine busy.
constexpr timespec Pause{.tv_sec = 0, .tv_nsec = 100'000'000};

void say(const std::string& text) {
    const std::string line = concat("ctmon: ", text, '\n');
    (void)!::write(STDERR_FILENO, line.data(), line.size());
}

void set_inherited(int fd, bool inherited) {
    (void)::fcntl(fd, F_SETFD, inherited ? 0 : FD_CLOEXEC);
}

void execute(const std::string& program, const std::string& command, int fd) {
    std::string name = "ctmon";
    std::string word = command;
    std::string number = std::to_string(fd);
    const std::array<char*, 4> arguments{name.data(), word.data(), number.data(), nullptr};
    ::execv(program.c_str(), arguments.data());
    ::execv("/proc/self/exe", arguments.data()); // it is not there any more
}

} // namespace

Keeper::Keeper(std::string program, const std::string& socket_path)
    : program_(std::move(program)), socket_path_(socket_path), listener_(listen_at(socket_path)) {
    watch_signals();
    // Each container has some of everybody's.
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

Keeper::Keeper(std::string program, int state) : program_(std::move(program)) {
    const UniqueFd file(state);
    std::string bytes(static_cast<std::size_t>(::lseek(state, 0, SEEK_END)), '\0');
    (void)!::pread(state, bytes.data(), bytes.size(), 0);
    Message saved;
    saved.words = split_words(bytes);
    std::size_t at = 0;
    const auto number = [&] { return static_cast<int>(saved.number(at++)); };
    const auto descriptor = [&] {
        const int fd = number();
        set_inherited(fd, false);
        return UniqueFd(fd);
    };
    socket_path_ = saved.word(at++);
    finishing_ = number() == 1;
    listener_ = descriptor();
    for (int left = number(); left > 0; --left) {
        const pid_t pid = number();
        statuses_[pid] = {.status = number(), .told = false};
    }
    for (int left = number(); left > 0; --left) {
        Entry& entry = entries_[std::string(saved.word(at++))];
        for (int words = number(); words > 0; --words) entry.words.emplace_back(saved.word(at++));
        for (int fds = number(); fds > 0; --fds) entry.fds.push_back(descriptor());
    }
    watch_signals();
}

void Keeper::watch_signals() {
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) throw sys::error(errno, Stage::Session, "become a subreaper");
    sigset_t set;
    ::sigemptyset(&set);
    for (const int number : {SIGCHLD, SIGHUP, SIGTERM, SIGINT}) ::sigaddset(&set, number);
    (void)::sigprocmask(SIG_BLOCK, &set, nullptr);
    signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) throw sys::error(errno, Stage::Session, "make a signal descriptor");
    (void)::signal(SIGPIPE, SIG_IGN);
}

void Keeper::start_server() {
    std::array<int, 2> ends{-1, -1};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) < 0) {
        throw sys::error(errno, Stage::Session, "make a channel to the server");
    }
    UniqueFd theirs(ends[1]);
    channel_.reset(ends[0]);
    while ((server_ = ::fork()) < 0) {
        say(concat("cannot start the server: ", ::strerrordesc_np(errno)));
        (void)::nanosleep(&Pause, nullptr);
    }
    if (server_ == 0) {
        sigset_t none;
        ::sigemptyset(&none);
        (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
        set_inherited(theirs.get(), true);
        execute(program_, "serve-server", theirs.get());
        ::_exit(127);
    }
    theirs.reset();
    hand_over();
}

void Keeper::hand_over() {
    (void)send_message(channel_.get(), {"socket"}, {listener_.get()});
    for (const auto& [id, entry] : entries_) {
        std::vector<std::string> words{"entry", id};
        words.insert(words.end(), entry.words.begin(), entry.words.end());
        std::vector<int> fds;
        for (const UniqueFd& fd : entry.fds) fds.push_back(fd.get());
        (void)send_message(channel_.get(), words, fds);
    }
    (void)send_message(channel_.get(), {"begin"});
    for (auto& [pid, status] : statuses_) status.told = false;
    finish_told_ = stop_told_ = false;
}

void Keeper::upgrade() {
    std::vector<std::string> words{socket_path_, finishing_ ? "1" : "0", std::to_string(listener_.get()),
                                   std::to_string(statuses_.size())};
    std::vector<int> fds{listener_.get()};
    const auto add = [&](auto number) { words.push_back(std::to_string(number)); };
    for (const auto& [pid, status] : statuses_) {
        add(pid);
        add(status.status);
    }
    add(entries_.size());
    for (const auto& [id, entry] : entries_) {
        words.push_back(id);
        add(entry.words.size());
        words.insert(words.end(), entry.words.begin(), entry.words.end());
        add(entry.fds.size());
        for (const UniqueFd& fd : entry.fds) {
            add(fd.get());
            fds.push_back(fd.get());
        }
    }
    const std::string bytes = join_words(words);
    const UniqueFd state(::memfd_create("ctmon-keeper", MFD_CLOEXEC));
    const bool saved = state && ::write(state.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
    if (saved) {
        fds.push_back(state.get());
        for (const int fd : fds) set_inherited(fd, true);
        execute(program_, "serve-keeper", state.get());
        for (const int fd : fds) set_inherited(fd, false);
    }
    say(concat("cannot execute '", program_, "' anew: ", ::strerrordesc_np(errno)));
}

void Keeper::take_signals() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
        switch (info.ssi_signo) {
        case SIGHUP:
            upgrading_ = true;
            stop_told_ = false;
            break;
        case SIGTERM:
        case SIGINT:
            if (std::exchange(finishing_, true)) {
                (void)::kill(server_, SIGKILL);
                result_ = EXIT_FAILURE;
            }
            finish_told_ = false;
            break;
        default: break;
        }
    }
    reap();
}

void Keeper::reap() {
    int status = 0;
    std::optional<int> server_status;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid == server_) {
            server_status = status;
        } else {
            statuses_[pid] = {.status = status, .told = false};
        }
    }
    if (server_status) server_ended(*server_status);
}

void Keeper::server_ended(int status) {
    while (take_messages()) { // what it has told before its end
    }
    const bool orderly = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (result_) return;
    if (orderly && finishing_ && !upgrading_) {
        result_ = EXIT_SUCCESS;
        return;
    }
    if (!orderly) {
        say(WIFSIGNALED(status) ? concat("the server was killed by signal ", WTERMSIG(status), "; another one goes on")
                                : concat("the server exited with code ", WEXITSTATUS(status), "; another one goes on"));
        (void)::nanosleep(&Pause, nullptr);
    }
    if (std::exchange(upgrading_, false)) upgrade();
    start_server();
}

bool Keeper::take_messages() {
    for (;;) {
        Message message;
        switch (receive_message(channel_.get(), MSG_DONTWAIT, message)) {
        case Received::Message: take(std::move(message)); break;
        case Received::Nothing: return false;
        case Received::End: return false;
        }
    }
}

void Keeper::take(Message message) {
    const std::string_view what = message.word(0);
    const std::string id(message.word(1));
    if (what == "put" || what == "note") {
        Entry& entry = entries_[id];
        entry.words.assign(std::make_move_iterator(message.words.begin() + 2),
                           std::make_move_iterator(message.words.end()));
        if (what == "put") entry.fds = std::move(message.fds);
    } else if (what == "drop") {
        entries_.erase(id);
    } else if (what == "noted") {
        statuses_.erase(static_cast<pid_t>(message.number(1)));
    } else if (what == "sync") {
        (void)send_message(channel_.get(), {"synced"});
    }
}

bool Keeper::tell_server() {
    const auto tell = [&](bool due, bool& told, const std::vector<std::string>& words) {
        if (!due || told) return true;
        told = send_message(channel_.get(), words, {}, MSG_DONTWAIT) == 0;
        return told;
    };
    for (auto& [pid, status] : statuses_) {
        if (!tell(true, status.told, {"status", std::to_string(pid), std::to_string(status.status)})) return false;
    }
    return tell(upgrading_, stop_told_, {"stop"}) && tell(finishing_, finish_told_, {"finish"});
}

int Keeper::run() {
    start_server();
    while (!result_) {
        const short room = tell_server() ? 0 : POLLOUT;
        std::array<pollfd, 2> fds{pollfd{signals_.get(), POLLIN, 0},
                                  pollfd{channel_.get(), static_cast<short>(POLLIN | room), 0}};
        if (::poll(fds.data(), fds.size(), -1) < 0) continue;
        if ((fds[1].revents & POLLIN) != 0) (void)take_messages();
        // A channel that hangs up would wake us all the time: the signal tells of the server's end.
        if ((fds[1].revents & (POLLHUP | POLLERR)) != 0 && (fds[0].revents & POLLIN) == 0) {
            pollfd signal{signals_.get(), POLLIN, 0};
            (void)::poll(&signal, 1, -1);
        }
        if (::poll(fds.data(), 1, 0) > 0) take_signals();
    }
    (void)::unlink(socket_path_.c_str());
    return *result_;
}

} // namespace ctmon
