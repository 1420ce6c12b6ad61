// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// ctrun --network; the host is the network namespace of the test program.
#include <net/if.h>

#include "ctrun_fixture.hpp"

namespace ct::test {
namespace {

class CtrunNetwork : public CtrunTest {};

TEST_F(CtrunNetwork, MakesAVethWithAddressAndGateway) {
    const Said result = ctrun(boxed({"--network", "veth:host=web0,name=net0,mtu=1400,ip=10.0.0.2/24,gw=10.0.0.1",
                                     "--route", "10.9.0.0/16,via=10.0.0.3,dev=net0,metric=5"},
                                    {"/bin/cat", "/proc/net/route"}));
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_TRUE(contains(result.out, "net0\t00000000\t0100000A\t0003"));                // default by 10.0.0.1
    EXPECT_TRUE(contains(result.out, "net0\t0000090A\t0300000A\t0003\t0\t0\t5"));       // 10.9.0.0 by 10.0.0.3
    EXPECT_TRUE(contains(result.out, "net0\t0000000A\t00000000\t0001\t0\t0\t0\t00FF")); // 10.0.0.0/24
    EXPECT_EQ(::if_nametoindex("web0"), 0U);
}

TEST_F(CtrunNetwork, MakesALonelyNamespace) {
    const Said result = ctrun(boxed({"--network", "none"}, {"/bin/cat", "/proc/net/if_inet6"}));
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_TRUE(contains(result.out, " lo\n"));
    EXPECT_EQ(result.out.find("eth"), std::string::npos);
}

TEST_F(CtrunNetwork, ShowsAndChangesARunningContainer) {
    ASSERT_EQ(ctrun(shell({"-d", "--name", "web", "--network", "none"}, "sleep 1000")).status, 0);
    const Said changed = ctrun({"network", "--attach", "veth:host=web0,ip=10.0.0.2/24,gw=10.0.0.1", "--attach-route",
                                "10.9.0.0/16,via=10.0.0.3", "web"});
    EXPECT_EQ(changed.status, 0) << changed.err;
    const Said shown = ctrun({"network", "web"});
    EXPECT_TRUE(contains(shown.out, "10.0.0.2/24"));
    EXPECT_TRUE(contains(shown.out, "10.0.0.3"));
    const Said json = ctrun({"network", "--json", "web"});
    EXPECT_TRUE(contains(json.out, "\"kind\": \"veth\""));
    EXPECT_TRUE(contains(json.out, "\"destination\": \"10.9.0.0/16\""));
    const std::vector<std::string> undo{"network", "--detach-route", "10.9.0.0/16", "--detach", "eth0", "web"};
    EXPECT_EQ(ctrun(undo).status, 0);
    EXPECT_EQ(::if_nametoindex("web0"), 0U);
    EXPECT_TRUE(contains(ctrun(undo).err, "remove route '10.9.0.0/16'"));
    EXPECT_EQ(ctrun({"rm", "--force", "web"}).status, 0);
    while (::waitpid(-1, nullptr, 0) > 0) continue;
}

TEST_F(CtrunNetwork, HoldsNoLinksOfTheHost) {
    for (const char* network : {"veth:host=web0", "bridge:subnet=10.89.7.0/24,bridge=ctrun0", "nic:host=lo1"}) {
        const Said held = ctrun({"hold", "--network", network, "held"});
        EXPECT_NE(held.status, 0);
        EXPECT_TRUE(contains(held.err, "'hold' leaves no process that looks after links on the host"));
        EXPECT_EQ(::if_nametoindex("web0"), 0U);
    }
}

TEST_F(CtrunNetwork, MakesABridgeForItself) {
    const Said result = ctrun(boxed({"--network", "bridge:subnet=10.89.7.0/24,bridge=ctrun0", "--publish", "8080:80",
                                     "--publish", "127.0.0.1:9000-9001:90-91/udp"},
                                    {"/bin/cat", "/proc/net/route"}));
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_TRUE(contains(result.out, "eth0\t00000000\t0107590A\t0003")); // default by 10.89.7.1
    EXPECT_EQ(::if_nametoindex("ctrun0"), 0U);
}

TEST_F(CtrunNetwork, MakesTheFilesOfNames) {
    const Said result = ctrun({"run",
                               "--new",
                               "mount,uts",
                               "--hostname",
                               "web",
                               "--network",
                               "veth:ip=10.0.0.2/24",
                               "--dns",
                               "192.0.2.1",
                               "--dns",
                               "2001:db8::1",
                               "--dns-search",
                               "a.example",
                               "--dns-option",
                               "ndots:2",
                               "--add-host",
                               "db,db.example:[2001:db8::9]",
                               "--",
                               "/bin/cat",
                               "/etc/resolv.conf",
                               "/etc/hostname",
                               "/etc/hosts"});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_TRUE(
        contains(result.out, "nameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch a.example\noptions ndots:2\nweb\n"));
    EXPECT_TRUE(contains(result.out, "\n10.0.0.2 web\n2001:db8::9 db db.example\n"));
}

TEST_F(CtrunNetwork, SaysWhatIsWrong) {
    const auto refused = [&](const std::string& network, const std::string& part) {
        const Said result = ctrun({"run", "--network", network, "--", "true"});
        return result.status != 0 ? contains(result.err, part) : ::testing::AssertionFailure() << network;
    };
    EXPECT_TRUE(refused("wire", "is not none, bridge, veth"));
    EXPECT_TRUE(refused("veth:colour=red", "'colour' is not a setting of such a device"));
    EXPECT_TRUE(refused("veth:ip=10.0.0.300/24", "address of 'eth0' '10.0.0.300/24' is no IP address"));
    EXPECT_TRUE(refused("veth:bridge=br7", "use the bridge 'br7': No such device"));
    EXPECT_TRUE(refused("bridge:subnet=10.5.0.0", "'10.5.0.0' is not a subnet"));
    const auto not_published = [&](const std::string& port, const std::string& part) {
        const Said result = ctrun({"run", "--network", "bridge", "--publish", port, "--", "true"});
        return result.status != 0 ? contains(result.err, part) : ::testing::AssertionFailure() << port;
    };
    EXPECT_TRUE(not_published("80", "'80' is not [ADDRESS:]HOST[-LAST]:CONTAINER[-LAST]"));
    EXPECT_TRUE(not_published(":80:80", "':80:80' is not [ADDRESS:]HOST[-LAST]:CONTAINER[-LAST]"));
    EXPECT_TRUE(not_published("80-82:80-81", "as many ports on either side"));
    EXPECT_TRUE(not_published("82-80:1-3", "is not a range of ports"));
    EXPECT_TRUE(not_published("80:80/sctp", "'sctp' is not one of tcp, udp"));
    EXPECT_TRUE(refused("netns:../x", "is no name of a network namespace"));
    EXPECT_TRUE(refused("netns:missing", "'/run/netns/missing': No such file or directory"));
    EXPECT_TRUE(refused("macvlan:parent=lo,mode=odd", "'odd' is not one of bridge, private"));
}

} // namespace
} // namespace ct::test
