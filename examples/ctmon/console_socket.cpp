// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "console_socket.hpp"

#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "received_fds.hpp"

namespace ctmon {

using ct::Stage;
using ct::internal::concat;
using ct::internal::Loop;
using ct::internal::UniqueFd;
namespace sys = ct::internal::sys;

namespace {

constexpr int Backlog = 128;
constexpr std::size_t LongestName = 4096; ///< That the runtime sends along.
constexpr int Attempts = 100;

std::string directory_for_sockets() {
    for (const char* const name : {"TMPDIR", "TMP", "TEMP"})
        if (const char* const value = std::getenv(name); value != nullptr && *value != '\0') return value;
    return "/tmp";
}

std::string random_name() {
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    std::array<unsigned char, 6> bytes{};
    (void)!::getrandom(bytes.data(), bytes.size(), 0);
    std::string name = "conmon-term.";
    for (const unsigned char byte : bytes) name += letters[byte % letters.size()];
    return name;
}

/// The descriptor that came with a message, if it was just one.
UniqueFd descriptor_of(msghdr& message) {
    std::vector<UniqueFd> all = take_descriptors(message);
    return all.size() == 1 ? std::move(all.front()) : UniqueFd();
}

} // namespace

ConsoleSocket::ConsoleSocket(std::shared_ptr<Loop> loop, Handler handler)
    : loop_(std::move(loop)), handler_(std::move(handler)),
      socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    if (!socket_) throw sys::error(errno, Stage::Stdio, "make the console socket");
    (void)::fchmod(socket_.get(), 0700);
    const std::string directory = directory_for_sockets();
    for (int attempt = 0; !bound_ && attempt < Attempts; ++attempt) {
        path_ = concat(directory, '/', random_name());
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (path_.size() >= sizeof address.sun_path) {
            throw sys::error(ENAMETOOLONG, Stage::Stdio, "make the console socket", path_,
                             "set TMPDIR to a shorter path");
        }
        std::memcpy(address.sun_path, path_.data(), path_.size());
        bound_ = ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
        if (!bound_ && errno != EADDRINUSE) break;
    }
    if (!bound_) throw sys::error(errno, Stage::Stdio, "make the console socket", path_);
    try {
        (void)::chmod(path_.c_str(), 0700);
        if (::listen(socket_.get(), Backlog) < 0) throw sys::error(errno, Stage::Stdio, "listen at", path_);
        watch_ = loop_->add(socket_.get(), EPOLLIN, [this](std::uint32_t) { accept_one(); });
    } catch (...) {
        remove_path();
        throw;
    }
}

ConsoleSocket::~ConsoleSocket() {
    unwatch();
    remove_path();
}

void ConsoleSocket::unwatch() noexcept {
    loop_->remove(std::exchange(watch_, 0));
}

void ConsoleSocket::remove_path() noexcept {
    if (std::exchange(bound_, false)) (void)::unlink(path_.c_str());
}

void ConsoleSocket::look() {
    if (bound_) accept_one();
    if (!bound_) receive(); // which may destroy this object
}

void ConsoleSocket::accept_one() {
    UniqueFd connected(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connected) return;
    unwatch();
    remove_path();
    socket_ = std::move(connected);
    watch_ = loop_->add(socket_.get(), EPOLLIN, [this](std::uint32_t) { receive(); });
}

void ConsoleSocket::receive() {
    std::array<char, LongestName> name{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(8 * sizeof(int))> control{};
    iovec part{name.data(), name.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    UniqueFd master = size > 0 ? descriptor_of(message) : UniqueFd();
    if (master && ::isatty(master.get()) == 0) master.reset();
    unwatch();
    socket_.reset();
    const Handler handler = handler_; // it may destroy this object
    handler(std::move(master));
}

} // namespace ctmon
