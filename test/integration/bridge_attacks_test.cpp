// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Bridges on hosts that have something of their own there, and what is left when things go wrong.
#include <arpa/inet.h>
#include <net/route.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "bridge/nftables.hpp"
#include "support/bridges.hpp"
#include "support/faults.hpp"

namespace ct::test {
namespace {

class BridgeAttacks : public BridgeFixture {
protected:
    [[nodiscard]] static Bridge nat_bridge() {
        Bridge bridge = BridgeFixture::bridge();
        bridge.nat = true;
        return bridge;
    }

    static void set(const std::string& file, const std::string& value) {
        std::ofstream("/proc/sys/net/" + file) << value << std::flush;
        EXPECT_EQ(get(file), value + "\n") << file;
    }
    [[nodiscard]] static std::string get(const std::string& file) { return content("/proc/sys/net/" + file); }

    /// Whether this machine can have the rules.
    [[nodiscard]] static bool has_nftables() {
        try {
            (void)internal::Nftables::run("list tables", "look");
            return true;
        } catch (const Error&) {
            return false;
        }
    }

    /// A session of a host that is killed when it has a held container on the bridge.
    void kill_host_of(const Bridge& bridge) {
        const pid_t host = ::fork();
        ASSERT_GE(host, 0);
        if (host == 0) {
            Session session(options());
            Container box = add_to_bridge(session.create("box"), bridge);
            box.hold();
            ::raise(SIGKILL);
        }
        int status = 0;
        ASSERT_EQ(::waitpid(host, &status, 0), host);
        EXPECT_TRUE(WIFSIGNALED(status));
    }
};

std::string replaced(std::string text, const std::string& what, const std::string& with) {
    const std::size_t at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what << " in " << text;
    return at == std::string::npos ? text : text.replace(at, what.size(), with);
}

TEST_F(BridgeAttacks, ARecordThatCannotBeOpenedStays) {
    Container box = on_bridge("box");
    box.hold();
    const std::filesystem::path file = record_file();
    const std::string before = content(file);
    Container other = on_bridge("other");
    ASSERT_EQ(::chmod(file.c_str(), 0664), 0);
    EXPECT_TRUE(fails([&] { other.hold(); }, Errc::BadRecord, {"others can write to it"}));
    ASSERT_EQ(content(file), before);
    ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
    const std::filesystem::path aside = dir() / "aside";
    std::filesystem::rename(file, aside);
    std::filesystem::create_symlink(aside, file);
    EXPECT_TRUE(fails([&] { other.hold(); }, Errc::BadRecord, {"it is a symbolic link"}));
    ASSERT_TRUE(std::filesystem::is_symlink(file));
    std::filesystem::rename(aside, file);
    other.hold();
    EXPECT_TRUE(contains(network_of(other), "eth0 address 10.89.0.3/24\n"));
}

TEST_F(BridgeAttacks, AnEndInAnotherNetworkNamespaceTouchesNothingThere) {
    std::string told;
    SessionOptions options = this->options();
    options.log_handler = [&](LogLevel, std::string_view text) { told += text; };
    Session session(options);
    Container box = add_to_bridge(session.create("box"), bridge());
    box.hold();
    std::thread([&] {
        ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
        box.kill();
    }).join();
    EXPECT_TRUE(contains(told, "what container 'box' had of bridges is left to the next session"));
    EXPECT_TRUE(link_exists("cttest"));
    { const Session next(this->options()); }
    EXPECT_FALSE(link_exists("cttest"));
    EXPECT_TRUE(nothing_recorded());
}

/// The host is killed at each step of a start with ports, on a bridge that stays.
TEST_F(BridgeAttacks, NothingLeadsToTheHostsLoopbackUnguarded) {
    if (!has_nftables()) GTEST_SKIP() << "nftables do not work here";
    Container keep = on_bridge("keep");
    keep.hold();
    const SharedFaults faults;
    bool was_on = false;
    for (std::uint32_t at = 1; !was_on; ++at) {
        SharedFaults::set(at);
        const pid_t host = ::fork();
        ASSERT_GE(host, 0);
        if (host == 0) {
            Session session(options());
            Container box = add_to_bridge(session.create("box" + std::to_string(at)), bridge());
            box.publish({.host_port = 8080, .container_port = 80}).hold();
            ::_exit(0);
        }
        int status = 0;
        bool ended = false;
        ASSERT_TRUE(await([&] {
            ended = ::waitpid(host, &status, WNOHANG) == host;
            return ended || SharedFaults::passed() >= at;
        }));
        ASSERT_FALSE(ended) << "it was never switched on";
        was_on = get("ipv4/conf/cttest/route_localnet") == "1\n";
        EXPECT_TRUE(!was_on || internal::Nftables::has_table()) << "at step " << at;
        ::kill(host, SIGKILL);
        ASSERT_EQ(::waitpid(host, &status, 0), host);
        EXPECT_TRUE(await([&] {
            const Session next(options());
            return content(record_file()).find("8080") == std::string::npos;
        }));
        EXPECT_EQ(get("ipv4/conf/cttest/route_localnet"), "0\n");
        EXPECT_FALSE(internal::Nftables::has_table());
    }
}

TEST_F(BridgeAttacks, WhatGoesWithTheHostsForwardingComesBack) {
    if (!has_nftables()) GTEST_SKIP() << "nftables do not work here";
    make_bridge("other");
    make_bridge("up.7");
    set("ipv4/conf/all/accept_redirects", "0");
    set("ipv4/conf/up.7/forwarding", "1");
    set("ipv6/conf/up.7/forwarding", "1");
    const auto state = [] {
        std::string text;
        for (const char* const file :
             {"ipv4/ip_forward", "ipv4/conf/all/accept_redirects", "ipv4/conf/default/forwarding",
              "ipv4/conf/up.7/forwarding", "ipv4/conf/other/forwarding", "ipv6/conf/all/forwarding",
              "ipv6/conf/default/forwarding", "ipv6/conf/up.7/forwarding", "ipv6/conf/other/forwarding"})
            text += std::string(file) + " " + get(file);
        return text;
    };
    const std::string before = state();
    Container box = on_bridge("box", nat_bridge());
    box.hold();
    EXPECT_EQ(get("ipv4/ip_forward"), "1\n");
    box.kill();
    EXPECT_EQ(state(), before);
}

TEST_F(BridgeAttacks, SubnetsOfTheHostAreRefused) {
    make_bridge("up");
    set_address("up", "10.89.0.200", "255.255.255.128");
    Container box = on_bridge("box");
    EXPECT_TRUE(
        fails([&] { box.hold(); }, std::errc::address_in_use,
              {"use the subnet of '10.89.0.1/24' for the bridge 'cttest'", "the link 'up' has '10.89.0.200/25'"}));
    set_address("up", "192.0.2.1", "255.255.255.0");
    rtentry route{};
    const auto put = [](sockaddr& where, const char* text) {
        auto* const address = reinterpret_cast<sockaddr_in*>(&where);
        address->sin_family = AF_INET;
        EXPECT_EQ(::inet_pton(AF_INET, text, &address->sin_addr), 1);
    };
    put(route.rt_dst, "10.88.0.0");
    put(route.rt_genmask, "255.252.0.0");
    std::string device = "up";
    route.rt_dev = device.data();
    route.rt_flags = RTF_UP;
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::ioctl(fd, SIOCADDRT, &route), 0);
    EXPECT_TRUE(
        fails([&] { box.hold(); }, std::errc::address_in_use, {"the host has a route to '10.88.0.0/14' by 'up'"}));
    EXPECT_FALSE(link_exists("cttest"));
    ASSERT_EQ(::ioctl(fd, SIOCDELRT, &route), 0);
    ::close(fd);
    box.hold();
}

/// The one who looks cannot look up the owner.
TEST_F(BridgeAttacks, AHostOfAnotherPidNamespaceLeavesNoLeaseForEver) {
    kill_host_of(bridge());
    const std::string text = content(record_file());
    const std::string elsewhere = replaced(text, "\"pid_namespace\":", "\"pid_namespace\":7");
    std::ofstream(record_file()) << replaced(elsewhere, "\"started\":true", "\"started\":false");
    { const Session next(options()); }
    EXPECT_FALSE(nothing_recorded()) << "it may be about to make its link";
    std::ofstream(record_file()) << elsewhere;
    EXPECT_TRUE(await([&] {
        const Session next(options());
        return nothing_recorded() && !link_exists("cttest");
    }));
}

TEST_F(BridgeAttacks, AddressesThatTheHostHasOnItsBridgeAreNotGivenOut) {
    make_bridge("cttest");
    set_address("cttest", "10.89.0.1", "255.255.255.0");
    set_address("cttest:1", "10.89.0.2", "255.255.255.0");
    const Bridge bridge{.name = "cttest", .addresses = {"10.89.0.1/24"}};
    Container box = on_bridge("box", bridge);
    box.hold();
    EXPECT_TRUE(contains(network_of(box), "eth0 address 10.89.0.3/24\n"));
    Container fixed = holdable("fixed").add_namespace(Namespace::Net).add_bridge(bridge);
    fixed.add_network(Veth{.bridge = "cttest", .addresses = {{"10.89.0.2/24"}}});
    EXPECT_TRUE(fails([&] { fixed.hold(); }, std::errc::address_in_use,
                      {"use the address '10.89.0.2'", "the host has it on the bridge 'cttest'"}));
}

TEST_F(BridgeAttacks, TheMtuOfABridgeIsThatOfItsContainers) {
    Bridge small = bridge();
    small.mtu = 1400;
    Container one = on_bridge("one", small);
    Container two = on_bridge("two", small);
    one.hold();
    two.hold();
    EXPECT_TRUE(contains(network_of(two), "eth0 up mtu 1400"));
    EXPECT_TRUE(contains(host({"network"}).out, "cttest up mtu 1400"));
}

TEST_F(BridgeAttacks, WhatSomebodyHasSwitchedOffIsOnAgainWithTheNextStart) {
    if (!has_nftables()) GTEST_SKIP() << "nftables do not work here";
    Container one = on_bridge("one", nat_bridge());
    one.hold();
    (void)internal::Nftables::run("flush ruleset", "flush");
    set("ipv4/ip_forward", "0");
    Container two = on_bridge("two", nat_bridge());
    two.hold();
    EXPECT_TRUE(internal::Nftables::has_table());
    EXPECT_EQ(get("ipv4/ip_forward"), "1\n");
    one.kill();
    two.kill();
    EXPECT_EQ(get("ipv4/ip_forward"), "0\n");
    EXPECT_FALSE(internal::Nftables::has_table());
}

TEST_F(BridgeAttacks, ATableOfSomebodyElseStays) {
    if (!has_nftables()) GTEST_SKIP() << "nftables do not work here";
    (void)internal::Nftables::run("add table inet libct { comment \"mine\"; }", "add");
    Container box = on_bridge("box", nat_bridge());
    EXPECT_TRUE(fails([&] { box.hold(); }, std::errc::file_exists,
                      {"make the table 'inet libct'", "there is one that this record does not know"}));
    EXPECT_TRUE(contains(internal::Nftables::run("list ruleset", "look"), "mine"));
    EXPECT_FALSE(link_exists("cttest"));
    (void)internal::Nftables::run("delete table inet libct", "delete");
}

} // namespace
} // namespace ct::test
