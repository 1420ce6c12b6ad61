// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "config/sysctls.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ct/error.hpp>

namespace ct::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(SysctlName, IsAPathInEitherNotation) {
    EXPECT_EQ(sysctl_path("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
    EXPECT_EQ(sysctl_path("net/ipv4/ip_forward"), "net/ipv4/ip_forward");
    EXPECT_EQ(sysctl_path("net/ipv4/conf/eth0.1/forwarding"), "net/ipv4/conf/eth0.1/forwarding");
    EXPECT_EQ(sysctl_path("net.ipv4.conf.eth0/1.forwarding"), "net/ipv4/conf/eth0.1/forwarding");
}

TEST(SysctlName, ThatLeavesProcSysIsRefused) {
    for (const char* const name :
         {"net/../kernel/core_pattern", "net/./x", "/net/ipv4/ip_forward", "net//x", "net.", ".net", "net..ipv4", "..",
          "net./..ipv4", "net/ipv4/", "net.a b", "net.a\nb", "net.\x7f", ""}) {
        EXPECT_THROW(check_sysctl(name, "1"), Error) << name;
    }
    EXPECT_THROW(check_sysctl(std::string(300, 'n'), "1"), Error);
    EXPECT_NO_THROW(check_sysctl("net.ipv4.conf.veth-a:1@b.forwarding", "1"));
}

TEST(SysctlValue, IsOneWrite) {
    EXPECT_THROW(check_sysctl("net.x", ""), Error);
    EXPECT_THROW(check_sysctl("net.x", std::string("1\0002", 3)), Error);
    EXPECT_THROW(check_sysctl("net.x", std::string(4096, '1')), Error);
    EXPECT_NO_THROW(check_sysctl("net.x", std::string(4095, '1')));
    EXPECT_NO_THROW(check_sysctl("kernel.sem", "100 1000 20 7"));
}

TEST(SysctlNamespace, IsKnownForThoseThatHaveOne) {
    EXPECT_EQ(sysctl_namespace("net/core/somaxconn"), Namespace::Net);
    EXPECT_EQ(sysctl_namespace("fs/mqueue/msg_max"), Namespace::Ipc);
    EXPECT_EQ(sysctl_namespace("user/max_net_namespaces"), Namespace::User);
    EXPECT_EQ(sysctl_namespace("kernel/hostname"), Namespace::Uts);
    for (const char* const name :
         {"msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"})
        EXPECT_EQ(sysctl_namespace(std::string("kernel/") + name), Namespace::Ipc) << name;
    for (const char* const path : {"kernel/core_pattern", "kernel/semi", "kernel/shm", "kernel/sem/x", "vm/swappiness",
                                   "fs/file-max", "fs/mqueue", "net", "network/x", "users/x", "kernel"})
        EXPECT_EQ(sysctl_namespace(path), std::nullopt) << path;
}

std::vector<std::string> violations_of(std::map<std::string, std::string> sysctls,
                                       std::map<Namespace, NamespaceSource> namespaces, std::string hostname = {}) {
    Spec spec;
    spec.sysctls = std::move(sysctls);
    spec.namespaces = std::move(namespaces);
    spec.hostname = std::move(hostname);
    std::vector<std::string> found;
    find_sysctl_violations(found, spec);
    return found;
}

TEST(SysctlViolations, AreAboutTheHostAndEachOther) {
    EXPECT_THAT(violations_of({{"net.x", "1"}}, {{Namespace::Net, NewNamespace{}}}), IsEmpty());
    EXPECT_THAT(violations_of({{"net.x", "1"}}, {{Namespace::Net, NamespacePath{"/run/netns/a"}}}), IsEmpty());
    EXPECT_THAT(violations_of({{"net.x", "1"}, {"kernel.sem", "1"}, {"user.x", "1"}, {"kernel.hostname", "h"}}, {}),
                ElementsAre(HasSubstr("joined uts"), HasSubstr("joined ipc"), HasSubstr("joined net"),
                            HasSubstr("joined user")));
    EXPECT_THAT(violations_of({{"vm.swappiness", "1"}}, {}),
                ElementsAre("sysctl 'vm.swappiness' would change the host: it belongs to no namespace"));
    EXPECT_THAT(violations_of({{"net.x", "1"}, {"net/x", "2"}}, {{Namespace::Net, NewNamespace{}}}),
                ElementsAre(HasSubstr("both notations")));
    EXPECT_THAT(violations_of({{"kernel.hostname", "a"}}, {{Namespace::Uts, NewNamespace{}}}), IsEmpty());
    EXPECT_THAT(violations_of({{"kernel.hostname", "a"}}, {{Namespace::Uts, NewNamespace{}}}, "b"),
                ElementsAre(HasSubstr("set_hostname()")));
}

} // namespace
} // namespace ct::internal
