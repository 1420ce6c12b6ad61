// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Links of the host that containers have for a time. One end of a veth stands in for a network card, in the network
// namespace of the test program.
#include <net/if.h>
#include <netlink/cache.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/route.h>
#include <netlink/socket.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

#include <sched.h>

#include <csignal>
#include <cstdlib>
#include <functional>

#include "base/fault.hpp"
#include "net/link_state.hpp"
#include "net/requests.hpp"
#include "net/socket.hpp"
#include "support/fixture.hpp"

namespace ct::test {
namespace {

using internal::Faults;
using internal::Message;
using internal::NetlinkSocket;

class HostNicTest : public ContainerTest {
protected:
    void SetUp() override {
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
    void TearDown() override {
        close_session();
        if (socket_) {
            remove("nic0");
            for (const std::string& link : made_) remove(link);
            socket_.reset();
        }
        ContainerTest::TearDown();
    }

    static HostNic nic() { return {.host_name = "nic0", .container_name = "eth0", .addresses = {{"10.0.0.2/24"}}}; }

    Container with_nic(HostNic device = nic(), const std::string& name = "box") {
        Container container = isolated(name);
        container.add_namespace(Namespace::Net).add_network(std::move(device));
        return container;
    }

    /// What there is to see of the NIC on the host, except for what the kernel makes by itself and in its own time.
    std::string look() {
        const auto link = internal::find_view(*socket_, "nic0");
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

    /// Waits until the NIC is as it was before the test, which takes the kernel a moment.
    ::testing::AssertionResult is_back() {
        std::string now;
        if (await([&] { return (now = look()) == before_; })) return ::testing::AssertionSuccess();
        return ::testing::AssertionFailure() << "before:\n" << before_ << "now:\n" << now;
    }
    void remember() { before_ = look(); }

    void request(const Message& message) {
        const internal::Answer answer = socket_->request(message);
        ASSERT_EQ(answer.error, 0) << answer.text;
    }

    void make_bridge(const std::string& name) {
        const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        ASSERT_EQ(::ioctl(fd, SIOCBRADDBR, name.c_str()), 0) << std::generic_category().message(errno);
        ::close(fd);
        set_up(name, true);
        made_.push_back(name);
    }
    void set_up(const std::string& name, bool up) {
        const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        ifreq change{};
        name.copy(change.ifr_name, sizeof change.ifr_name - 1);
        change.ifr_flags = up ? IFF_UP : 0;
        EXPECT_EQ(::ioctl(fd, SIOCSIFFLAGS, &change), 0) << name;
        ::close(fd);
    }
    void rename(const std::string& name, const std::string& to) {
        set_up(name, false);
        const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        ifreq change{};
        name.copy(change.ifr_name, sizeof change.ifr_name - 1);
        to.copy(change.ifr_newname, sizeof change.ifr_newname - 1);
        EXPECT_EQ(::ioctl(fd, SIOCSIFNAME, &change), 0) << name;
        ::close(fd);
    }
    void remove(const std::string& name) {
        if (const int index = socket_->find_index(name); index != 0) {
            EXPECT_EQ(socket_->request(internal::remove_link(index)).error, 0) << name;
        }
    }
    void add_made(const std::string& name) { made_.push_back(name); }
    NetlinkSocket& socket() { return *socket_; }

    /// A session whose warnings are kept.
    Session recording_session() {
        return Session({.log_handler = [this](LogLevel, std::string_view text) { log_ += std::string(text) + '\n'; },
                        .state_directory = dir() / "state"});
    }
    [[nodiscard]] const std::string& log() const { return log_; }

    /// Lets a host process start a container "box" with the NIC, do \p last, and be killed.
    void lose_host(const std::function<void(Container&)>& last) {
        const pid_t host = ::fork();
        ASSERT_GE(host, 0);
        if (host == 0) {
            try {
                Session session({.state_directory = dir() / "state"});
                Container box = session.create("box").set_root(image().string());
                box.add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::Net}).add_network(nic());
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

private:
    void make_nic() {
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

    static std::string tables() {
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

    std::optional<NetlinkSocket> socket_;
    std::string before_;
    std::string log_;
    std::vector<std::string> made_;
};

TEST_F(HostNicTest, MovesInAndComesBackAsItWas) {
    Container box = with_nic();
    start_ready(box, program({"pause"}));
    EXPECT_EQ(look(), "none");
    const std::string inside = run_entered(box, program({"network"})).out;
    EXPECT_TRUE(contains(inside, "eth0 up mtu 1400 mac 02:00:00:00:00:11\n"));
    EXPECT_TRUE(contains(inside, "eth0 address 10.0.0.2/24\n"));
    EXPECT_EQ(inside.find("192.0.2.2"), std::string::npos);
    box.stop(std::chrono::seconds(0));
    EXPECT_TRUE(is_back());
}

TEST_F(HostNicTest, ComesBackFromAContainerThatHasChangedIt) {
    HostNic device = nic();
    device.mac = "02:00:00:00:00:22";
    device.mtu = 1300;
    Container box = with_nic(device);
    for (int i = 0; i < 3; ++i) {
        start_ready(box, program({"pause"}));
        const std::string inside = run_entered(box, program({"network"})).out;
        EXPECT_TRUE(contains(inside, "eth0 up mtu 1300 mac 02:00:00:00:00:22\n"));
        const Finished renamed = run_entered(box, {}, [] {
            const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
            ifreq change{};
            std::string("eth0").copy(change.ifr_name, sizeof change.ifr_name - 1);
            if (::ioctl(fd, SIOCSIFFLAGS, &change) != 0) return 1;
            std::string("mine").copy(change.ifr_newname, sizeof change.ifr_newname - 1);
            return ::ioctl(fd, SIOCSIFNAME, &change) == 0 ? 0 : 2;
        });
        EXPECT_TRUE(exited(renamed.status, 0));
        box.stop(std::chrono::seconds(0));
        EXPECT_TRUE(is_back());
    }
}

TEST_F(HostNicTest, KeepsItsAddressesIfAskedFor) {
    HostNic device = nic();
    device.container_name.clear();
    device.keep_addresses = true;
    Container box = with_nic(device);
    const std::string inside = run(box, program({"network"})).out;
    for (const char* address : {"192.0.2.2/24", "fd01::2/64", "10.0.0.2/24"}) {
        EXPECT_TRUE(contains(inside, std::string("nic0 address ") + address + "\n"));
    }
    EXPECT_TRUE(is_back());
}

TEST_F(HostNicTest, ComesBackAfterSigkillOfTheContainer) {
    Container box = with_nic();
    const Process init = start_ready(box, program({"pause"}));
    ASSERT_EQ(::kill(init.pid(), SIGKILL), 0);
    EXPECT_TRUE(signaled(box.wait(), SIGKILL));
    EXPECT_TRUE(is_back());
}

TEST_F(HostNicTest, ComesBackDownIfItWasDown) {
    set_up("nic0", false);
    remember();
    Container box = with_nic();
    EXPECT_TRUE(succeeded(run(box, program({"exit", "0"}))));
    EXPECT_TRUE(is_back());
}

TEST_F(HostNicTest, ComesBackIntoItsBridge) {
    make_bridge("br0");
    set_up("nic0", true);
    Message join(RTM_NEWLINK, 0);
    ifinfomsg header{};
    header.ifi_index = socket().find_index("nic0");
    join.add_header(header);
    join.put(IFLA_MASTER, static_cast<std::uint32_t>(socket().find_index("br0")));
    request(join);
    remember();
    EXPECT_TRUE(contains(look(), "bridge br0"));
    Container box = with_nic();
    EXPECT_TRUE(succeeded(run(box, program({"exit", "0"}))));
    EXPECT_TRUE(is_back());
}

TEST_F(HostNicTest, RoutesWithSeveralWaysComeBackWhole) {
    Message message = internal::add_address("wire0", {.address = "fd05::2/64", .no_dad = true});
    for (const internal::LinkReference& reference : message.references()) {
        message.set_link(reference, socket().find_index("wire0"));
    }
    request(message);
    request(internal::add_route(
        {.destination = "fd08::/64", .next_hops = {{.gateway = "fd01::9"}, {.gateway = "fd05::9"}}}));
    remember();
    EXPECT_TRUE(contains(look(), "fd08::/64"));
    Container box = with_nic();
    EXPECT_TRUE(succeeded(run(box, program({"exit", "0"}))));
    EXPECT_TRUE(is_back());
}

TEST_F(HostNicTest, WorksInAUserNamespace) {
    Container box = with_nic().add_namespace(Namespace::User);
    box.add_uid_map({0, 100'000, 1000}).add_gid_map({0, 100'000, 1000});
    const Finished finished = run(box, program({"network"}));
    EXPECT_TRUE(contains(finished.out, "eth0 address 10.0.0.2/24\n")) << finished.err;
    EXPECT_TRUE(is_back());
}

TEST_F(HostNicTest, ComesBackFromAStartThatFails) {
    Container box = with_nic();
    EXPECT_TRUE(fails([&] { (void)box.start(ProcessSpec{.argv = {"/no/such"}}); }, std::errc::no_such_file_or_directory,
                      {"container 'box'"}));
    EXPECT_TRUE(is_back());
    box.add_route({.destination = "10.9.0.0/16", .gateway = "10.7.0.1", .device = "eth0"});
    EXPECT_TRUE(fails([&] { (void)box.start(program({"pause"})); }, std::errc::network_unreachable, {"add route"}));
    EXPECT_TRUE(is_back());
}

TEST_F(HostNicTest, WhatIsNotThereOrTakenIsSaid) {
    Container box = with_nic();
    start_ready(box, program({"pause"}));
    Container other = with_nic(nic(), "other");
    EXPECT_TRUE(fails([&] { (void)other.start(program({"pause"})); }, std::errc::no_such_device,
                      {"container 'other': take the host's link 'nic0': No such device", "a container that has it"}));
    box.stop(std::chrono::seconds(0));
    EXPECT_TRUE(is_back());
    make_bridge("br0");
    Container bridged = with_nic({.host_name = "br0"}, "bridged");
    EXPECT_TRUE(fails([&] { (void)bridged.start(program({"pause"})); }, std::errc::invalid_argument,
                      {"move into the container the host's link 'br0'"}));
    EXPECT_TRUE(
        fails([&] { (void)with_nic({.host_name = "lo"}, "looped"); }, Errc::InvalidConfig, {"loopback device"}));
}

TEST_F(HostNicTest, GetsAnotherNameIfItsOwnIsTaken) {
    Session session = recording_session();
    Container box = session.create("box").set_root(image().string());
    box.add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::Net}).add_network(nic());
    start_ready(box, program({"pause"}));
    make_bridge("nic0");
    box.stop(std::chrono::seconds(0));
    EXPECT_TRUE(contains(log(), "container 'box': bring back the host's link 'nic0': File exists"));
    const std::size_t at = log().find("it is called '") + 14;
    const std::string name = log().substr(at, log().find('\'', at) - at);
    const auto link = internal::find_view(socket(), name);
    ASSERT_TRUE(link) << log();
    EXPECT_EQ(link->mtu, 1400U);
    EXPECT_TRUE((link->flags & IFF_UP) != 0);
    remove("nic0");
    rename(name, "nic0");
}

TEST_F(HostNicTest, AnotherSessionThatStopsItBringsItBack) {
    const SessionOptions options{.state_directory = dir() / "state"};
    EXPECT_TRUE(passes_in_child([&] {
        Session session(options);
        Container box = session.create("box").set_root(image().string());
        box.add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::Net}).add_network(nic());
        start_ready(box, program({"pause"}));
        box.detach();
    }));
    EXPECT_EQ(look(), "none");
    {
        Session next = recording_session();
        Container box = next.open("box");
        box.kill();
        (void)box.wait();
        EXPECT_EQ(box.state(), State::Stopped);
        EXPECT_TRUE(is_back()) << log();
    }
    EXPECT_TRUE(std::filesystem::is_empty(dir() / "state")) << tree(dir() / "state");
}

TEST_F(HostNicTest, ComesBackAfterSigkillOfTheHostProcess) {
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0); // to reap what the host leaves
    lose_host([](Container&) {});
    EXPECT_EQ(look(), "none") << "the container goes on";
    {
        Session next = recording_session();
        Container box = next.open("box");
        EXPECT_TRUE(contains(run_entered(box, program({"network"})).out, "eth0 address 10.0.0.2/24\n"));
        box.remove(Remove::Force);
        EXPECT_TRUE(is_back()) << log();
        EXPECT_EQ(log(), "");
    }
    EXPECT_TRUE(std::filesystem::is_empty(dir() / "state")) << tree(dir() / "state");
    while (::waitpid(-1, nullptr, __WALL) > 0 || errno == EINTR) continue;
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

TEST_F(HostNicTest, ComesBackThoughHostAndContainerAreKilled) {
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    lose_host([](Container& box) { ::kill(box.init().pid(), SIGKILL); });
    while (::waitpid(-1, nullptr, __WALL) > 0 || errno == EINTR) continue; // the container is gone now
    EXPECT_EQ(look(), "none");
    {
        Session next = recording_session();
        EXPECT_TRUE(is_back()) << log();
        EXPECT_EQ(log(), "");
    }
    EXPECT_TRUE(std::filesystem::is_empty(dir() / "state")) << tree(dir() / "state");
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

TEST_F(HostNicTest, MovesIntoARunningContainerAndOut) {
    Container box = isolated().add_namespace(Namespace::Net);
    start_ready(box, program({"pause"}));
    for (int i = 0; i < 3; ++i) {
        box.attach_network(nic());
        EXPECT_EQ(look(), "none");
        EXPECT_TRUE(contains(run_entered(box, program({"network"})).out, "eth0 address 10.0.0.2/24\n"));
        box.detach_network("eth0");
        EXPECT_TRUE(is_back());
    }
    box.attach_network(nic());
    // What is refused changes nothing.
    Container other = isolated("other").add_namespace(Namespace::Net);
    start_ready(other, program({"pause"}));
    EXPECT_TRUE(fails([&] { other.attach_network(nic()); }, std::errc::no_such_device, {"take the host's link"}));
    box.stop(std::chrono::seconds(0));
    EXPECT_TRUE(is_back());
    HostNic twice = nic();
    twice.keep_addresses = true;
    twice.addresses = {{"192.0.2.2/24"}};
    EXPECT_TRUE(fails([&] { other.attach_network(twice); }, std::errc::file_exists, {"add address '192.0.2.2/24'"}));
    EXPECT_TRUE(is_back());
    other.stop(std::chrono::seconds(0));
}

TEST_F(HostNicTest, ThatOfARunningContainerIsInTheRecord) {
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    const auto lose = [&](const std::function<void(Container&)>& last) {
        const pid_t host = ::fork();
        if (host == 0) {
            try {
                Session session({.state_directory = dir() / "state"});
                Container box = session.create("box").set_root(image().string());
                box.add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::Net});
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
        ASSERT_TRUE(WIFSIGNALED(status));
    };
    lose([](Container& box) { box.attach_network(nic()); });
    EXPECT_EQ(look(), "none");
    {
        Session next = recording_session();
        Container box = next.open("box");
        box.detach_network("eth0"); // by a session that has neither started the container nor moved the link
        EXPECT_TRUE(is_back()) << log();
        box.attach_network(nic());
        EXPECT_EQ(look(), "none");
    }
    EXPECT_EQ(look(), "none") << "it is the container's, not that session's";
    {
        Session last = recording_session();
        last.open("box").remove(Remove::Force);
        EXPECT_TRUE(is_back()) << log();
    }
    lose([](Container& box) {
        box.attach_network(nic());
        ::kill(box.init().pid(), SIGKILL);
    });
    while (::waitpid(-1, nullptr, __WALL) > 0 || errno == EINTR) continue;
    {
        const Session last = recording_session();
        EXPECT_TRUE(is_back()) << log();
    }
    EXPECT_EQ(log(), "");
    EXPECT_TRUE(std::filesystem::is_empty(dir() / "state")) << tree(dir() / "state");
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

/// What is done in the network namespace of a container, by a process there.
Finished run_inside(Container& box, const std::function<int(NetlinkSocket&)>& body) {
    return run_entered(box, {}, [&] {
        NetlinkSocket socket;
        return body(socket);
    });
}

int give_name(NetlinkSocket& socket, const char* device, const char* name) {
    return socket.request(internal::change_other_name(RTM_NEWLINKPROP, socket.find_index(device), name)).error;
}

TEST_F(HostNicTest, NamesThatAContainerGivesItDoNotKeepItThere) {
    request(internal::change_other_name(RTM_NEWLINKPROP, socket().find_index("nic0"), "wan0"));
    Container box = isolated().add_namespace(Namespace::Net);
    start_ready(box, program({"pause"}));
    for (const bool ends : {false, true}) {
        box.attach_network(nic());
        const Finished named =
            run_inside(box, [](NetlinkSocket& inside) { return give_name(inside, "eth0", "wire0"); });
        ASSERT_TRUE(exited(named.status, 0));
        if (ends) {
            box.stop(std::chrono::seconds(0));
        } else {
            box.detach_network("eth0");
        }
        EXPECT_TRUE(is_back());
        EXPECT_EQ(internal::find_view(socket(), "nic0")->other_names, std::vector<std::string>{"wan0"});
    }
}

TEST_F(HostNicTest, AnAlternativeNameIsAnotherWayToCallIt) {
    request(internal::change_other_name(RTM_NEWLINKPROP, socket().find_index("nic0"), "wan0"));
    HostNic device = nic();
    device.host_name = "wan0";
    Container box = with_nic(device);
    EXPECT_TRUE(succeeded(run(box, program({"exit", "0"}))));
    EXPECT_TRUE(is_back());
    EXPECT_EQ(internal::find_view(socket(), "nic0")->other_names, std::vector<std::string>{"wan0"});
}

TEST_F(HostNicTest, OfAHostWithoutDescriptorsItComesBack) {
    Container box = with_nic();
    const Process init = start_ready(box, program({"pause"}));
    ASSERT_EQ(::kill(init.pid(), SIGKILL), 0);
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit none{3, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    EXPECT_NO_THROW(box.wait());
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_TRUE(is_back());
}

TEST_F(HostNicTest, OnlyTheContainerThatHasItGivesItBack) {
    for (const bool recorded : {false, true}) {
        SessionOptions options;
        if (recorded) options.state_directory = dir() / "state";
        Session session(options);
        Container pod = session.create("pod").add_namespace(Namespace::Net).add_network(nic());
        pod.hold();
        Container member = session.create("member").set_root(image().string());
        member.add_namespaces({Namespace::Mount, Namespace::Pid}).join_namespace(Namespace::Net, pod);
        start_ready(member, program({"pause"}));
        EXPECT_TRUE(fails([&] { member.detach_network("eth0"); }, Errc::InvalidState,
                          {"container 'member': detach 'eth0'", "the container 'pod' has"}));
        pod.detach_network("eth0");
        EXPECT_TRUE(is_back());
        pod.attach_network(nic());
        member.stop(std::chrono::seconds(0));
        pod.stop(std::chrono::seconds(0));
        EXPECT_TRUE(is_back());
    }
}

TEST_F(HostNicTest, ALinkThatTheContainerPassesOffAsItStaysThere) {
    Container box = with_nic();
    start_ready(box, program({"pause"}));
    const Finished swapped = run_inside(box, [this](NetlinkSocket& inside) {
        const auto real = internal::find_view(inside, "eth0");
        rename("eth0", "real");
        // The number of the other end is that which the real one's has.
        Message fake = internal::make_veth(Veth{.container_name = "spy"}, "eth0", "02:00:00:00:00:11", 0, {::getpid()});
        if (const int error = inside.request(fake).error; error != 0) return error;
        return internal::find_view(inside, "eth0")->index == real->index ? 1 : 0;
    });
    ASSERT_TRUE(exited(swapped.status, 0)) << swapped.err;
    box.stop(std::chrono::seconds(0));
    EXPECT_TRUE(is_back());
    const auto link = internal::find_view(socket(), "nic0");
    ASSERT_TRUE(link);
    EXPECT_EQ(link->peer, socket().find_index("wire0"));
}

TEST_F(HostNicTest, IsNotTakenIntoAnotherNetworkNamespace) {
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    lose_host([](Container& box) { ::kill(box.init().pid(), SIGKILL); });
    while (::waitpid(-1, nullptr, __WALL) > 0 || errno == EINTR) continue;
    EXPECT_TRUE(passes_in_child([&] {
        ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
        const Session elsewhere = recording_session();
        EXPECT_TRUE(contains(log(), "it belongs into another network namespace"));
        EXPECT_EQ(NetlinkSocket().find_index("nic0"), 0);
    }));
    {
        Session home = recording_session();
        EXPECT_TRUE(is_back()) << log();
    }
    EXPECT_TRUE(std::filesystem::is_empty(dir() / "state")) << tree(dir() / "state");
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

/// Links without a permanent MAC address or another end: nothing but the number tells one from the other.
TEST_F(HostNicTest, AnAttachThatFailsMovesNothingElse) {
    const auto make = [&](const char* name) {
        Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
        message.add_header(ifinfomsg{});
        message.put(IFLA_IFNAME, std::string_view(name));
        message.nest(IFLA_LINKINFO, [&] { message.put(IFLA_INFO_KIND, std::string_view("ifb")); });
        add_made(name);
        return socket().request(message).error;
    };
    if (const int error = make("ifbA"); error == EOPNOTSUPP) GTEST_SKIP() << "this kernel has no ifb";
    ASSERT_EQ(make("ifbB"), 0);
    Container box = isolated().add_namespace(Namespace::Net);
    start_ready(box, program({"pause"}));
    box.attach_network(HostNic{.host_name = "ifbA", .container_name = "eth0"});
    EXPECT_TRUE(fails([&] { box.attach_network(HostNic{.host_name = "ifbB", .container_name = "eth0"}); },
                      std::errc::file_exists, {"move into the container the host's link 'ifbB'"}));
    EXPECT_NE(socket().find_index("ifbB"), 0);
    EXPECT_EQ(socket().find_index("ifbA"), 0);
    EXPECT_TRUE(contains(run_entered(box, program({"network"})).out, "eth0 up"));
    box.stop(std::chrono::seconds(0));
    EXPECT_NE(socket().find_index("ifbA"), 0);
}

/// Several processes of the host take it in turn: each finds it as it was, or not at all.
TEST_F(HostNicTest, UsersInTurnFindItAsItWas) {
    std::vector<pid_t> users;
    for (int user = 0; user < 3; ++user) {
        users.push_back(::fork());
        if (users.back() != 0) continue;
        try {
            Session session;
            Container box = session.create("user");
            box.add_namespace(Namespace::Net).add_network(nic());
            for (int done = 0; done < 10;) {
                try {
                    box.hold();
                } catch (const Error& error) {
                    if (error.code() != std::errc::no_such_device) throw;
                    continue;
                }
                box.stop(std::chrono::seconds(0));
                ++done;
            }
            ::_exit(0);
        } catch (const std::exception& error) {
            std::fprintf(stderr, "%s\n", error.what());
            ::_exit(1);
        }
    }
    for (const pid_t user : users) {
        int status = 0;
        ASSERT_EQ(::waitpid(user, &status, 0), user);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    EXPECT_TRUE(is_back());
}

TEST_F(HostNicTest, WhatCannotBeDetachedOrAttachedIsSaid) {
    Container box = isolated().add_namespace(Namespace::Net);
    start_ready(box, program({"pause"}));
    EXPECT_TRUE(
        fails([&] { box.detach_network("lo"); }, std::errc::invalid_argument, {"detach 'lo'", "loopback device"}));
    EXPECT_TRUE(fails([&] { box.detach_network(std::string(38, 'x')); }, Errc::InvalidConfig, {"name of the device"}));
    EXPECT_TRUE(fails([&] { box.attach_network(Veth{.lease = true}); }, Errc::InvalidConfig,
                      {"addresses are leased at the start"}));
    EXPECT_TRUE(fails([&] { box.attach_route({.destination = "10.9.0.0/16", .gateway = "10.7.0.1", .device = "lo"}); },
                      std::errc::network_unreachable, {"on 'lo'"}));
    EXPECT_EQ(box.network().links.size(), 1U);
}

/// Every step of a start with the NIC is made to fail, or is the last that the host takes.
class HostNicFault : public HostNicTest {
protected:
    void SetUp() override {
        HostNicTest::SetUp();
        void* const memory = ::mmap(nullptr, sizeof(Faults), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        ASSERT_NE(memory, MAP_FAILED);
        internal::faults = new (memory) Faults;
    }
    void TearDown() override {
        ::munmap(std::exchange(internal::faults, nullptr), sizeof(Faults));
        HostNicTest::TearDown();
    }

    Container configured(Session& session) {
        Container box = session.create("box").set_root(image().string());
        HostNic device = nic();
        device.keep_addresses = true;
        box.add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::Net}).add_network(device);
        return box;
    }
};

TEST_F(HostNicFault, ComesBackWhateverFails) {
    const SessionOptions options{.state_directory = dir() / "state"};
    Session session(options);
    {
        Container box = configured(session);
        (void)box.start(program({"exit", "0"}));
        box.wait();
    }
    std::uint32_t failed = 0;
    bool all_passed = false;
    for (std::uint32_t at = 1; !all_passed; ++at) {
        ASSERT_LT(at, 1000U) << "there is no end";
        Container box = configured(session);
        *internal::faults = Faults{.at = at, .error = ENOTRECOVERABLE};
        try {
            (void)box.start(program({"exit", "0"}));
            all_passed = internal::faults->passed < at;
            *internal::faults = {};
            box.wait();
        } catch (const Error& error) {
            *internal::faults = {};
            ++failed;
            EXPECT_EQ(error.code().value(), ENOTRECOVERABLE) << error.what();
        }
        EXPECT_TRUE(is_back()) << at;
    }
    EXPECT_GT(failed, 5U);
}

TEST_F(HostNicFault, WhatStaysAfterAFailureCanBeDetachedAgain) {
    Session session({.state_directory = dir() / "state"});
    Container box = session.create("box").set_root(image().string());
    box.add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::Net});
    start_ready(box, program({"pause"}));
    std::uint32_t failed = 0;
    for (bool passed = false; !passed;) {
        ASSERT_LT(failed, 100U) << "there is no end";
        box.attach_network(nic());
        *internal::faults = Faults{.at = failed + 1, .error = ENOTRECOVERABLE};
        try {
            box.detach_network("eth0");
            passed = internal::faults->passed <= failed;
            *internal::faults = {};
        } catch (const Error&) {
            *internal::faults = {};
            ++failed;
            if (look() == "none") box.detach_network("eth0");
        }
        EXPECT_TRUE(is_back()) << failed;
    }
    EXPECT_GT(failed, 0U);
    box.stop(std::chrono::seconds(0));
}

TEST_F(HostNicFault, ComesBackAfterSigkillOfTheHostAtEachStep) {
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    const SessionOptions options{.state_directory = dir() / "state"};
    { const Session makes_the_directory(options); }
    bool all_passed = false;
    for (std::uint32_t at = 1; !all_passed; ++at) {
        ASSERT_LT(at, 1000U) << "there is no end";
        *internal::faults = Faults{.at = at};
        const pid_t host = ::fork();
        if (host == 0) {
            try {
                Session session(options);
                Container box = configured(session);
                (void)box.start(program({"exit", "0"}));
                box.wait();
                ::_exit(0);
            } catch (const std::exception& error) {
                std::fprintf(stderr, "%s\n", error.what());
                ::_exit(1);
            }
        }
        int status = 0;
        while (::waitpid(host, &status, WNOHANG) == 0) {
            if (__atomic_load_n(&internal::faults->passed, __ATOMIC_ACQUIRE) < at) continue;
            ASSERT_EQ(::kill(host, SIGKILL), 0);
            ASSERT_EQ(::waitpid(host, &status, 0), host);
            break;
        }
        __atomic_store_n(&internal::faults->go, 1, __ATOMIC_RELEASE);
        all_passed = WIFEXITED(status);
        {
            Session next = recording_session();
            for (const ContainerInfo& info : next.containers()) next.open(info.name).remove(Remove::Force);
        }
        while (::waitpid(-1, nullptr, __WALL) > 0 || errno == EINTR) continue;
        EXPECT_TRUE(is_back()) << at << ": " << log();
        EXPECT_TRUE(std::filesystem::is_empty(dir() / "state")) << at << ": " << tree(dir() / "state");
        *internal::faults = {};
    }
    EXPECT_EQ(log(), "");
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

} // namespace
} // namespace ct::test
