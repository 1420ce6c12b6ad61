// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Two containers on one bridge talk to each other: one finds the other by its name.
//
//     example_network                (as root)
//
//      server                  client
//   eth0 10.0.0.2           eth0 10.0.0.3
//        |                       |
//        `-------- br0 ----------'
#include <ct/ct.hpp>

#include <linux/sockios.h>
#include <net/if.h>
#include <netdb.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <string>
#include <system_error>

namespace {

/// What is the host here is a network namespace of this program's own: nothing of the machine's is changed.
void make_host_network(const char* bridge) {
    const int fd = ::unshare(CLONE_NEWNET) == 0 ? ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    ifreq up{};
    std::string(bridge).copy(up.ifr_name, sizeof up.ifr_name - 1);
    up.ifr_flags = IFF_UP;
    if (fd < 0 || ::ioctl(fd, SIOCBRADDBR, bridge) != 0 || ::ioctl(fd, SIOCSIFFLAGS, &up) != 0) {
        throw std::system_error(errno, std::system_category(), "make a bridge");
    }
    ::close(fd);
}

/// A socket for TCP at this place, connected or listening.
int open_socket(const char* host, int (*use)(int, const sockaddr*, socklen_t)) {
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int error = ::getaddrinfo(host, "7000", &hints, &found); error != 0) {
        std::fprintf(stderr, "%s: %s\n", host, ::gai_strerror(error));
        return -1;
    }
    const int fd = ::socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, 0);
    const int result = use(fd, found->ai_addr, found->ai_addrlen);
    ::freeaddrinfo(found);
    return result == 0 ? fd : -1;
}

/// In the first container: answers whoever calls.
int serve() {
    const int listener = open_socket("server", ::bind);
    if (listener < 0 || ::listen(listener, 1) != 0) return 1;
    std::puts("ready"); // for those who wait for it
    std::fflush(stdout);
    const int caller = ::accept(listener, nullptr, nullptr);
    char text[64];
    const ssize_t size = ::recv(caller, text, sizeof text, 0);
    return size > 0 && ::send(caller, text, static_cast<std::size_t>(size), 0) == size ? 0 : 1;
}

/// In the second one.
int ask() {
    const int server = open_socket("server", ::connect);
    char text[64] = "hello over the bridge";
    if (server < 0 || ::send(server, text, std::char_traits<char>::length(text), 0) < 0) return 1;
    const ssize_t size = ::recv(server, text, sizeof text - 1, 0);
    if (size <= 0) return 1;
    std::printf("the server says: %.*s\n", static_cast<int>(size), text);
    return 0;
}

//! [bridge]
ct::Container on_bridge(ct::Session& session, const char* name, const char* address) {
    return session.create(name)
        .add_namespaces({ct::Namespace::Net, ct::Namespace::Mount, ct::Namespace::Uts})
        .set_hostname(name)
        .add_network(ct::Veth{.bridge = "br0", .addresses = {{address}}})
        .add_route({.gateway = "10.0.0.1"})
        .set_names({.servers = {"10.0.0.1"}, .hosts = {{"10.0.0.2", {"server"}}}});
}
//! [bridge]

void run() {
    make_host_network("br0");
    ct::Session session;
    ct::Container server = on_bridge(session, "server", "10.0.0.2/24");
    ct::Container client = on_bridge(session, "client", "10.0.0.3/24");

    const ct::Process serving = server.start({.stdio = {ct::Stdio::Null, ct::Stdio::Pipe, ct::Stdio::Inherit}}, serve);
    char byte = 0;
    while (::read(serving.stream(1), &byte, 1) == 1 && byte != '\n') {
    }
    client.start({}, ask);
    std::printf("client: %s\n", client.wait().describe().c_str());
    std::printf("server: %s\n", server.wait().describe().c_str());
}

} // namespace

int main() {
    try {
        run();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
