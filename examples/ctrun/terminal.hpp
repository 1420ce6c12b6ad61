// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/signalfd.h>
#include <termios.h>

#include <chrono>
#include <optional>

#include <ct/ct.hpp>

/// Everything between this terminal, or whoever signals ctrun, and the command.
namespace ctrun {

/// Size of the terminal that ctrun is on, if it is on one.
std::optional<ct::TerminalSize> own_terminal_size();
/// The same, else the usual one.
ct::TerminalSize terminal_size();

/// Hands every key to the process's terminal, which does what this one did before: echo, editing, Ctrl-C. Does nothing
/// if \p fd is no terminal.
class RawMode {
public:
    explicit RawMode(int fd);
    RawMode(const RawMode&) = delete;
    RawMode& operator=(const RawMode&) = delete;
    ~RawMode();

private:
    int fd_;
    termios saved_{};
    bool active_;
};

/// The signals that ctrun hands on, from the construction on: they wait here instead of ending ctrun.
class Signals {
public:
    Signals();
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;
    ~Signals();

    [[nodiscard]] int fd() const { return fd_; }
    /// The next one, if there is one.
    [[nodiscard]] std::optional<signalfd_siginfo> next() const;

private:
    int fd_;
};

struct SupervisionOptions {
    /// The process gets what is typed on ctrun's terminal, such as Ctrl-C, without ctrun's help.
    bool shares_terminal = false;
    std::optional<std::chrono::milliseconds> timeout;
};

enum class Outcome { Ended, TimedOut };

/// Hands on signals and, if the process has a terminal, everything that goes in and out, until the process has ended.
Outcome supervise(const ct::Process& process, const Signals& signals, const SupervisionOptions& options);

} // namespace ctrun
