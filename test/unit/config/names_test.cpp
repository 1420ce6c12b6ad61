// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ct/error.hpp>

#include "config/names.hpp"

namespace ct::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string refusal_of(const Names& names) {
    try {
        check_names(names);
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::InvalidConfig);
        return error.what();
    }
    return {};
}

Spec with_names(Names names = {}) {
    Spec spec;
    spec.namespaces[Namespace::Mount] = NewNamespace{};
    spec.network.names = std::move(names);
    return spec;
}

TEST(Names, AreRefusedIfTheyAreMalformed) {
    EXPECT_THAT(refusal_of({.servers = {"10.0.0.1", "fd00::1"},
                            .search = {"example.org", "_tcp.example.org."},
                            .options = {"ndots:2"},
                            .hosts = {{"10.0.0.9", {"db.example.org", "db"}}}}),
                IsEmpty());
    for (const char* server : {"", "dns.example.org", "10.0.0.1/24", "10.0.0.1\n", "10.0.0.1 10.0.0.2", "fe80::1%eth0"})
        EXPECT_THAT(refusal_of({.servers = {server}}), HasSubstr("is no IP address")) << server;
    EXPECT_THAT(refusal_of({.servers = {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"}}), HasSubstr("no more than 3"));
    for (const char* name : {"", "a b", "a\nnameserver 1.2.3.4", "a..b", ".a", "a#b", "a/b", "\x7f"}) {
        EXPECT_THAT(refusal_of({.search = {name}}), HasSubstr("is no name")) << name;
        EXPECT_THAT(refusal_of({.hosts = {{"10.0.0.9", {name}}}}), HasSubstr("is no name")) << name;
    }
    EXPECT_THAT(refusal_of({.search = {std::string(254, 'a')}}), HasSubstr("longer than 253 bytes"));
    EXPECT_THAT(refusal_of({.search = std::vector<std::string>(9, std::string(253, 'a'))}), HasSubstr("longer than"));
    EXPECT_THAT(refusal_of({.search = std::vector<std::string>(33, "a")}), HasSubstr("longer than"));
    EXPECT_THAT(refusal_of({.search = {"."}}), IsEmpty());
    EXPECT_THAT(refusal_of({.search = {".", "a"}}), HasSubstr("is no name"));
    for (const std::string& option : {std::string(), std::string("a b"), std::string("a\n"), std::string(65, 'a')})
        EXPECT_THAT(refusal_of({.options = {option}}), HasSubstr("is malformed")) << option;
    EXPECT_THAT(refusal_of({.hosts = {{"10.0.0.9", {}}}}), HasSubstr("has no name"));
    EXPECT_THAT(refusal_of({.hosts = {{"here", {"a"}}}}), HasSubstr("is no IP address"));
}

TEST(Names, ContradictASpecWithoutAMountNamespaceOrWithAnOddHostName) {
    std::vector<std::string> found;
    names_violations(found, with_names());
    EXPECT_THAT(found, IsEmpty());
    Spec spec;
    spec.network.names.emplace();
    spec.hostname = "web\n10.0.0.1 bank.example";
    names_violations(found, spec);
    EXPECT_THAT(found,
                ElementsAre("files of names need a new mount namespace", HasSubstr("cannot stand in /etc/hosts")));
}

TEST(Names, AreInTheFilesThatNoMountReplaces) {
    EXPECT_THAT(name_files({}), IsEmpty());
    Spec spec = with_names();
    EXPECT_THAT(name_files(spec), ElementsAre(ResolvConf, Hosts));
    spec.hostname = "web";
    EXPECT_THAT(name_files(spec), ElementsAre(ResolvConf, Hosts, HostNameFile));
    spec.mounts.push_back({.source = "/x", .target = "//etc/./hosts"});
    EXPECT_THAT(name_files(spec), ElementsAre(ResolvConf, HostNameFile));
}

TEST(Names, AreGivenOrTheHosts) {
    const std::string host = "; a comment\nnameserver 192.0.2.1 # the first\n\tnameserver 192.0.2.2\nsortlist 1.2.3.4\n"
                             "domain old\nsearch a.example b.example\noptions ndots:3\noptions edns0\nnameserver\n";
    EXPECT_EQ(resolv_conf_text({}, host, {}, true),
              "nameserver 192.0.2.1\nnameserver 192.0.2.2\nsearch a.example b.example\noptions ndots:3 edns0\n");
    EXPECT_EQ(resolv_conf_text({.search = {"."}, .options = {"rotate"}}, host, {}, true),
              "nameserver 192.0.2.1\nnameserver 192.0.2.2\nsearch .\noptions rotate\n");
    EXPECT_EQ(resolv_conf_text({.servers = {"10.0.0.1"}, .search = {"c.example"}}, host, {}, true),
              "nameserver 10.0.0.1\nsearch c.example\n");
    EXPECT_EQ(resolv_conf_text({}, {}, {}, true), "");
}

TEST(Names, OfServersOnTheHostsLoopbackDeviceAreReplaced) {
    const std::string stub = "nameserver 127.0.0.53\nsearch a.example\n";
    const std::string behind = "nameserver 192.0.2.1\nnameserver fe80::1%eth0\n";
    EXPECT_TRUE(has_loopback_server(stub));
    EXPECT_TRUE(has_loopback_server("nameserver ::1\n"));
    EXPECT_FALSE(has_loopback_server(behind));
    EXPECT_EQ(resolv_conf_text({}, stub, behind, true),
              "# A server of the host's /etc/resolv.conf can be reached only on the host.\n"
              "# Those that it asks itself:\nnameserver 192.0.2.1\nsearch a.example\n");
    EXPECT_THAT(resolv_conf_text({}, stub, {}, true), Not(HasSubstr("nameserver 127")));
    EXPECT_EQ(resolv_conf_text({}, stub, behind, false), stub);
    EXPECT_EQ(resolv_conf_text({.servers = {"127.0.0.1"}}, stub, behind, true), "nameserver 127.0.0.1\n");
}

TEST(Names, OfHostsHaveLocalhostAndItself) {
    Spec spec = with_names({.hosts = {{"10.0.0.9", {"db.example.org", "db"}}}});
    const std::string own = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
                            "ff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n";
    EXPECT_EQ(hosts_text(spec, {}), own + "10.0.0.9 db.example.org db\n");
    spec.hostname = "web.example.org";
    EXPECT_EQ(hosts_text(spec, {}), own + "127.0.1.1 web.example.org web\n10.0.0.9 db.example.org db\n");
    spec.network.devices = {Veth{.addresses = {{"10.0.0.2/24"}, {"fd00::2/64"}}}};
    spec.network.names->host_entries = true;
    EXPECT_EQ(
        hosts_text(spec, "127.0.0.1 localhost\n127.0.1.1 host\n::1 x\n192.0.2.7\tnas nas.example # there\nbad y\n"),
        own + "10.0.0.2 web.example.org web\nfd00::2 web.example.org web\n10.0.0.9 db.example.org db\n"
              "192.0.2.7 nas nas.example\n");
}

} // namespace
} // namespace ct::internal
