// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "serve/client.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "background.hpp"
#include "base/concat.hpp"
#include "base/sys.hpp"
#include "exit_files.hpp"
#include "serve/job.hpp"
#include "serve/message.hpp"

namespace ctmon {

using ct::internal::concat;
using ct::internal::UniqueFd;

namespace {

constexpr std::size_t FrameSize = 8193;
constexpr std::size_t Columns = 6; ///< Of a list.
constexpr int Reconnects = 300;
constexpr timespec ReconnectPause{.tv_sec = 0, .tv_nsec = 100'000'000};

[[noreturn]] void refuse(const std::string& text) {
    throw Refused(concat("ctmon: ", text));
}

[[noreturn]] void refuse_gone() {
    refuse("the server has gone away");
}

/// Asks the server, or the next one if it is replaced meanwhile.
/// \param socket  gets the connection by which the answer came
Message ask(const std::string& path, UniqueFd& socket, const std::vector<std::string>& words,
            const std::vector<int>& fds = {}) {
    for (int attempt = 0; attempt < Reconnects; ++attempt) {
        if (attempt > 0) (void)::nanosleep(&ReconnectPause, nullptr);
        try {
            socket = connect_to(path);
        } catch (const ct::Error&) {
            if (attempt == 0) throw;
            continue; // it comes back
        }
        const int error = send_message(socket.get(), words, fds);
        Message reply;
        if (error == 0 && receive_message(socket.get(), 0, reply) == Received::Message) {
            if (reply.word(0) == "error" || reply.word(0) == "refused") throw Refused(std::string(reply.word(1)));
            return reply;
        }
        if (error != 0 && error != EPIPE && error != ECONNRESET) {
            refuse(concat("talk to the server: ", ::strerrordesc_np(error)));
        }
    }
    refuse_gone();
}

Message ask(const std::string& path, const std::vector<std::string>& words) {
    UniqueFd socket;
    return ask(path, socket, words);
}

/// What this process has inherited for the runtime's sake.
void add_foreign_descriptors(Job& job, bool with_stdio) {
    DIR* const directory = ::opendir("/proc/self/fd");
    if (directory == nullptr) return;
    while (const dirent* const entry = ::readdir(directory)) {
        if (entry->d_name[0] == '.') continue;
        const int fd = std::atoi(entry->d_name);
        if (fd <= STDERR_FILENO ? with_stdio : (::fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0) {
            job.fds.emplace_back(concat(ForeignFd, fd), fd);
        }
    }
    ::closedir(directory);
}

int wait_for_end(const std::string& path, const std::string& name) {
    const std::string line = concat(ask(path, {"wait", name}).word(1), '\n');
    (void)!::write(STDOUT_FILENO, line.data(), line.size());
    return EXIT_SUCCESS;
}

int list(const std::string& path) {
    std::string text = "ID\tCID\tKIND\tPID\tSTATE\tNAME\n";
    const Message reply = ask(path, {"list"});
    for (std::size_t at = 1; at + Columns <= reply.words.size(); at += Columns) {
        for (std::size_t column = 0; column < Columns; ++column)
            text += concat(reply.word(at + column), column + 1 < Columns ? '\t' : '\n');
    }
    (void)!::write(STDOUT_FILENO, text.data(), text.size());
    return EXIT_SUCCESS;
}

/// The terminal passes on everything while this lives.
class RawTerminal {
public:
    RawTerminal() {
        if (::tcgetattr(STDIN_FILENO, &before_) < 0) return;
        is_one_ = true;
        termios raw = before_;
        ::cfmakeraw(&raw);
        raw.c_oflag |= OPOST;
        (void)::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    }
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;
    ~RawTerminal() {
        if (is_one_) (void)::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
    }

private:
    bool is_one_ = false;
    termios before_{};
};

UniqueFd connect_to_attach(const std::string& bundle) {
    // Also where the path has no room in an address.
    const UniqueFd directory(::open(bundle.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory) refuse(concat("open '", bundle, "': ", ::strerrordesc_np(errno)));
    return connect_to(concat("/proc/self/fd/", directory.get(), "/attach"));
}

bool write_all(int fd, const char* bytes, std::size_t size) {
    while (size > 0) {
        const ssize_t written = ::write(fd, bytes, size);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        bytes += written;
        size -= static_cast<std::size_t>(written);
    }
    return true;
}

int attach(const std::string& path, const std::string& name) {
    const UniqueFd socket = connect_to_attach(std::string(ask(path, {"where", name}).word(1)));
    const RawTerminal raw;
    std::array<char, FrameSize> frame{};
    std::array<pollfd, 2> fds{pollfd{socket.get(), POLLIN, 0}, pollfd{STDIN_FILENO, POLLIN, 0}};
    for (;;) {
        if (::poll(fds.data(), fds.size(), -1) < 0) continue;
        if (fds[0].revents != 0) {
            const ssize_t size = ::recv(socket.get(), frame.data(), frame.size(), 0);
            if (size < 0 && errno == EINTR) continue;
            if (size <= 0) return EXIT_SUCCESS;
            const int target = frame.front() == 3 ? STDERR_FILENO : STDOUT_FILENO;
            if (!write_all(target, frame.data() + 1, static_cast<std::size_t>(size) - 1)) return EXIT_FAILURE;
        }
        if (fds[1].revents == 0) continue;
        const ssize_t size = ::read(STDIN_FILENO, frame.data(), frame.size());
        if (size > 0) (void)::send(socket.get(), frame.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL);
        if (size == 0 || (size < 0 && errno != EINTR)) {
            (void)::shutdown(socket.get(), SHUT_WR);
            fds[1].fd = -1;
        }
    }
}

} // namespace

int monitor_elsewhere(const std::string& path, const std::vector<std::string>& arguments, const Options& options,
                      const Messages& messages) {
    UniqueFd socket;
    Job job{.arguments = arguments, .inherited = take_inherited(), .fds = {}};
    UniqueFd start = descriptor_from("_OCI_STARTPIPE");
    if (start) await_client(start.get());
    for (int which = 0; which < RLIMIT_NLIMITS; ++which) {
        if (::getrlimit(static_cast<__rlimit_resource>(which), &job.inherited.limits.emplace_back()) < 0) break;
    }
    const ClientPipes pipes = open_client_pipes(options, std::move(start));
    const UniqueFd directory(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    job.fds.emplace_back("directory", directory.get());
    for (const auto& [name, fd] :
         {std::pair{"sync", pipes.sync.fd()}, {"attach", pipes.attach.fd()}, {"start", pipes.start.get()}})
        if (fd >= 0) job.fds.emplace_back(name, fd);
    add_foreign_descriptors(job, options.log.passthrough);
    std::vector<std::string> words{"monitor"};
    std::vector<int> fds;
    append_job(job, words, fds);
    // Nothing has begun before the server is told to go on.
    const Message reply = ask(path, socket, words, fds);
    if (!options.sync && !options.conmon_pidfile.empty()) {
        try {
            replace_file(options.conmon_pidfile, reply.word(1));
        } catch (const std::exception& error) {
            messages.error(error.what());
            return EXIT_FAILURE;
        }
    }
    if (send_message(socket.get(), {"go"}) != 0) refuse_gone();
    if (!options.sync) return EXIT_SUCCESS;
    Message end;
    if (receive_message(socket.get(), 0, end) != Received::Message)
        end = ask(path, {"wait", std::string(reply.word(2))});
    return static_cast<int>(end.words.size() > 2 ? end.number(2) : end.number(1)) & 0xFF;
}

int run_at(const std::vector<std::string>& arguments) {
    const auto argument = [&](std::size_t at) { return at < arguments.size() ? arguments[at] : std::string(); };
    const std::string& path = argument(1);
    const std::string command = argument(2);
    const std::string name = argument(3);
    if (command == "list" && arguments.size() == 3) return list(path);
    if (command == "wait" && arguments.size() == 4) return wait_for_end(path, name);
    if (command == "attach" && arguments.size() == 4) return attach(path, name);
    if (command == "reopen" && arguments.size() == 4) {
        (void)ask(path, {"reopen", name});
        return EXIT_SUCCESS;
    }
    if (command == "resize" && arguments.size() == 6) {
        (void)ask(path, {"resize", name, argument(4), argument(5)});
        return EXIT_SUCCESS;
    }
    refuse("usage: ctmon at SOCKET list | wait ID | attach ID | reopen ID | resize ID ROWS COLUMNS");
}

} // namespace ctmon
