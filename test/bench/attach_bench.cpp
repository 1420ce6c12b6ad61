// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// How fast output gets from a container to a client that waits for it, beside a bare pump from a pipe to a socket of
// the same kind, turn by turn.
//
//     ct_attach_bench [MEGABYTES [TURNS]]
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <ct/ct.hpp>

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t PacketSize = 8193;

int produce(std::size_t bytes, int fd) {
    const std::string block(65536, 'x');
    while (bytes > 0) {
        const ssize_t written = ::write(fd, block.data(), std::min(bytes, block.size()));
        if (written <= 0) return 1;
        bytes -= static_cast<std::size_t>(written);
    }
    return 0;
}

/// Reads packets up to the end of file. \returns 0 if so many bytes came
int consume(int fd, std::size_t bytes) {
    std::array<char, PacketSize> packet{};
    for (;;) {
        const ssize_t size = ::read(fd, packet.data(), packet.size());
        if (size <= 0) return bytes == 0 ? 0 : 1;
        bytes -= static_cast<std::size_t>(size) - 1;
    }
}

template <typename Body>
pid_t in_child(const Body& body) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(body());
    return pid;
}

bool ended_well(pid_t pid) {
    int status = -1;
    return ::waitpid(pid, &status, 0) == pid && status == 0;
}

double through_libct(std::size_t bytes, const std::string& path) {
    ct::Session session;
    ct::Container box = session.create("box");
    box.set_attachable({.input = false});
    ct::AttachServer server(box, {.path = path, .slow = ct::SlowClient::Wait});
    const pid_t client = in_child([&] {
        const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) return 2;
        return consume(fd, bytes);
    });
    while (server.stats().accepted == 0) session.dispatch_for(std::chrono::seconds(1));
    const auto begin = Clock::now();
    box.start({}, [bytes] { return produce(bytes, 1); });
    while (!server.finished()) session.dispatch_for(std::chrono::seconds(1));
    const bool good = ended_well(client);
    const std::chrono::duration<double> took = Clock::now() - begin;
    return good && box.wait().success() ? took.count() : -1;
}

double through_pump(std::size_t bytes) {
    std::array<int, 2> pipe{}, sockets{};
    if (::pipe(pipe.data()) < 0 || ::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets.data()) < 0) return -1;
    (void)::fcntl(pipe[0], F_SETPIPE_SZ, 256 * 1024);
    const pid_t client = in_child([&] {
        for (const int fd : {sockets[0], pipe[0], pipe[1]}) ::close(fd);
        return consume(sockets[1], bytes);
    });
    ::close(sockets[1]);
    const auto begin = Clock::now();
    const pid_t producer = in_child([&] { return produce(bytes, pipe[1]); });
    ::close(pipe[1]);
    char id = 2;
    std::array<char, PacketSize - 1> bytes_read{};
    for (ssize_t size = 0; (size = ::read(pipe[0], bytes_read.data(), bytes_read.size())) > 0;) {
        std::array<iovec, 2> parts{iovec{&id, 1}, iovec{bytes_read.data(), static_cast<std::size_t>(size)}};
        if (::writev(sockets[0], parts.data(), 2) < 0) break;
    }
    ::close(pipe[0]);
    ::close(sockets[0]);
    const bool good = ended_well(client) && ended_well(producer);
    const std::chrono::duration<double> took = Clock::now() - begin;
    return good ? took.count() : -1;
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

} // namespace

int main(int argc, char** argv) {
    const std::size_t bytes = (argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 200) * 1000 * 1000;
    const unsigned long turns = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 5;
    const std::string path = std::filesystem::temp_directory_path() / ("ct_attach_bench." + std::to_string(::getpid()));
    std::vector<double> ours, floor;
    for (unsigned long turn = 0; turn < turns; ++turn) {
        ours.push_back(through_libct(bytes, path));
        floor.push_back(through_pump(bytes));
        if (ours.back() < 0 || floor.back() < 0) {
            std::puts("something was lost");
            return 1;
        }
    }
    const double size = static_cast<double>(bytes) / 1e6;
    std::printf("attach: libct %.0f MB/s, bare pump %.0f MB/s, ratio of times %.2f\n", size / median(ours),
                size / median(floor), median(ours) / median(floor));
}
