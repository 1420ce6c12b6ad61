// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <map>
#include <sstream>

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

using Sets = std::map<std::string, std::uint64_t>;

constexpr std::uint64_t bit(unsigned capability) {
    return std::uint64_t{1} << capability;
}

Sets parse(const std::string& text) {
    Sets result;
    std::istringstream stream{text};
    for (std::string name; stream >> name;) stream >> std::hex >> result[name];
    return result;
}

class CapabilitySetsTest : public ContainerTest {
protected:
    static Sets sets_in(Container& container, ProcessSpec spec) {
        spec.argv = {InitPath, "caps"};
        const Finished finished = run(container, std::move(spec));
        EXPECT_TRUE(succeeded(finished));
        return parse(finished.out);
    }
    Sets sets(ProcessSpec spec) {
        Container container = isolated();
        return sets_in(container, std::move(spec));
    }
    std::string bits(ProcessSpec spec) {
        Container container = isolated();
        spec.argv = {InitPath, "attributes"};
        const Finished finished = run(container, std::move(spec));
        EXPECT_TRUE(succeeded(finished));
        const std::size_t at = finished.out.find("securebits ");
        return finished.out.substr(at, finished.out.find('\n', at) - at);
    }
};

TEST_F(CapabilitySetsTest, OfAnotherUserAreEachAsGiven) {
    ProcessSpec spec;
    spec.user = User{1000, 1000};
    spec.capability_sets = CapabilitySets{.bounding = {"CHOWN", "KILL", "NET_RAW"},
                                          .permitted = {"CHOWN", "KILL"},
                                          .effective = {"KILL"},
                                          .inheritable = {"CHOWN", "NET_RAW"},
                                          .ambient = {"CHOWN"}};
    // execve(2) makes the ambient set of this user permitted and effective.
    const Sets expected{{"permitted", bit(CAP_CHOWN)},
                        {"effective", bit(CAP_CHOWN)},
                        {"inheritable", bit(CAP_CHOWN) | bit(CAP_NET_RAW)},
                        {"bounding", bit(CAP_CHOWN) | bit(CAP_KILL) | bit(CAP_NET_RAW)},
                        {"ambient", bit(CAP_CHOWN)}};
    EXPECT_EQ(sets(spec), expected);
}

TEST_F(CapabilitySetsTest, OfRootAreInheritableAndBoundingTogether) {
    ProcessSpec spec;
    spec.capability_sets = CapabilitySets{.bounding = {"CHOWN", "KILL"}, .permitted = {"KILL"}};
    const Sets inside = sets(spec);
    EXPECT_EQ(inside.at("permitted"), bit(CAP_CHOWN) | bit(CAP_KILL));
    EXPECT_EQ(inside.at("bounding"), bit(CAP_CHOWN) | bit(CAP_KILL));
    EXPECT_EQ(inside.at("inheritable"), 0U);
}

TEST_F(CapabilitySetsTest, WithSecureBitsRootIsAUserLikeAnyOther) {
    ProcessSpec spec;
    spec.secure_bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED;
    spec.capability_sets = CapabilitySets{.bounding = {"CHOWN", "KILL"},
                                          .permitted = {"KILL"},
                                          .effective = {},
                                          .inheritable = {"KILL"},
                                          .ambient = {"KILL"}};
    const Sets inside = sets(spec);
    EXPECT_EQ(inside.at("permitted"), bit(CAP_KILL));
    EXPECT_EQ(inside.at("effective"), bit(CAP_KILL));
    EXPECT_EQ(bits(spec), "securebits 3");
}

TEST_F(CapabilitySetsTest, AreEachAsGivenForACallable) {
    Container container = isolated();
    ProcessSpec spec;
    spec.user = User{1000, 1000};
    spec.secure_bits = SECBIT_NO_SETUID_FIXUP;
    spec.capability_sets = CapabilitySets{.bounding = {"CHOWN", "KILL"},
                                          .permitted = {"CHOWN", "KILL"},
                                          .effective = {"KILL"},
                                          .inheritable = {"CHOWN"},
                                          .ambient = {}};
    const auto main = [] {
        __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
        __user_cap_data_struct data[2];
        if (::syscall(SYS_capget, &header, data) != 0) return 1;
        if (data[0].permitted != (1U << CAP_CHOWN | 1U << CAP_KILL)) return 2;
        if (data[0].effective != 1U << CAP_KILL) return 3;
        if (data[0].inheritable != 1U << CAP_CHOWN) return 4;
        return ::prctl(PR_GET_SECUREBITS) == SECBIT_NO_SETUID_FIXUP ? 0 : 5;
    };
    EXPECT_TRUE(exited(run(container, spec, main).status, 0));
}

TEST_F(CapabilitySetsTest, SecureBitsAloneLeaveAnotherUserNothing) {
    Container container = isolated();
    make_file("image/etc/passwd", "app:x:1000:1000::/:\nroot:x:0:0::/:\n");
    const auto privileges = [] {
        __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
        __user_cap_data_struct data[2];
        if (::syscall(SYS_capget, &header, data) != 0) return 1;
        return data[0].permitted == 0 && data[0].effective == 0 && data[1].permitted == 0 ? 0 : 2;
    };
    ProcessSpec spec;
    spec.user = User{1000, 1000};
    for (const int set : {SECBIT_NO_SETUID_FIXUP, SECBIT_KEEP_CAPS, SECBIT_NOROOT}) {
        spec.secure_bits = static_cast<std::uint32_t>(set);
        EXPECT_TRUE(exited(run(container, spec, privileges).status, 0)) << set;
    }
    spec.user.reset();
    spec.user_name = "app";
    EXPECT_TRUE(exited(run(container, spec, privileges).status, 0));
    spec.user_name = "root";
    EXPECT_TRUE(exited(run(container, spec, privileges).status, 2)) << "root keeps what it has";
}

TEST_F(CapabilitySetsTest, SecureBitsAreThoseGiven) {
    ProcessSpec spec;
    EXPECT_EQ(bits(spec), "securebits 0");
    spec.secure_bits = SECBIT_NO_CAP_AMBIENT_RAISE;
    EXPECT_EQ(bits(spec), "securebits 40");
    spec.user = User{1000, 1000};
    EXPECT_EQ(bits(spec), "securebits 40");
    spec.capabilities = {"NET_RAW"}; // an ambient capability, and none to set secure bits with
    EXPECT_EQ(bits(spec), "securebits 40");
    EXPECT_EQ(sets(spec).at("effective"), bit(CAP_NET_RAW));
}

TEST_F(CapabilitySetsTest, WorkInAUserNamespace) {
    Container container = isolated().add_namespace(Namespace::User);
    container.add_uid_map({0, 100000, 2000}).add_gid_map({0, 100000, 2000});
    ProcessSpec spec;
    spec.user = User{1000, 1000};
    spec.secure_bits = SECBIT_NO_CAP_AMBIENT_RAISE;
    spec.capability_sets = CapabilitySets{.bounding = {"ALL"},
                                          .permitted = {"NET_RAW"},
                                          .effective = {"NET_RAW"},
                                          .inheritable = {"NET_RAW"},
                                          .ambient = {"NET_RAW"}};
    const Sets inside = sets_in(container, spec);
    EXPECT_EQ(inside.at("effective"), bit(CAP_NET_RAW));
    EXPECT_EQ(inside.at("bounding") & bit(CAP_SYS_ADMIN), bit(CAP_SYS_ADMIN));
}

TEST_F(CapabilitySetsTest, ThatContradictOneAnotherAreRefused) {
    Container container = isolated();
    ProcessSpec spec = program({"caps"});
    spec.capabilities = {"CHOWN"};
    spec.capability_sets = CapabilitySets{.bounding = {"KILL"},
                                          .permitted = {"KILL"},
                                          .effective = {"CHOWN", "KILL"},
                                          .inheritable = {"CHOWN"},
                                          .ambient = {"KILL", "NONSENSE"}};
    EXPECT_TRUE(fails([&] { container.start(spec); }, Errc::InvalidConfig,
                      {"both as one set and as five", "'CHOWN' is effective but not permitted",
                       "'KILL' is ambient but not inheritable", "'CHOWN' is inheritable but not in the bounding set",
                       "unknown capability 'NONSENSE'"}));
}

TEST_F(CapabilitySetsTest, NeedThePrivilege) {
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = session.create("box");
        ProcessSpec spec = host_program({"caps"});
        spec.secure_bits = SECBIT_NOROOT;
        EXPECT_TRUE(fails([&] { container.start(spec); }, std::errc::operation_not_permitted,
                          {"set the secure bits to 0x1", "CAP_SETPCAP"}));
        spec.secure_bits.reset();
        spec.capability_sets.emplace();
        EXPECT_TRUE(fails([&] { container.start(spec); }, std::errc::operation_not_permitted, {"bounding set"}));
    }));
}

} // namespace
} // namespace ct::test
