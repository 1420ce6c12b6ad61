// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "serve/message.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "received_fds.hpp"

namespace ctmon {

using ct::Stage;
using ct::internal::UniqueFd;
namespace sys = ct::internal::sys;

namespace {

constexpr std::size_t MostFds = 253;             ///< SCM_MAX_FD
constexpr std::size_t MostInline = 32UL * 1024;  ///< Of a text that goes in the message itself.
constexpr off_t LongestText = 16L * 1024 * 1024; ///< More than arguments and environment may be.
constexpr std::ptrdiff_t MostWords = 256L * 1024;
constexpr char Inline = 'i';
constexpr char File = 'f';
constexpr int Backlog = 128;

UniqueFd file_of(std::string_view text) {
    UniqueFd file(::memfd_create("ctmon-message", MFD_CLOEXEC));
    while (file && !text.empty()) {
        const ssize_t written = ::write(file.get(), text.data(), text.size());
        if (written <= 0) return {};
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return file;
}

std::optional<std::string> text_of(int file) {
    struct stat status {};
    // Only what is in memory has seals: reading anything else might block.
    if (::fcntl(file, F_GET_SEALS) < 0 || ::fstat(file, &status) < 0 || status.st_size > LongestText)
        return std::nullopt;
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    const ssize_t size = ::pread(file, text.data(), text.size(), 0);
    if (size != status.st_size || std::ranges::count(text, '\0') > MostWords) return std::nullopt;
    return text;
}

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        throw sys::error(ENAMETOOLONG, Stage::Session, "use the socket", path);
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

UniqueFd make_socket() {
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!fd) throw sys::error(errno, Stage::Session, "make a socket");
    return sys::above_stdio(std::move(fd), Stage::Session, "make a socket");
}

} // namespace

long Message::number(std::size_t index) const noexcept {
    const std::string_view text = word(index);
    long value = -1;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && rest == text.data() + text.size() ? value : -1;
}

std::string join_words(const std::vector<std::string>& words) {
    std::string bytes;
    for (const std::string& word : words) bytes.append(word).push_back('\0');
    return bytes;
}

std::vector<std::string> split_words(std::string_view bytes) {
    std::vector<std::string> words;
    while (!bytes.empty()) {
        const std::size_t end = bytes.find('\0');
        words.emplace_back(bytes.substr(0, end));
        if (end == std::string_view::npos) break;
        bytes.remove_prefix(end + 1);
    }
    return words;
}

int send_message(int socket, const std::vector<std::string>& words, const std::vector<int>& fds, int flags) {
    const std::string text = join_words(words);
    const bool is_long = text.size() > MostInline;
    const UniqueFd file = is_long ? file_of(text) : UniqueFd();
    std::vector<int> all = fds;
    if (is_long) all.insert(all.begin(), file.get());
    if ((is_long && !file) || all.size() > MostFds) return E2BIG;
    char kind = is_long ? File : Inline;
    std::array<iovec, 2> parts{iovec{&kind, 1}, iovec{const_cast<char*>(text.data()), is_long ? 0 : text.size()}};
    std::vector<char> control(CMSG_SPACE(all.size() * sizeof(int)));
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    if (!all.empty()) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* const rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(all.size() * sizeof(int));
        std::memcpy(CMSG_DATA(rights), all.data(), all.size() * sizeof(int));
    }
    ssize_t sent = 0;
    do sent = ::sendmsg(socket, &message, MSG_NOSIGNAL | flags);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? errno : 0;
}

Received receive_message(int socket, int flags, Message& message) {
    std::vector<char> bytes(MostInline + 1);
    std::vector<char> control(CMSG_SPACE(MostFds * sizeof(int)));
    iovec part{bytes.data(), bytes.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    ssize_t size = 0;
    do size = ::recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC);
    while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EAGAIN) return Received::Nothing;
    if (size <= 0) return Received::End;
    message = {};
    message.fds = take_descriptors(header);
    for (UniqueFd& fd : message.fds) fd = sys::above_stdio(std::move(fd), Stage::Session, "receive a descriptor");
    if (bytes.front() == Inline) {
        message.words = split_words({bytes.data() + 1, static_cast<std::size_t>(size) - 1});
    } else if (!message.fds.empty()) {
        message.words = split_words(text_of(message.fds.front().get()).value_or(""));
        message.fds.erase(message.fds.begin());
    }
    return Received::Message;
}

UniqueFd connect_to(const std::string& path) {
    const sockaddr_un address = address_of(path);
    UniqueFd socket = make_socket();
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
        throw sys::error(errno, Stage::Session, "connect to", path, errno == ECONNREFUSED ? "nobody serves it" : "");
    }
    return socket;
}

UniqueFd listen_at(const std::string& path) {
    const sockaddr_un address = address_of(path);
    UniqueFd socket = make_socket();
    (void)::fchmod(socket.get(), 0600);
    const auto bind = [&] {
        return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    };
    if (!bind()) {
        const bool in_use = errno == EADDRINUSE;
        const UniqueFd probe = make_socket();
        const bool dead = in_use &&
                          ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 &&
                          errno == ECONNREFUSED;
        if (!in_use || !dead || ::unlink(path.c_str()) < 0 || !bind()) {
            throw sys::error(errno == ECONNREFUSED || dead ? errno : EADDRINUSE, Stage::Session, "listen at", path,
                             in_use && !dead ? "a living process serves it" : "");
        }
    }
    if (::listen(socket.get(), Backlog) < 0) throw sys::error(errno, Stage::Session, "listen at", path);
    return socket;
}

} // namespace ctmon
