// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "support/fixture.hpp"

namespace ct::test {

inline int make_socket() {
    const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    EXPECT_GE(fd, 0);
    return fd;
}

inline sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    EXPECT_LT(path.size(), sizeof address.sun_path);
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
}

/// What podman and the like are: connected, never blocking here.
class Client {
public:
    explicit Client(const std::string& path) : fd_(make_socket()) {
        const sockaddr_un address = address_of(path);
        connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
        EXPECT_TRUE(connected_) << path << " " << errno;
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() { close(); }

    /// Reads what is there. \returns whether the end was reached
    bool read() {
        std::array<char, 8194> packet{};
        while (!ended) {
            const ssize_t size = ::recv(fd_, packet.data(), packet.size(), MSG_TRUNC);
            if (size < 0 && errno == EAGAIN) break;
            EXPECT_GE(size, 0) << errno; // no ECONNRESET
            EXPECT_LE(size, 8193);
            EXPECT_NE(size, 1);
            if (size <= 0) {
                ended = true;
                break;
            }
            EXPECT_TRUE(packet[0] == 2 || packet[0] == 3);
            (packet[0] == 2 ? out : err).append(packet.data() + 1, static_cast<std::size_t>(size) - 1);
        }
        return ended;
    }
    /// \returns whether it was taken
    bool send(std::string_view bytes) const { return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0; }
    void end_input() const { EXPECT_EQ(::shutdown(fd_, SHUT_WR), 0); }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    [[nodiscard]] int fd() const { return fd_; }

    std::string out;
    std::string err;
    bool ended = false;

private:
    int fd_;
    bool connected_ = false;
};

/// Appends what comes to \p text.
inline AttachOptions into(std::string& text, Bytes history = {}) {
    return {.history = history, .on_output = [&text](const OutputChunk& chunk) { text += chunk.bytes; }};
}

inline std::size_t open_descriptors() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
    return count;
}

class AttachServerTest : public ContainerTest {
protected:
    [[nodiscard]] std::string path() const { return (dir() / "attach").string(); }
    [[nodiscard]] Container attachable(Attachable how = {}, const std::string& name = "box") {
        Container box = plain(name);
        box.set_attachable(how);
        return box;
    }
    [[nodiscard]] AttachServerOptions at_path(ClientEof eof = ClientEof::Ignore) const {
        return {.path = path(), .eof = eof};
    }
    [[nodiscard]] bool dispatch_until(const std::function<bool()>& condition) {
        const auto deadline = std::chrono::steady_clock::now() + Patience;
        while (!condition()) {
            if (std::chrono::steady_clock::now() > deadline) return false;
            session().dispatch_for(std::chrono::milliseconds(1));
        }
        return true;
    }
    [[nodiscard]] bool accepts(const AttachServer& server, std::uint64_t count) {
        return dispatch_until([&] { return server.stats().accepted == count; });
    }
    /// Dispatches until the container has ended and all clients are gone.
    [[nodiscard]] bool dispatch_to_end(Container& box, const AttachServer& server, std::initializer_list<Client*> all) {
        const bool ended = dispatch_until([&] {
            for (Client* client : all) client->read();
            return server.finished() && !box.running();
        });
        for (Client* client : all) client->read();
        return ended;
    }
};

} // namespace ct::test
