// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// attach: these standard streams and those of a container in the background.
#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../output.hpp"
#include "../terminal.hpp"
#include "commands.hpp"

namespace ctrun {

namespace {

[[noreturn]] void throw_errno(const std::string& what) {
    throw std::system_error(errno, std::system_category(), what);
}

class Descriptor {
public:
    explicit Descriptor(int fd, const std::string& what) : fd_(fd) {
        if (fd_ < 0) throw_errno(what);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { ::close(fd_); }
    [[nodiscard]] int get() const { return fd_; }

private:
    int fd_;
};

/// Finds keys in what is typed. What may be the begin of them is held back until more is known.
class KeyFilter {
public:
    explicit KeyFilter(std::string keys) : keys_(std::move(keys)) {}

    /// Adds to \p passed what is not part of the keys. \returns whether these were typed
    bool pass(std::string_view typed, std::string& passed) {
        for (const char c : typed) {
            if (keys_.empty()) {
                passed += c;
                continue;
            }
            held_ += c;
            while (!held_.empty() && !keys_.starts_with(held_)) {
                passed += held_.front();
                held_.erase(0, 1);
            }
            if (held_ == keys_) return true;
        }
        return false;
    }

private:
    const std::string keys_;
    std::string held_;
};

std::string socket_of(const ct::Session& session, const std::string& name) {
    for (const ct::ContainerInfo& info : session.containers()) {
        if (info.name != name) continue;
        if (info.state == ct::State::Stopped) throw std::runtime_error("container '" + name + "' is not running");
        if (info.attach_socket.empty())
            throw std::runtime_error("container '" + name +
                                     "' cannot be attached to: it was not started with --interactive or --log");
        if (info.owner < 0)
            throw std::runtime_error("container '" + name +
                                     "' cannot be attached to: the process that held its streams is gone");
        return info.attach_socket;
    }
    throw std::runtime_error("there is no container '" + name + "'");
}

/// However long the path is.
void connect_to(int fd, const std::string& path) {
    const std::filesystem::path file(path);
    const Descriptor directory(::open(file.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC),
                               "open '" + file.parent_path().string() + "'");
    const std::string text = "/proc/self/fd/" + std::to_string(directory.get()) + "/" + file.filename().string();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (text.size() >= sizeof address.sun_path) throw std::runtime_error("'" + path + "' is too long for a socket");
    std::memcpy(address.sun_path, text.c_str(), text.size() + 1);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
        throw_errno("connect to '" + path + "'");
}

class Attachment {
public:
    Attachment(ct::Container container, const std::string& path, const AttachCommand& command, const Signals& signals)
        : container_(std::move(container)), signals_(signals), takes_input_(command.input), input_open_(command.input),
          keys_(::isatty(STDIN_FILENO) == 1 ? command.detach_keys : std::string()),
          socket_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "make a socket") {
        connect_to(socket_.get(), path);
        if (command.input && pass_on_size()) raw_.emplace(STDIN_FILENO);
    }

    /// \returns the exit status
    int run() {
        while (!status_) step();
        return *status_;
    }

private:
    void step();
    void on_signals();
    void take_output();
    void write_output();
    void take_input();
    void send_input();
    /// \returns false if the container has no terminal, or this is none
    bool pass_on_size();
    [[nodiscard]] int status_at_end();

    ct::Container container_;
    const Signals& signals_;
    const bool takes_input_;
    bool input_open_;
    KeyFilter keys_;
    Descriptor socket_;
    std::optional<RawMode> raw_;
    std::string input_;  ///< On its way to the container.
    std::string output_; ///< One packet on its way to output_fd_; no other is read before.
    int output_fd_ = STDOUT_FILENO;
    bool hung_up_ = false; ///< The other end of the socket.
    bool detach_ = false;
    std::optional<int> status_;
};

bool Attachment::pass_on_size() {
    const auto size = own_terminal_size();
    if (!size) return false;
    try {
        container_.resize_terminal(*size);
        return true;
    } catch (const ct::Error& error) {
        if (error.code() == ct::Errc::InvalidState) return false;
        std::cerr << "ctrun: warning: " << error.what() << "\r\n";
        return true;
    }
}

void Attachment::step() {
    // poll(2) reports a hang-up also when nothing is asked for; a negative number keeps a descriptor out of it.
    const auto socket_events = static_cast<short>((output_.empty() ? POLLIN : 0) | (input_.empty() ? 0 : POLLOUT));
    std::array<pollfd, 4> polled{{
        {.fd = socket_events == 0 || (hung_up_ && !output_.empty()) ? -1 : socket_.get(),
         .events = socket_events,
         .revents = 0},
        {.fd = signals_.fd(), .events = POLLIN, .revents = 0},
        {.fd = input_open_ && input_.empty() ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0},
        {.fd = output_.empty() ? -1 : output_fd_, .events = POLLOUT, .revents = 0},
    }};
    if (::poll(polled.data(), polled.size(), -1) < 0) {
        if (errno == EINTR) return;
        throw_errno("poll");
    }
    const auto& [socket, signal, in, out] = polled;
    if (signal.revents != 0) on_signals();
    if (status_) return; // whoever wants it to end does not want to wait for output
    hung_up_ = hung_up_ || (socket.revents & (POLLHUP | POLLERR)) != 0;
    if (out.revents != 0) write_output();
    if (output_.empty() && (socket.revents & ~POLLOUT) != 0) take_output();
    if (status_) return;
    if (in.revents != 0) take_input();
    if (!input_.empty()) send_input();
    if (detach_ && input_.empty() && output_.empty()) status_ = 0;
}

void Attachment::on_signals() {
    while (const auto info = signals_.next()) {
        const int number = static_cast<int>(info->ssi_signo);
        if (number == SIGWINCH) {
            if (takes_input_) pass_on_size();
        } else {
            status_ = 128 + number; // the container goes on
        }
    }
}

void Attachment::take_output() {
    std::array<char, 8193> packet{};
    const ssize_t size = ::recv(socket_.get(), packet.data(), packet.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) {
        status_ = status_at_end();
        return;
    }
    output_fd_ = packet[0] == 3 ? STDERR_FILENO : STDOUT_FILENO;
    output_.assign(packet.data() + 1, static_cast<std::size_t>(size) - 1);
}

void Attachment::write_output() {
    // A pipe that is ready takes so much without blocking: signals have to be heard.
    const ssize_t size = ::write(output_fd_, output_.data(), std::min<std::size_t>(output_.size(), PIPE_BUF));
    if (size >= 0)
        output_.erase(0, static_cast<std::size_t>(size));
    else if (errno == EPIPE)
        throw NobodyReads();
    else if (errno != EAGAIN && errno != EINTR)
        throw_errno("write");
}

void Attachment::take_input() {
    std::array<char, 4096> typed{};
    const ssize_t size = ::read(STDIN_FILENO, typed.data(), typed.size());
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) {
        input_open_ = false; // the container's stays open for others
        return;
    }
    if (!keys_.pass({typed.data(), static_cast<std::size_t>(size)}, input_)) return;
    detach_ = true;
    input_open_ = false;
}

void Attachment::send_input() {
    const ssize_t size = ::send(socket_.get(), input_.data(), input_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    input_.clear(); // a packet goes as a whole, or nobody is there; then reading tells
}

int Attachment::status_at_end() {
    if (container_.running())
        throw std::runtime_error("the connection was closed, and the container goes on: too many are attached, what it "
                                 "writes was not read in time, or the process that held its streams is gone");
    const ct::ExitStatus status = container_.wait();
    return status.kind == ct::ExitStatus::Kind::Unknown ? 0 : status.shell_code();
}

} // namespace

int execute(const AttachCommand& command) {
    const Signals signals;
    ct::Session session = open_session();
    const std::string path = socket_of(session, command.name);
    try {
        return Attachment(session.open(command.name), path, command, signals).run();
    } catch (const NobodyReads&) {
        return 0;
    }
}

} // namespace ctrun
