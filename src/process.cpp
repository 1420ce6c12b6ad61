// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <ct/process.hpp>

#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>

#include <cerrno>
#include <cstring>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "launch/exit_status.hpp"
#include "process_core.hpp"

namespace ct {

namespace internal {

ProcessCore::ProcessCore(std::string container, Launched launched, HostEnds ends, std::shared_ptr<Entered> others)
    : container_(std::move(container)), pid_(launched.pid), pidfd_(std::move(launched.pidfd)),
      adopted_(launched.adopted), others_(std::move(others)), status_pipe_(std::move(ends.status)),
      ends_(std::move(ends)) {}

int ProcessCore::stream(int number) const noexcept {
    const std::lock_guard lock(mutex_);
    return number >= 0 && number < 3 ? ends_.pipes.at(static_cast<std::size_t>(number)).get() : -1;
}

int ProcessCore::release_stream(int number) noexcept {
    const std::lock_guard lock(mutex_);
    return number >= 0 && number < 3 ? ends_.pipes.at(static_cast<std::size_t>(number)).release() : -1;
}

int ProcessCore::terminal() const noexcept {
    const std::lock_guard lock(mutex_);
    return ends_.terminal.get();
}

void ProcessCore::close_streams() noexcept {
    const std::lock_guard lock(mutex_);
    ends_ = HostEnds();
}

std::optional<ExitStatus> ProcessCore::wait(std::optional<std::chrono::nanoseconds> limit, Meanwhile* meanwhile) {
    {
        const std::lock_guard lock(mutex_);
        if (status_) return status_;
    }
    const bool ended = others_ ? others_->wait_until_ended(pidfd_.get(), limit, meanwhile)
                               : wait_until_ended(pidfd_.get(), limit, meanwhile);
    if (!ended) return std::nullopt;
    const std::lock_guard lock(mutex_);
    if (!status_) {
        rusage usage{};
        usage.ru_maxrss = -1; // nobody has no memory at all
        status_ = adopted_ ? look_at(pidfd_.get()) : reap(pidfd_.get(), &usage);
        if (usage.ru_maxrss >= 0) usage_ = usage;
        // A reaper that was killed has told nothing, and ended like everything else.
        if (const auto told = told_status(status_pipe_.get())) status_ = told;
        const pid_t pid = pid_.exchange(-1);
        if (on_end_) std::exchange(on_end_, nullptr)(pid, *status_);
    }
    return status_;
}

void ProcessCore::on_end(std::function<void(pid_t pid, const ExitStatus&)> told) {
    const std::lock_guard lock(mutex_);
    if (status_) {
        told(-1, *status_);
    } else {
        on_end_ = std::move(told);
    }
}

std::optional<rusage> ProcessCore::usage() const {
    const std::lock_guard lock(mutex_);
    return usage_;
}

bool ProcessCore::signal(int number) const {
    if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0) == 0) return true;
    if (errno == ESRCH) return false;
    throw sys::error(errno, Stage::Signal, concat("container '", container_, "': send signal ", number));
}

} // namespace internal

int ExitStatus::shell_code() const noexcept {
    switch (kind) {
    case Kind::Exited: return value;
    case Kind::Signaled: return 128 + value;
    case Kind::Unknown: break;
    }
    return 255;
}

std::string ExitStatus::describe() const {
    switch (kind) {
    case Kind::Exited: return internal::concat("exited with code ", value);
    case Kind::Signaled: {
        const char* const name = ::sigabbrev_np(value);
        return internal::concat("was killed by signal ", value,
                                name != nullptr ? internal::concat(" (SIG", name, ")") : "",
                                core_dumped ? ", core dumped" : "");
    }
    case Kind::Unknown: break;
    }
    return "ended with unknown status";
}

Process::Process(std::shared_ptr<internal::ProcessCore> core) noexcept : core_(std::move(core)) {}
Process::Process(const Process&) noexcept = default;
Process::Process(Process&&) noexcept = default;
Process& Process::operator=(const Process&) noexcept = default;
Process& Process::operator=(Process&&) noexcept = default;
Process::~Process() = default;

pid_t Process::pid() const noexcept {
    return core_->pid();
}

int Process::pidfd() const noexcept {
    return core_->pidfd();
}

ExitStatus Process::wait() const {
    return *core_->wait(std::nullopt);
}

std::optional<ExitStatus> Process::wait_for(std::chrono::nanoseconds limit) const {
    return core_->wait(limit);
}

void Process::signal(int number) const {
    (void)core_->signal(number);
}

int Process::stream(int number) const noexcept {
    return core_->stream(number);
}

int Process::release_stream(int number) const noexcept {
    return core_->release_stream(number);
}

void Process::close_stream(int number) const noexcept {
    internal::UniqueFd(core_->release_stream(number));
}

int Process::terminal() const noexcept {
    return core_->terminal();
}

void Process::resize_terminal(TerminalSize size) const {
    const winsize window{size.rows, size.columns, 0, 0};
    const int terminal = core_->terminal();
    if (terminal < 0 || ::ioctl(terminal, TIOCSWINSZ, &window) < 0) {
        throw internal::sys::error(terminal < 0 ? ENOTTY : errno, Stage::Stdio,
                                   internal::concat("container '", core_->container(), "': resize the terminal"));
    }
}

} // namespace ct
