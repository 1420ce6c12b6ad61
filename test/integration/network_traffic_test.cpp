// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <arpa/inet.h>
#include <linux/sockios.h>
#include <malloc.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <fstream>
#include <thread>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

/// All traffic is in network namespaces of the test program's own, see ContainerTest.
class NetworkTrafficTest : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        make_bridge();
    }
    void TearDown() override {
        close_session();
        EXPECT_EQ(change_bridge(0, SIOCBRDELBR), 0);
        ContainerTest::TearDown();
    }

    /// "br0" of the network namespace that this process is in, up.
    static void make_bridge() {
        ASSERT_EQ(change_bridge(IFF_UP, SIOCBRADDBR), 0) << std::generic_category().message(errno);
    }

    Container on_bridge(const std::string& name, int number) {
        const std::string last = std::to_string(number);
        Container container = isolated(name).add_namespace(Namespace::Net);
        container.add_network(
            Veth{.bridge = "br0",
                 .addresses = {{"10.0.0." + last + "/24"}, {.address = "fd00::" + last + "/64", .no_dad = true}}});
        return container.add_route({.gateway = "10.0.0.254"});
    }

private:
    static int change_bridge(int flags, unsigned long request) {
        const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        ifreq state{};
        std::string("br0").copy(state.ifr_name, sizeof state.ifr_name - 1);
        state.ifr_flags = static_cast<short>(flags);
        if (request == SIOCBRDELBR) (void)::ioctl(fd, SIOCSIFFLAGS, &state);
        int result = ::ioctl(fd, request, "br0");
        if (result == 0 && request == SIOCBRADDBR) result = ::ioctl(fd, SIOCSIFFLAGS, &state);
        ::close(fd);
        return result;
    }
};

constexpr std::uint64_t Total = 1ULL << 30U;
using Block = std::array<std::uint64_t, 8192>;

/// What is sent: each word tells where it belongs.
void fill(Block& block, std::uint64_t first) {
    for (std::uint64_t& word : block) word = first++ * 0x9e3779b97f4a7c15U;
}

sockaddr_in6 address_of(const char* text) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(7000);
    ::inet_pton(AF_INET6, text, &address.sin6_addr);
    return address;
}

/// In a container. \returns the exit code
int receive_all() {
    const int listener = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in6 own = address_of("::");
    if (::bind(listener, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0 || ::listen(listener, 1) != 0)
        return 1;
    if (::write(1, "ready\n", 6) != 6) return 1;
    const int connection = ::accept(listener, nullptr, nullptr);
    static Block received;
    static Block expected;
    for (std::uint64_t done = 0; done < Total; done += sizeof received) {
        if (::recv(connection, received.data(), sizeof received, MSG_WAITALL) != sizeof received) return 2;
        fill(expected, done / sizeof expected[0]);
        if (received != expected) return 3;
    }
    char more = 0;
    return ::recv(connection, &more, 1, 0) == 0 ? 0 : 4;
}

int send_all() {
    const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in6 to = address_of("fd00::2");
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return 1;
    static Block block;
    for (std::uint64_t done = 0; done < Total; done += sizeof block) {
        fill(block, done / sizeof block[0]);
        const char* left = reinterpret_cast<const char*>(block.data());
        for (std::size_t size = sizeof block; size > 0;) {
            const ssize_t sent = ::send(fd, left, size, MSG_NOSIGNAL);
            if (sent <= 0) return 2;
            left += sent;
            size -= static_cast<std::size_t>(sent);
        }
    }
    // The network goes with its last process, and with it what the peer has not acknowledged, its end included.
    ::shutdown(fd, SHUT_WR);
    for (int unacknowledged = 1; unacknowledged > 0; ::usleep(1000)) {
        if (::ioctl(fd, SIOCOUTQ, &unacknowledged) != 0) return 3;
    }
    return 0;
}

TEST_F(NetworkTrafficTest, AGibibyteGoesThroughWithoutLoss) {
    Container receiver = on_bridge("receiver", 2);
    Container sender = on_bridge("sender", 3);
    const Process process = receiver.start({.stdio = {Stdio::Null, Stdio::Pipe, Stdio::Inherit}}, receive_all);
    ASSERT_EQ(read_line(process.stream(1)), "ready");
    (void)sender.start({}, send_all);
    EXPECT_TRUE(exited(sender.wait(), 0));
    EXPECT_TRUE(exited(receiver.wait(), 0));
}

/// Names of links, and routes.
std::string tables() {
    std::string found;
    struct if_nameindex* const links = ::if_nameindex();
    for (const struct if_nameindex* link = links; link->if_index != 0; ++link) found += std::string(link->if_name) + '\n';
    ::if_freenameindex(links);
    // The bridge is given IPv6 addresses by the kernel, some time.
    for (const std::string& route : lines(content("/proc/thread-self/net/ipv6_route"))) {
        if (!route.ends_with(" lo") && !route.ends_with(" br0")) found += route + '\n';
    }
    return found + content("/proc/thread-self/net/route");
}

std::size_t count_fds() {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

/// In a user namespace that can have only so many network namespaces: one that stays makes a later start fail.
TEST_F(NetworkTrafficTest, FiveHundredStartsLeaveNothing) {
    if (ForksHaveThreads) GTEST_SKIP() << "a process with two threads cannot make a user namespace";
    EXPECT_TRUE(passes_in_child([&] {
        ASSERT_EQ(::unshare(CLONE_NEWUSER | CLONE_NEWNET), 0);
        std::ofstream("/proc/self/setgroups") << "deny";
        std::ofstream("/proc/self/uid_map") << "0 0 1";
        std::ofstream("/proc/self/gid_map") << "0 0 1";
        std::ofstream limit("/proc/sys/user/max_net_namespaces");
        limit << "200" << std::flush;
        ASSERT_TRUE(limit.good());
        limit.close();
        make_bridge();
        Session own;
        Container container = own.create("box").add_namespaces({Namespace::Net, Namespace::Pid});
        container.add_network(Veth{.bridge = "br0", .addresses = {{"10.0.0.2/24"}}}).add_route({.gateway = "10.0.0.1"});
        const ProcessSpec process = host_program({"exit", "0"});
        const auto round = [&](int starts) {
            for (int i = 0; i < starts; ++i) {
                (void)container.start(process);
                ASSERT_TRUE(exited(container.wait(), 0));
            }
        };
        round(20); // what is allocated once
        const std::string before = tables();
        const std::size_t fds = count_fds();
        const std::size_t heap = ::mallinfo2().uordblks;
        round(500);
        EXPECT_EQ(tables(), before);
        EXPECT_EQ(count_fds(), fds);
        EXPECT_LE(::mallinfo2().uordblks, heap + 16U * 1024U);
    }));
}

TEST_F(NetworkTrafficTest, SixtyFourAtOnceEachHaveTheirOwn) {
    (void)session();
    constexpr int count = 64;
    std::atomic<int> right = 0;
    std::vector<std::thread> threads;
    for (int number = 1; number <= count; ++number) {
        threads.emplace_back([&, number] {
            Container container = on_bridge("box" + std::to_string(number), number);
            const Finished finished = run(container, program({"network"}));
            const std::string address = "eth0 address 10.0.0." + std::to_string(number) + "/24\n";
            if (finished.out.find(address) != std::string::npos) ++right;
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(right, count);
}

} // namespace
} // namespace ct::test
