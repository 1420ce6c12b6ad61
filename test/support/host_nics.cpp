// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "support/host_nics.hpp"

#include <net/if.h>
#include <netlink/cache.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/route.h>
#include <netlink/socket.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/sockios.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/hex.hpp"
#include "net/link_view.hpp"
#include "net/requests.hpp"

namespace ct::test {

void HostNicFixture::SetUp() {
    ContainerTest::SetUp();
    if (IsSkipped()) return;
    socket_.emplace();
    make_nic();
    before_ = look();
    ASSERT_TRUE(contains(before_, "nic0: mtu 1400 mac 02:00:00:00:00:11 up bridge -"));
    for (const std::string_view expected : {"192.0.2.2/24 inet dev nic0 scope global", "fd01::2/64 inet6 dev nic0",
                                            "inet 198.51.100.0/24", "via 192.0.2.9 dev nic0", "inet6 fd02::/64"}) {
        EXPECT_TRUE(contains(before_, expected));
    }
}

void HostNicFixture::TearDown() {
    close_session();
    if (socket_) {
        remove("nic0");
        for (const std::string& link : made_) remove(link);
        socket_.reset();
    }
    ContainerTest::TearDown();
}

Container HostNicFixture::with_nic(HostNic device, const std::string& name) {
    Container container = isolated(name);
    container.add_namespace(Namespace::Net).add_network(std::move(device));
    return container;
}

std::string HostNicFixture::look() {
    const auto link = internal::find_link(*socket_, "nic0");
    if (!link) return "none";
    std::string text = "nic0: mtu " + std::to_string(link->mtu) + " mac ";
    for (std::size_t i = 0; i < link->mac.size(); ++i) {
        text += (i == 0 ? "" : ":") + internal::to_hex(link->mac.substr(i, 1));
    }
    text += (link->flags & IFF_UP) != 0 ? " up" : " down";
    text += " bridge " + (link->master == 0 ? "-" : socket_->find_name(link->master)) + "\n";
    for (const std::string& line : lines(tables())) {
        const bool automatic = line.find("fe80:") != std::string::npos || line.find("ff00:") != std::string::npos ||
                               line.find(" table local ") != std::string::npos;
        if (!automatic && line.find("nic0") != std::string::npos) text += line + '\n';
    }
    return text;
}

::testing::AssertionResult HostNicFixture::is_back() {
    std::string now;
    if (await([&] { return (now = look()) == before_; })) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "before:\n" << before_ << "now:\n" << now;
}

void HostNicFixture::request(const Message& message) {
    const internal::Answer answer = socket_->request(message);
    ASSERT_EQ(answer.error, 0) << answer.text;
}

void HostNicFixture::make_bridge(const std::string& name) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::ioctl(fd, SIOCBRADDBR, name.c_str()), 0) << std::generic_category().message(errno);
    ::close(fd);
    set_up(name, true);
    made_.push_back(name);
}

void HostNicFixture::set_up(const std::string& name, bool up) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq change{};
    name.copy(change.ifr_name, sizeof change.ifr_name - 1);
    change.ifr_flags = up ? IFF_UP : 0;
    EXPECT_EQ(::ioctl(fd, SIOCSIFFLAGS, &change), 0) << name;
    ::close(fd);
}

void HostNicFixture::rename(const std::string& name, const std::string& to) {
    set_up(name, false);
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq change{};
    name.copy(change.ifr_name, sizeof change.ifr_name - 1);
    to.copy(change.ifr_newname, sizeof change.ifr_newname - 1);
    EXPECT_EQ(::ioctl(fd, SIOCSIFNAME, &change), 0) << name;
    ::close(fd);
}

void HostNicFixture::remove(const std::string& name) {
    if (const int index = socket_->find_index(name); index != 0) {
        EXPECT_EQ(socket_->request(internal::remove_link(index)).error, 0) << name;
    }
}

Session HostNicFixture::recording_session() {
    return Session({.log_handler = [this](LogLevel, std::string_view text) { log_ += std::string(text) + '\n'; },
                    .state_directory = dir() / "state"});
}

void HostNicFixture::lose_host(const std::vector<HostNic>& nics, const std::function<void(Container&)>& last) {
    const pid_t host = ::fork();
    ASSERT_GE(host, 0);
    if (host == 0) {
        try {
            Session session({.state_directory = dir() / "state"});
            Container box = session.create("box").set_root(image().string());
            box.add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::Net});
            for (const HostNic& each : nics) box.add_network(each);
            start_ready(box, program({"pause"}));
            last(box);
            ::kill(::getpid(), SIGKILL);
        } catch (const std::exception& error) {
            std::fprintf(stderr, "%s\n", error.what());
        }
        ::_exit(1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(host, &status, 0), host);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the host ended by itself";
}

void HostNicFixture::make_nic() {
    // The wire has the other end; both are here.
    request(internal::make_veth(Veth{.container_name = "wire0", .mtu = 1400}, "nic0", "02:00:00:00:00:11", 0,
                                {::getpid()}));
    set_up("wire0", true);
    const int index = socket_->find_index("nic0");
    for (const Address& address :
         {Address{.address = "192.0.2.2/24"}, Address{.address = "fd01::2/64", .no_dad = true}}) {
        Message message = internal::add_address("nic0", address);
        for (const internal::LinkReference& reference : message.references()) message.set_link(reference, index);
        request(message);
    }
    request(internal::add_route({.destination = "198.51.100.0/24", .gateway = "192.0.2.9"}));
    request(internal::add_route({.destination = "fd02::/64", .gateway = "fd01::9", .metric = 7}));
}

std::string HostNicFixture::tables() {
    char* text = nullptr;
    std::size_t size = 0;
    FILE* const out = ::open_memstream(&text, &size);
    nl_sock* const socket = ::nl_socket_alloc();
    ::nl_connect(socket, NETLINK_ROUTE);
    nl_cache* links = nullptr;
    if (::rtnl_link_alloc_cache(socket, AF_UNSPEC, &links) == 0) ::nl_cache_mngt_provide(links);
    nl_dump_params params{};
    params.dp_type = NL_DUMP_LINE;
    params.dp_fd = out;
    const auto dump = [&](nl_cache* cache) {
        ::nl_cache_dump(cache, &params);
        ::nl_cache_free(cache);
    };
    nl_cache* cache = nullptr;
    if (::rtnl_addr_alloc_cache(socket, &cache) == 0) dump(cache);
    if (::rtnl_route_alloc_cache(socket, AF_UNSPEC, 0, &cache) == 0) dump(cache);
    if (links != nullptr) {
        ::nl_cache_mngt_unprovide(links);
        ::nl_cache_free(links);
    }
    ::nl_socket_free(socket);
    std::fclose(out);
    std::string copy(text, size);
    ::free(text); // NOLINT: of open_memstream(3)
    return copy;
}

} // namespace ct::test
