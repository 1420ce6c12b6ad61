// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "notify_proxy.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <exception>
#include <optional>
#include <utility>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "made_file.hpp"

namespace ctmon {

using ct::Stage;
using ct::internal::concat;
using ct::internal::Loop;
using ct::internal::UniqueFd;
namespace sys = ct::internal::sys;

namespace {

constexpr std::size_t LongestDatagram = 32768;
constexpr mode_t FileMode = 0777; // the container's user may be any
constexpr const char* Name = "notify.sock";

bool is_allowed(std::string_view line) {
    constexpr std::array<std::string_view, 5> lines{"READY=1", "RELOADING=1", "STOPPING=1", "WATCHDOG=1",
                                                    "WATCHDOG=trigger"};
    constexpr std::array<std::string_view, 4> variables{"STATUS=", "ERRNO=", "BUSERROR=", "MONOTONIC_USEC="};
    return std::find(lines.begin(), lines.end(), line) != lines.end() ||
           std::any_of(variables.begin(), variables.end(), [&](auto variable) { return line.starts_with(variable); });
}

struct Address {
    sockaddr_un address{};
    socklen_t size = 0;
    [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

Address address_of(const std::string& path) {
    Address result;
    result.address.sun_family = AF_UNIX;
    if (path.size() >= sizeof result.address.sun_path) {
        throw sys::error(ENAMETOOLONG, Stage::Stdio, "send notifications to", path);
    }
    std::memcpy(result.address.sun_path, path.data(), path.size());
    const bool abstract = path.starts_with('@');
    if (abstract) result.address.sun_path[0] = '\0';
    // The name of an abstract address has no end but the address's.
    result.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
    return result;
}

UniqueFd make_socket() {
    UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) throw sys::error(errno, Stage::Stdio, "make a socket");
    return sys::above_stdio(std::move(fd), Stage::Stdio, "make a socket");
}

} // namespace

std::string allowed_notifications(std::string_view datagram) {
    std::string allowed;
    while (!datagram.empty()) {
        const std::size_t end = std::min(datagram.find_first_of("\n\r"), datagram.size());
        const std::string_view line = datagram.substr(0, end);
        datagram.remove_prefix(std::min(end + 1, datagram.size()));
        if (!is_allowed(line)) continue;
        if (!allowed.empty()) allowed += '\n';
        allowed += line;
    }
    return allowed;
}

struct NotifyProxy::Impl : std::enable_shared_from_this<Impl> {
    Impl(const std::string& bundle, const std::string& host_socket, std::shared_ptr<Loop> its_loop,
         const Messages& its_messages)
        : host(address_of(host_socket)), loop(std::move(its_loop)), messages(its_messages), socket(make_socket()) {
        const std::string path = concat(bundle, "/notify");
        const auto directory = std::make_shared<const UniqueFd>(sys::open(path, O_PATH | O_DIRECTORY, Stage::Stdio));
        bind(directory, concat(path, "/", Name));
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() { stop(); }

    void bind(const std::shared_ptr<const UniqueFd>& directory, const std::string& path);
    void start();
    void stop() noexcept {
        if (watch) loop->remove(*std::exchange(watch, std::nullopt));
    }
    /// Passes one on. \returns whether there was one
    bool pass_on();
    void send(std::string_view text);

    const Address host;
    const std::shared_ptr<Loop> loop;
    const Messages& messages;
    const UniqueFd socket;
    MadeFile file;
    std::optional<Loop::Id> watch;
    bool failing = false; ///< The host's socket took nothing the last time.
};

void NotifyProxy::Impl::bind(const std::shared_ptr<const UniqueFd>& directory, const std::string& path) {
    if (::unlinkat(directory->get(), Name, 0) < 0 && errno != ENOENT) {
        throw sys::error(errno, Stage::Stdio, "remove the old socket", path);
    }
    // By the directory's descriptor: an address has no room for long paths.
    const Address address = address_of(concat("/proc/self/fd/", directory->get(), "/", Name));
    if (::bind(socket.get(), address.get(), address.size) < 0) {
        throw sys::error(errno, Stage::Stdio, "make a socket at", path);
    }
    const UniqueFd made(::openat(directory->get(), Name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (!made || ::fstat(made.get(), &status) < 0) {
        const int error = errno;
        (void)::unlinkat(directory->get(), Name, 0);
        throw sys::error(error, Stage::Stdio, "look at", path);
    }
    file = MadeFile(directory, Name, status);
    // What the umask took away.
    if (!S_ISSOCK(status.st_mode) || ::chmod(concat("/proc/self/fd/", made.get()).c_str(), FileMode) < 0) {
        const int error = S_ISSOCK(status.st_mode) ? errno : ESTALE;
        file.remove();
        throw sys::error(error, Stage::Stdio, "set the mode of", path);
    }
}

void NotifyProxy::Impl::start() {
    // One at a time: others in the loop have their turn between two.
    watch = loop->add(socket.get(), EPOLLIN, [weak = weak_from_this()](std::uint32_t) {
        if (const auto self = weak.lock()) (void)self->pass_on();
    });
}

bool NotifyProxy::Impl::pass_on() {
    // Not cleared: what is not used of it takes no memory.
    std::array<char, LongestDatagram> buffer; // NOLINT(cppcoreguidelines-pro-type-member-init)
    // There is no room for control messages, so that the kernel closes what descriptors come along.
    const ssize_t size = ::recv(socket.get(), buffer.data(), buffer.size(), MSG_TRUNC);
    if (size < 0) {
        if (errno != EAGAIN && errno != EINTR) stop(); // it would be due for ever
        return false;
    }
    if (static_cast<std::size_t>(size) > buffer.size()) {
        messages.debug("a notification of the container is too long");
        return true;
    }
    const std::string text = allowed_notifications({buffer.data(), static_cast<std::size_t>(size)});
    if (!text.empty()) send(text);
    return true;
}

void NotifyProxy::Impl::send(std::string_view text) {
    const ssize_t sent =
        ::sendto(socket.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT, host.get(), host.size);
    // Told once: the container may try it as often as it likes.
    if (sent < 0 && !failing) {
        messages.warn(sys::error(errno, Stage::Stdio, "pass on a notification of the container").what());
    }
    failing = sent < 0;
}

NotifyProxy::NotifyProxy(const std::string& bundle, const std::string& host_socket, std::shared_ptr<Loop> loop,
                         const Messages& messages)
    : impl_(std::make_shared<Impl>(bundle, host_socket, std::move(loop), messages)) {
    try {
        impl_->start();
    } catch (...) {
        remove();
        throw;
    }
}

NotifyProxy::~NotifyProxy() {
    impl_->stop();
}

void NotifyProxy::remove() noexcept {
    impl_->stop();
    impl_->file.remove();
}

void NotifyProxy::drain() noexcept {
    try {
        // A bound, as others may go on writing.
        for (int count = 0; count < 1000 && impl_->pass_on(); ++count) {
        }
    } catch (const std::exception&) { // no memory
        impl_->stop();
    }
}

} // namespace ctmon
