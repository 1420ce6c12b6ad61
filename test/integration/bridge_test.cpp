// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Bridges that libct makes, and the addresses that it gives out.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <set>
#include <thread>

#include "support/bridges.hpp"

namespace ct::test {
namespace {

class BridgeTest : public BridgeFixture {};

TEST_F(BridgeTest, ABridgeIsThereAsLongAsAContainerIsOnIt) {
    Container one = on_bridge("one");
    Container two = on_bridge("two");
    start_ready(one, program({"pause"}));
    start_ready(two, program({"pause"}));
    const std::string first = run_entered(one, program({"network"})).out;
    EXPECT_TRUE(contains(first, "eth0 address 10.89.0.2/24\n"));
    EXPECT_TRUE(contains(first, "eth0 address fd00:89::2/64\n"));
    EXPECT_TRUE(contains(run_entered(two, program({"network"})).out, "eth0 address 10.89.0.3/24\n"));
    const std::string outside = host({"network"}).out;
    EXPECT_TRUE(contains(outside, "cttest up mtu 1500"));
    EXPECT_TRUE(contains(outside, "cttest address 10.89.0.1/24\n"));
    EXPECT_TRUE(contains(outside, "cttest address fd00:89::1/64\n"));
    one.stop(std::chrono::seconds(0));
    EXPECT_TRUE(link_exists("cttest"));
    two.stop(std::chrono::seconds(0));
    EXPECT_FALSE(link_exists("cttest"));
    EXPECT_TRUE(nothing_recorded());
}

TEST_F(BridgeTest, ContainersTalkToEachOtherAndToTheHost) {
    Container server = on_bridge("server");
    for (const std::string protocol : {"tcp", "udp"}) {
        for (const bool ipv6 : {false, true}) {
            start_ready(server, program({"serve", protocol, "7000"}));
            const std::string address = address_of(server, ipv6);
            Container client = on_bridge("client");
            const Finished asked = run(client, program({"ask", protocol, address, "7000", "hello"}));
            EXPECT_EQ(asked.out, "hello\n") << protocol << " " << address << asked.err;
            EXPECT_TRUE(exited(server.wait(), 0));
            start_ready(server, program({"serve", protocol, "7000"}));
            EXPECT_EQ(host({"ask", protocol, address_of(server, ipv6), "7000", "host"}).out, "host\n");
            EXPECT_TRUE(exited(server.wait(), 0));
        }
    }
}

TEST_F(BridgeTest, AddressesGoRoundAndAPoolCanBeExhausted) {
    const Bridge small{.name = "cttest", .addresses = {"10.89.1.1/29"}};
    std::vector<Container> all;
    for (int i = 2; i <= 6; ++i) {
        all.push_back(on_bridge("box" + std::to_string(i), small));
        all.back().hold();
    }
    Container more = on_bridge("more", small);
    EXPECT_TRUE(fails([&] { more.hold(); }, std::errc::address_not_available,
                      {"container 'more': lease an address of '10.89.1.0/29'", "all 6 are taken"}));
    all[1].kill();
    all[3].kill();
    more.hold();
    EXPECT_TRUE(contains(network_of(more), "eth0 address 10.89.1.3/29\n"));
    more.kill();
    more.hold();
    EXPECT_TRUE(contains(network_of(more), "eth0 address 10.89.1.5/29\n")) << "the one that was used last waits";
}

TEST_F(BridgeTest, AddressesThatWereChosenByHandAreNotGivenOut) {
    Container fixed = holdable("fixed").add_namespace(Namespace::Net).add_bridge(bridge());
    fixed.add_network(Veth{.bridge = "cttest", .addresses = {{"10.89.0.2/24"}}});
    fixed.hold();
    Container leased = on_bridge("leased");
    leased.hold();
    EXPECT_TRUE(contains(network_of(leased), "eth0 address 10.89.0.3/24\n"));
    Container again = holdable("again").add_namespace(Namespace::Net).add_bridge(bridge());
    again.add_network(Veth{.bridge = "cttest", .addresses = {{"10.89.0.3/24"}}});
    EXPECT_TRUE(fails([&] { again.hold(); }, std::errc::address_in_use,
                      {"container 'again': use the address '10.89.0.3'", "container 'leased' has it"}));
}

TEST_F(BridgeTest, ABridgeThatIsThereIsUsedAndLeftAsItIs) {
    make_bridge("cttest");
    Container box = on_bridge("box", {.name = "cttest", .addresses = {"10.89.0.1/24"}});
    EXPECT_TRUE(fails([&] { box.hold(); }, std::errc::address_not_available,
                      {"use the bridge 'cttest'", "it is there, and has no address '10.89.0.1/24'"}));
    set_address("cttest", "10.89.0.1", "255.255.255.0");
    box.hold();
    EXPECT_TRUE(contains(network_of(box), "eth0 address 10.89.0.2/24\n"));
    box.kill();
    EXPECT_TRUE(link_exists("cttest"));
    EXPECT_TRUE(nothing_recorded());
}

TEST_F(BridgeTest, WhatIsNoBridgeOrDescribedInAnotherWayIsRefused) {
    Container wrong = on_bridge("wrong", {.name = "lo", .addresses = {"10.89.0.1/24"}});
    EXPECT_TRUE(fails([&] { wrong.hold(); }, std::errc::invalid_argument, {"use the bridge 'lo'", "it is no bridge"}));
    Container box = on_bridge("box");
    box.hold();
    Container other = on_bridge("other", {.name = "cttest", .addresses = {"10.90.0.1/24"}});
    EXPECT_TRUE(fails([&] { other.hold(); }, std::errc::device_or_resource_busy,
                      {"use the bridge 'cttest'", "container 'box' has described it in another way"}));
    Container overlapping = on_bridge("overlapping", {.name = "cttest2", .addresses = {"10.89.0.9/16"}});
    EXPECT_TRUE(fails([&] { overlapping.hold(); }, std::errc::address_in_use,
                      {"for the bridge 'cttest2'", "the bridge 'cttest' has '10.89.0.1/24'"}));
    EXPECT_FALSE(link_exists("cttest2"));
}

TEST_F(BridgeTest, AForeignPortKeepsTheBridgeUntilItIsGone) {
    Container box = on_bridge("box");
    box.hold();
    Container foreign = holdable("foreign").add_namespace(Namespace::Net);
    foreign.add_network(Veth{.bridge = "cttest"});
    foreign.hold();
    box.kill();
    EXPECT_TRUE(link_exists("cttest"));
    foreign.kill();
    { const Session next(options()); }
    EXPECT_FALSE(link_exists("cttest"));
    EXPECT_TRUE(nothing_recorded());
}

TEST_F(BridgeTest, ADetachedContainerKeepsItsAddress) {
    const std::string root = image().string();
    EXPECT_TRUE(passes_in_child([&] {
        Session first(options());
        Container kept = add_to_bridge(first.create("kept").set_root(root), bridge());
        kept.add_namespaces({Namespace::Mount, Namespace::Pid});
        start_ready(kept, program({"pause"}));
        kept.detach();
    }));
    Session next(options());
    Container box = add_to_bridge(next.create("box").set_root(root), bridge());
    box.hold();
    EXPECT_TRUE(contains(network_of(box), "eth0 address 10.89.0.3/24\n"));
    box.kill();
    EXPECT_TRUE(link_exists("cttest"));
    Container kept = next.open("kept");
    kept.kill();
    (void)kept.wait();
    EXPECT_EQ(kept.state(), State::Stopped);
    EXPECT_FALSE(link_exists("cttest"));
    EXPECT_TRUE(nothing_recorded());
}

TEST_F(BridgeTest, WhatAKilledHostHadIsFreeAgain) {
    const pid_t host = ::fork();
    ASSERT_GE(host, 0);
    if (host == 0) {
        Session session(options());
        Container box = add_to_bridge(session.create("box"), bridge());
        box.hold();
        ::raise(SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(host, &status, 0), host);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_TRUE(await([&] {
        const Session next(options());
        return nothing_recorded() && !link_exists("cttest");
    }));
}

TEST_F(BridgeTest, ARecordThatIsDamagedIsNotGuessedAt) {
    Container box = on_bridge("box");
    box.hold();
    const auto file = record_file();
    const std::string before = content(file);
    for (const std::string& damaged :
         {before.substr(0, before.size() / 2), std::string("{}"), std::string("x"), std::string(),
          std::string(R"({"version":1,"bridges":[{"described":{"name":"a\"; drop"}}]})"),
          std::string(R"({"version":1,"switched_on":[{"file":"net/../kernel/panic"}]})")}) {
        std::ofstream(file) << damaged;
        Container other = on_bridge("other");
        EXPECT_TRUE(fails([&] { other.hold(); }, Errc::BadRecord,
                          {"container 'other': read the record of bridges", "record.json", "remove the file"}))
            << damaged;
        EXPECT_EQ(content(file), damaged);
    }
    std::ofstream(file) << before;
    Container other = on_bridge("other");
    other.hold();
    EXPECT_TRUE(contains(network_of(other), "eth0 address 10.89.0.3/24\n"));
}

TEST_F(BridgeTest, AFullDiskFailsTheStartAndLeavesNothing) {
    const std::filesystem::path full = dir() / "full";
    mount_tmpfs(full, "size=4k,mode=700");
    Session session(SessionOptions{.network_directory = full});
    std::ofstream(full / "filler") << std::string(8192, 'x');
    Container box = add_to_bridge(session.create("box"), bridge());
    EXPECT_TRUE(fails([&] { box.hold(); }, std::errc::no_space_on_device, {"container 'box': "}));
    EXPECT_FALSE(link_exists("cttest"));
}

TEST_F(BridgeTest, AnOrdinaryUserIsToldWhatItTakes) {
    const std::filesystem::path own = make_dir("own");
    ASSERT_EQ(::chown(own.c_str(), 1000, 1000), 0);
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session(SessionOptions{.network_directory = own / "network"});
        Container box = add_to_bridge(session.create("box").add_namespace(Namespace::User), bridge());
        box.map_root_to_caller();
        EXPECT_TRUE(fails([&] { box.hold(); }, std::errc::operation_not_permitted,
                          {"make the bridge 'cttest'", "needs CAP_NET_ADMIN in the host's network namespace"}));
    }));
}

TEST_F(BridgeTest, ManyStartsAtOnceHaveAddressesOfTheirOwn) {
    constexpr int count = 64;
    (void)session();
    std::vector<Container> all;
    for (int i = 0; i < count; ++i) all.push_back(on_bridge("box" + std::to_string(i)));
    std::vector<std::thread> threads;
    std::atomic<int> failed = 0;
    for (Container& container : all) {
        threads.emplace_back([&container, &failed] {
            try {
                container.hold();
            } catch (const Error& error) {
                ++failed;
                ADD_FAILURE() << error.what();
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(failed, 0);
    std::set<std::string> addresses;
    for (Container& container : all) addresses.insert(line_with(network_of(container), "eth0 address 10.89."));
    EXPECT_EQ(addresses.size(), count);
    for (Container& container : all) container.kill();
    EXPECT_FALSE(link_exists("cttest"));
    EXPECT_TRUE(nothing_recorded());
}

/// Each process starts and stops, and all have some running whenever anybody starts one.
TEST_F(BridgeTest, ProcessesNeverGetTheSameAddress) {
    constexpr int processes = 3;
    constexpr int rounds = 15;
    const std::filesystem::path taken = make_dir("taken");
    std::vector<pid_t> hosts;
    for (int number = 0; number < processes; ++number) {
        const pid_t host = ::fork();
        ASSERT_GE(host, 0);
        if (host != 0) {
            hosts.push_back(host);
            continue;
        }
        int wrong = 0;
        try {
            Session session(options());
            std::vector<Container> own;
            for (int i = 0; i < 4; ++i) {
                const std::string name = "box" + std::to_string(number) + "-" + std::to_string(i);
                own.push_back(add_to_bridge(session.create(name), bridge()));
            }
            std::vector<std::filesystem::path> marks(own.size());
            for (int round = 0; round < rounds; ++round) {
                const auto at = static_cast<std::size_t>(round) % own.size();
                if (!marks[at].empty()) {
                    std::filesystem::remove(marks[at]);
                    own[at].kill();
                }
                own[at].hold();
                std::string address = line_with(network_of(own[at]), "eth0 address 10.89.");
                std::replace(address.begin(), address.end(), '/', '_');
                marks[at] = taken / address;
                // Nobody else has it at this moment.
                if (address.empty() || !std::filesystem::create_directory(marks[at])) ++wrong;
            }
            for (const auto& mark : marks) std::filesystem::remove(mark);
            for (Container& container : own) container.kill();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "%s\n", error.what());
            ++wrong;
        }
        ::_exit(wrong);
    }
    for (const pid_t host : hosts) {
        int status = 0;
        ASSERT_EQ(::waitpid(host, &status, 0), host);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    }
    EXPECT_FALSE(link_exists("cttest"));
    EXPECT_TRUE(nothing_recorded());
}

TEST_F(BridgeTest, TwoHundredCyclesLeaveNothing) {
    Container box = on_bridge("box");
    box.hold(); // what a session makes once
    box.kill();
    const HostState before = HostState::capture();
    for (int i = 0; i < 200; ++i) {
        box.hold();
        box.kill();
    }
    EXPECT_EQ(before.difference(HostState::capture()), "");
    EXPECT_TRUE(nothing_recorded());
}

} // namespace
} // namespace ct::test
