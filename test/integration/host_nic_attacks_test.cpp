// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// What containers and others on the host do so that a link of the host does not come back, or another one.
#include <linux/rtnetlink.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sched.h>

#include "net/link_state.hpp"
#include "net/link_view.hpp"
#include "net/requests.hpp"
#include "support/host_nics.hpp"
#include "support/subreaper.hpp"

namespace ct::test {
namespace {

class HostNicAttacks : public HostNicFixture {};

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

TEST_F(HostNicAttacks, NamesThatAContainerGivesItDoNotKeepItThere) {
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
        EXPECT_EQ(internal::find_link(socket(), "nic0")->other_names, std::vector<std::string>{"wan0"});
    }
}

TEST_F(HostNicAttacks, AnAlternativeNameIsAnotherWayToCallIt) {
    request(internal::change_other_name(RTM_NEWLINKPROP, socket().find_index("nic0"), "wan0"));
    HostNic device = nic();
    device.host_name = "wan0";
    Container box = with_nic(device);
    EXPECT_TRUE(succeeded(run(box, program({"exit", "0"}))));
    EXPECT_TRUE(is_back());
    EXPECT_EQ(internal::find_link(socket(), "nic0")->other_names, std::vector<std::string>{"wan0"});
}

TEST_F(HostNicAttacks, OfAHostWithoutDescriptorsItComesBack) {
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

TEST_F(HostNicAttacks, OnlyTheContainerThatHasItGivesItBack) {
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

TEST_F(HostNicAttacks, ALinkThatTheContainerPassesOffAsItStaysThere) {
    Container box = with_nic();
    start_ready(box, program({"pause"}));
    const Finished swapped = run_inside(box, [this](NetlinkSocket& inside) {
        const auto real = internal::find_link(inside, "eth0");
        rename("eth0", "real");
        // The number of the other end is that which the real one's has.
        Message fake = internal::make_veth(Veth{.container_name = "spy"}, "eth0", "02:00:00:00:00:11", 0, {::getpid()});
        if (const int error = inside.request(fake).error; error != 0) return error;
        return internal::find_link(inside, "eth0")->index == real->index ? 1 : 0;
    });
    ASSERT_TRUE(exited(swapped.status, 0)) << swapped.err;
    box.stop(std::chrono::seconds(0));
    EXPECT_TRUE(is_back());
    const auto link = internal::find_link(socket(), "nic0");
    ASSERT_TRUE(link);
    EXPECT_EQ(link->peer, socket().find_index("wire0"));
}

TEST_F(HostNicAttacks, IsNotTakenIntoAnotherNetworkNamespace) {
    const Subreaper reaper;
    lose_host({nic()}, [](Container& box) { ::kill(box.init().pid(), SIGKILL); });
    Subreaper::reap_all();
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
}

/// Links without a permanent MAC address or another end: nothing but the number tells one from the other.
TEST_F(HostNicAttacks, AnAttachThatFailsMovesNothingElse) {
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
TEST_F(HostNicAttacks, UsersInTurnFindItAsItWas) {
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

TEST_F(HostNicAttacks, WhatCannotBeDetachedOrAttachedIsSaid) {
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

} // namespace
} // namespace ct::test
