// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "attach/input.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <utility>

#include "base/sys.hpp"

namespace ct::internal {

namespace {

UniqueFd non_blocking(UniqueFd fd) {
    const int flags = ::fcntl(fd.get(), F_GETFL);
    if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) < 0) {
        throw sys::error(errno, Stage::Stdio, "set up the input");
    }
    return fd;
}

/// write(2) that raises no SIGPIPE. The signal would be this thread's: it is blocked, and taken back if it came, unless
/// one was waiting before.
ssize_t write_quietly(int fd, std::string_view bytes) {
    sigset_t broken_pipe, before, pending;
    ::sigemptyset(&broken_pipe);
    ::sigaddset(&broken_pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
    ::sigpending(&pending);
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    const int error = errno;
    if (written < 0 && error == EPIPE && ::sigismember(&pending, SIGPIPE) == 0) {
        const timespec now{};
        while (::sigtimedwait(&broken_pipe, nullptr, &now) < 0 && errno == EINTR) {
        }
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = error;
    return written;
}

} // namespace

Input::Input(UniqueFd fd, const std::shared_ptr<Loop>& loop)
    : terminal_(::isatty(fd.get()) == 1), loop_(loop), fd_(non_blocking(std::move(fd))) {}

Input::~Input() {
    close_locked();
}

std::optional<std::size_t> Input::write(std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    write_ends();
    if (!fd_) return std::nullopt;
    if (bytes.empty()) return 0;
    if (ends_due_ > 0) return 0;
    ssize_t written = 0;
    do written = write_quietly(fd_.get(), bytes);
    while (written < 0 && errno == EINTR);
    if (written < 0 && errno == EAGAIN) written = 0;
    if (written < 0) {
        if (terminal_) return bytes.size(); // nobody has it open now, but somebody may open it again
        close_locked();
        arm();
        return std::nullopt;
    }
    const auto taken = static_cast<std::size_t>(written);
    full_ = taken < bytes.size();
    if (taken > 0) in_line_ = bytes[taken - 1] != '\n' && bytes[taken - 1] != '\r';
    return taken;
}

void Input::end() {
    const std::lock_guard lock(mutex_);
    if (!fd_) return;
    if (!terminal_) {
        close_locked();
        arm();
        return;
    }
    termios settings{};
    if (::tcgetattr(fd_.get(), &settings) < 0 || (settings.c_lflag & ICANON) == 0) return; // none would be heeded
    ends_due_ = in_line_ ? 2 : 1; // the first one only hands over what is in the line
    write_ends();
    arm();
}

void Input::write_ends() {
    while (fd_ && ends_due_ > 0) {
        termios settings{};
        if (::tcgetattr(fd_.get(), &settings) < 0) ends_due_ = 0;
        const char end = static_cast<char>(settings.c_cc[VEOF]);
        if (ends_due_ == 0 || (::write(fd_.get(), &end, 1) < 0 && errno == EAGAIN)) return;
        --ends_due_;
        in_line_ = false;
    }
}

void Input::await_room(std::weak_ptr<Waiter> waiter) {
    const std::lock_guard lock(mutex_);
    waiters_.push_back(std::move(waiter));
    arm();
}

void Input::close() noexcept {
    const std::lock_guard lock(mutex_);
    close_locked();
    waiters_.clear();
}

int Input::descriptor() {
    const std::lock_guard lock(mutex_);
    return fd_.get();
}

void Input::close_locked() noexcept {
    ends_due_ = 0;
    if (const auto loop = loop_.lock()) loop->remove(std::exchange(watch_, 0));
    fd_.reset();
}

void Input::arm() {
    const auto loop = loop_.lock();
    if (!loop) return;
    if (!fd_ && !waiters_.empty()) { // they have to be told that there is nothing to wait for
        loop->add_timer(std::chrono::steady_clock::now(), [weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->ready();
        });
    }
    const bool wanted = fd_ && (!waiters_.empty() || ends_due_ > 0);
    if (wanted == (watch_ != 0)) return;
    if (!wanted) {
        loop->remove(std::exchange(watch_, 0));
        return;
    }
    watch_ = loop->add(fd_.get(), EPOLLOUT, [weak = weak_from_this()](std::uint32_t) {
        if (const auto self = weak.lock()) self->ready();
    });
}

void Input::ready() {
    struct Rearm {
        Input& input;
        ~Rearm() {
            const std::lock_guard lock(input.mutex_);
            try {
                input.arm();
            } catch (const Error&) { // only removes here: who waits has had it watched
            }
        }
    } const rearm{*this};
    std::size_t turns = 0;
    {
        const std::lock_guard lock(mutex_);
        write_ends();
        full_ = false;
        turns = waiters_.size();
    }
    for (; turns > 0; --turns) {
        std::shared_ptr<Waiter> next;
        {
            const std::lock_guard lock(mutex_);
            if (full_ || waiters_.empty()) return;
            next = waiters_.front().lock();
            waiters_.pop_front();
        }
        if (next) next->room();
    }
}

} // namespace ct::internal
