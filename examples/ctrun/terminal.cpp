// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "terminal.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <iostream>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace ctrun {

namespace {

using Clock = std::chrono::steady_clock;

/// Between asking a process to end and killing it.
constexpr std::chrono::seconds Grace{5};

/// More than the kernel holds for a terminal: what comes after so much was written after the process had ended, by
/// others that it has left behind.
constexpr std::size_t TerminalCapacity = 1 << 20;

[[noreturn]] void throw_errno(const char* what) {
    throw std::system_error(errno, std::system_category(), what);
}

/// Bytes on their way: no more than a pipe that is ready for writing takes without blocking.
class Buffer {
public:
    enum class Fill { Data, Nothing, End };

    [[nodiscard]] bool empty() const { return begin_ == end_; }
    [[nodiscard]] std::size_t size() const { return end_ - begin_; }
    void clear() { begin_ = end_ = 0; }

    /// One read into the empty buffer.
    Fill fill(int fd) {
        const ssize_t count = ::read(fd, data_.data(), data_.size());
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) return Fill::Nothing;
        if (count <= 0) return Fill::End; // EIO: the other end of a terminal is gone
        begin_ = 0;
        end_ = static_cast<std::size_t>(count);
        last_ = data_[end_ - 1];
        return Fill::Data;
    }

    /// One write. False if nobody will ever receive it.
    bool drain(int fd) {
        const ssize_t count = ::write(fd, data_.data() + begin_, end_ - begin_);
        if (count < 0) return errno == EAGAIN || errno == EINTR;
        begin_ += static_cast<std::size_t>(count);
        return true;
    }

    /// Types the end-of-file character of \p terminal: twice within a line, where the first only sends the line off.
    void type_end_of_file(int terminal) {
        termios settings{};
        if (::tcgetattr(terminal, &settings) < 0 || settings.c_cc[VEOF] == _POSIX_VDISABLE) return;
        const bool within_line = last_ != '\n' && (settings.c_lflag & ICANON) != 0;
        begin_ = 0;
        end_ = within_line ? 2 : 1;
        std::fill_n(data_.begin(), end_, static_cast<char>(settings.c_cc[VEOF]));
    }

private:
    std::array<char, PIPE_BUF> data_{};
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    char last_ = '\n'; ///< The last byte that ever passed.
};

class Supervisor {
public:
    Supervisor(const ct::Process& process, const Signals& signals, const SupervisionOptions& options)
        : process_(process), signals_(signals), shares_terminal_(options.shares_terminal),
          terminal_(process.terminal()), input_open_(terminal_ >= 0) {
        if (options.timeout) deadline_ = Clock::now() + *options.timeout;
        if (terminal_ >= 0 && ::fcntl(terminal_, F_SETFL, O_RDWR | O_NONBLOCK) < 0) throw_errno("fcntl");
    }

    Outcome run() {
        while (!drained_ || !output_.empty()) step();
        return outcome_;
    }

private:
    void step();
    [[nodiscard]] int poll_timeout() const;
    void on_signal(const signalfd_siginfo& info, bool output_stuck);
    void on_deadline();
    void on_end();
    void move_input(bool readable, bool writable);
    void move_output(bool readable, bool writable);
    void ask_to_end(int number);
    void signal(int number) const;

    const ct::Process& process_;
    const Signals& signals_;
    bool shares_terminal_;
    int terminal_;

    Buffer input_;  ///< From standard input to the terminal.
    Buffer output_; ///< From the terminal to standard output.
    bool input_open_;
    bool output_lost_ = false; ///< Nobody reads our standard output any more.
    bool hung_up_ = false;     ///< No process has the terminal open.
    bool ended_ = false;
    std::size_t after_end_ = 0; ///< Bytes read from the terminal since then.
    bool drained_ = false;      ///< All that the process wrote was read.

    std::optional<Clock::time_point> deadline_;
    bool asked_to_end_ = false;
    Outcome outcome_ = Outcome::Ended;
};

void Supervisor::step() {
    const auto events = static_cast<short>((output_.empty() ? POLLIN : 0) | (input_.empty() ? 0 : POLLOUT));
    // poll(2) reports a hang-up also when nothing is asked for; a negative number keeps a descriptor out of it.
    std::array<pollfd, 5> polled{{
        {.fd = ended_ ? -1 : process_.pidfd(), .events = POLLIN, .revents = 0},
        {.fd = signals_.fd(), .events = POLLIN, .revents = 0},
        {.fd = hung_up_ || ended_ || events == 0 ? -1 : terminal_, .events = events, .revents = 0},
        {.fd = input_open_ && !hung_up_ && input_.empty() ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0},
        {.fd = output_.empty() ? -1 : STDOUT_FILENO, .events = POLLOUT, .revents = 0},
    }};
    const int ready = ::poll(polled.data(), polled.size(), poll_timeout());
    if (ready < 0 && errno != EINTR) throw_errno("poll");
    if (ready < 0) return;
    const auto& [end, signal, terminal, in, out] = polled;

    if (signal.revents != 0)
        while (const auto info = signals_.next()) on_signal(*info, !output_.empty() && out.revents == 0);
    if (deadline_ && Clock::now() >= *deadline_) on_deadline();
    if (end.revents != 0) on_end();
    move_input(in.revents != 0, (terminal.revents & ~POLLIN) != 0);
    move_output((terminal.revents & ~POLLOUT) != 0, out.revents != 0);
}

int Supervisor::poll_timeout() const {
    if (ended_ && !drained_ && output_.empty()) return 0; // what is left in the terminal can be read at once
    if (!deadline_) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
}

void Supervisor::on_signal(const signalfd_siginfo& info, bool output_stuck) {
    const int number = static_cast<int>(info.ssi_signo);
    if (number == SIGWINCH) {
        if (terminal_ >= 0 && !ended_) process_.resize_terminal(terminal_size());
    } else if (ended_) {
        output_lost_ |= output_stuck; // and the user does not want to wait for that any longer
    } else if (info.ssi_code != SI_KERNEL || !shares_terminal_) {
        signal(number); // the kernel sends what is typed to the whole foreground process group
    }
}

void Supervisor::on_deadline() {
    if (asked_to_end_) {
        deadline_.reset();
        signal(SIGKILL);
    } else {
        outcome_ = Outcome::TimedOut;
        ask_to_end(SIGTERM);
    }
}

void Supervisor::on_end() {
    ended_ = true;
    deadline_.reset();
    input_open_ = false;
    input_.clear();
    drained_ = terminal_ < 0;
}

void Supervisor::move_input(bool readable, bool writable) {
    if (ended_) return;
    if (readable && input_.fill(STDIN_FILENO) == Buffer::Fill::End) {
        input_open_ = false;
        input_.type_end_of_file(terminal_);
    }
    if (hung_up_ || (writable && !input_.drain(terminal_))) input_.clear();
}

void Supervisor::move_output(bool readable, bool writable) {
    if (terminal_ < 0) return;
    if (writable && !output_.drain(STDOUT_FILENO)) {
        output_lost_ = true;
        ask_to_end(SIGHUP); // as the kernel does when a terminal goes away
    }
    if (output_lost_) output_.clear();
    if (!output_.empty() || drained_ || !(readable || ended_)) return;
    const Buffer::Fill fill = output_.fill(terminal_);
    hung_up_ = fill == Buffer::Fill::End;
    if (!ended_) return;
    after_end_ += output_.size();
    drained_ = fill != Buffer::Fill::Data || after_end_ > TerminalCapacity;
}

void Supervisor::ask_to_end(int number) {
    if (ended_ || asked_to_end_) return;
    asked_to_end_ = true;
    deadline_ = Clock::now() + Grace;
    signal(number);
}

void Supervisor::signal(int number) const {
    try {
        process_.signal(number);
    } catch (const ct::Error& error) { // it became another user's; no reason to leave it alone
        std::cerr << "ctrun: " << error.what() << "\r\n";
    }
}

} // namespace

std::optional<ct::TerminalSize> own_terminal_size() {
    std::optional<ct::TerminalSize> found;
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        winsize size{};
        if (::ioctl(fd, TIOCGWINSZ, &size) < 0) continue;
        if (size.ws_row != 0) return ct::TerminalSize{.rows = size.ws_row, .columns = size.ws_col};
        found = ct::TerminalSize{}; // it does not know
    }
    return found;
}

ct::TerminalSize terminal_size() {
    return own_terminal_size().value_or(ct::TerminalSize{});
}

RawMode::RawMode(int fd) : fd_(fd), active_(::tcgetattr(fd, &saved_) == 0) {
    if (!active_) return;
    termios raw = saved_;
    ::cfmakeraw(&raw);
    ::tcsetattr(fd_, TCSADRAIN, &raw); // and not TCSAFLUSH, which drops what was typed ahead
}

RawMode::~RawMode() {
    if (active_) ::tcsetattr(fd_, TCSADRAIN, &saved_);
}

Signals::Signals() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH}) ::sigaddset(&set, number);
    if (::sigprocmask(SIG_BLOCK, &set, nullptr) < 0) throw_errno("sigprocmask");
    fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd_ < 0) throw_errno("signalfd");
}

Signals::~Signals() {
    ::close(fd_);
}

std::optional<signalfd_siginfo> Signals::next() const {
    signalfd_siginfo info{};
    if (::read(fd_, &info, sizeof info) != sizeof info) return std::nullopt;
    return info;
}

Outcome supervise(const ct::Process& process, const Signals& signals, const SupervisionOptions& options) {
    std::optional<RawMode> raw;
    if (process.terminal() >= 0) raw.emplace(STDIN_FILENO);
    return Supervisor(process, signals, options).run();
}

} // namespace ctrun
