// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Links of the host that containers have for a time: where they are, and that they come back as they were.
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/sockios.h>

#include <csignal>

#include "net/link_view.hpp"
#include "net/requests.hpp"
#include "support/host_nics.hpp"
#include "support/subreaper.hpp"

namespace ct::test {
namespace {

class HostNicTest : public HostNicFixture {};

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
    const auto link = internal::find_link(socket(), name);
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
    const Subreaper reaper;
    lose_host({nic()}, [](Container&) {});
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
    Subreaper::reap_all();
}

TEST_F(HostNicTest, ComesBackThoughHostAndContainerAreKilled) {
    const Subreaper reaper;
    lose_host({nic()}, [](Container& box) { ::kill(box.init().pid(), SIGKILL); });
    Subreaper::reap_all(); // the container is gone now
    EXPECT_EQ(look(), "none");
    {
        Session next = recording_session();
        EXPECT_TRUE(is_back()) << log();
        EXPECT_EQ(log(), "");
    }
    EXPECT_TRUE(std::filesystem::is_empty(dir() / "state")) << tree(dir() / "state");
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
    const Subreaper reaper;
    lose_host({}, [](Container& box) { box.attach_network(nic()); });
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
    lose_host({}, [](Container& box) {
        box.attach_network(nic());
        ::kill(box.init().pid(), SIGKILL);
    });
    Subreaper::reap_all();
    {
        const Session last = recording_session();
        EXPECT_TRUE(is_back()) << log();
    }
    EXPECT_EQ(log(), "");
    EXPECT_TRUE(std::filesystem::is_empty(dir() / "state")) << tree(dir() / "state");
}

} // namespace
} // namespace ct::test
