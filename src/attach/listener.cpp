// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "attach/listener.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/concat.hpp"
#include "base/split_path.hpp"
#include "base/sys.hpp"

namespace ct::internal {

namespace {

constexpr int Backlog = 128;

UniqueFd make_socket() {
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) throw sys::error(errno, Stage::Stdio, "make a socket");
    return sys::above_stdio(std::move(fd), Stage::Stdio, "make a socket");
}

/// \param directory  where \p name is: for paths that have no room in an address
sockaddr_un address_of(const std::string& path, int directory, const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::string text = path;
    if (text.size() >= sizeof address.sun_path) text = concat("/proc/self/fd/", directory, "/", name);
    if (text.size() >= sizeof address.sun_path) {
        throw sys::error(ENAMETOOLONG, Stage::Stdio, "make a socket at", path, "its last component is too long");
    }
    std::memcpy(address.sun_path, text.c_str(), text.size() + 1);
    return address;
}

int call_with(int (*call)(int, const sockaddr*, socklen_t), int fd, const sockaddr_un& address) {
    return call(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

int option_of(int fd, int option) {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) < 0 ? -1 : value;
}

bool same(const struct stat& a, const struct stat& b) {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

} // namespace

AttachListener::AttachListener(const AttachServerOptions& options) {
    try {
        if (options.path.empty()) {
            take(options.fd);
        } else {
            make(options);
        }
        sys::fault_point(Stage::Stdio, "listen at", options.path);
        if (::listen(socket_.get(), Backlog) < 0) throw sys::error(errno, Stage::Stdio, "listen at", options.path);
    } catch (...) {
        remove_file();
        throw;
    }
}

AttachListener::~AttachListener() {
    close();
}

void AttachListener::close() noexcept {
    if (process_ == ::getpid()) remove_file();
}

void AttachListener::take(int fd) {
    socket_ = sys::duplicate(fd, Stage::Stdio, "duplicate the listening socket");
    if (option_of(fd, SO_DOMAIN) != AF_UNIX || option_of(fd, SO_TYPE) != SOCK_SEQPACKET) {
        throw sys::error(EPROTOTYPE, Stage::Stdio, "serve those who attach", concat("fd ", fd),
                         "it has to be a unix socket of type SOCK_SEQPACKET");
    }
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        throw sys::error(errno, Stage::Stdio, "set up the listening socket");
    }
}

void AttachListener::make(const AttachServerOptions& options) {
    const std::string& path = options.path;
    auto [directory, name] = split_path(path);
    name_ = std::move(name);
    directory_ = sys::open(directory, O_PATH | O_DIRECTORY, Stage::Stdio);
    socket_ = make_socket();
    // The file gets the mode of the socket, less the umask: it is never open to more than it should be.
    if (::fchmod(socket_.get(), options.mode) < 0) throw sys::error(errno, Stage::Stdio, "set the mode of", path);
    const sockaddr_un address = address_of(path, directory_.get(), name_);
    sys::fault_point(Stage::Stdio, "make a socket at", path);
    if (call_with(::bind, socket_.get(), address) < 0) {
        if (errno != EADDRINUSE) throw sys::error(errno, Stage::Stdio, "make a socket at", path);
        remove_old(path, options.replace);
        if (call_with(::bind, socket_.get(), address) < 0) {
            throw sys::error(errno, Stage::Stdio, "make a socket at", path);
        }
    }
    note_file(path, options.mode);
}

void AttachListener::remove_old(const std::string& path, bool even_if_living) const {
    const auto in_use = [&](std::string_view hint) {
        return sys::error(EADDRINUSE, Stage::Stdio, "make a socket at", path, hint);
    };
    struct stat found {};
    if (::fstatat(directory_.get(), name_.c_str(), &found, AT_SYMLINK_NOFOLLOW) < 0) return; // gone meanwhile
    if (!S_ISSOCK(found.st_mode)) throw in_use("what is there is no socket");
    if (!even_if_living) {
        const UniqueFd probe = make_socket();
        const bool refused = call_with(::connect, probe.get(), address_of(path, directory_.get(), name_)) < 0 &&
                             (errno == ECONNREFUSED || errno == ENOENT);
        if (!refused) throw in_use("a living process serves it");
    }
    struct stat now {};
    if (::fstatat(directory_.get(), name_.c_str(), &now, AT_SYMLINK_NOFOLLOW) < 0) return;
    if (!same(found, now)) throw in_use("another process has just made it");
    if (::unlinkat(directory_.get(), name_.c_str(), 0) < 0 && errno != ENOENT) {
        throw sys::error(errno, Stage::Stdio, "remove the socket of a dead process at", path);
    }
}

void AttachListener::note_file(const std::string& path, mode_t mode) {
    const UniqueFd file(::openat(directory_.get(), name_.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!file || ::fstat(file.get(), &file_) < 0 || !S_ISSOCK(file_.st_mode)) {
        const Error error = sys::error(file ? ESTALE : errno, Stage::Stdio, "look at", path);
        (void)::unlinkat(directory_.get(), name_.c_str(), 0);
        throw error;
    }
    if ((file_.st_mode & 07777U) == (mode & 07777U)) return;
    if (::chmod(concat("/proc/self/fd/", file.get()).c_str(), mode) < 0) {
        throw sys::error(errno, Stage::Stdio, "set the mode of", path);
    }
}

void AttachListener::remove_file() noexcept {
    if (name_.empty() || removed_.exchange(true)) return;
    struct stat now {};
    if (::fstatat(directory_.get(), name_.c_str(), &now, AT_SYMLINK_NOFOLLOW) < 0 || !same(now, file_)) return;
    (void)::unlinkat(directory_.get(), name_.c_str(), 0);
}

} // namespace ct::internal
