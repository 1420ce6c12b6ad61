// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fstream>
#include <map>
#include <sstream>

#include <linux/capability.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

using Sets = std::map<std::string, std::uint64_t>;

constexpr std::uint64_t bit(unsigned capability) {
    return std::uint64_t{1} << capability;
}

class Capabilities : public ContainerTest {
protected:
    Sets sets(ProcessSpec spec) {
        Container container = isolated();
        return sets_in(container, std::move(spec));
    }

    static Sets sets_in(Container& container, ProcessSpec spec) {
        spec.argv = {InitPath, "caps"};
        const Finished finished = run(container, std::move(spec));
        EXPECT_TRUE(succeeded(finished));
        return parse(finished.out);
    }

    static Sets parse(const std::string& text) {
        Sets result;
        std::istringstream stream{text};
        for (std::string name; stream >> name;) stream >> std::hex >> result[name];
        return result;
    }

    static Sets all(std::uint64_t set) {
        return {{"permitted", set}, {"effective", set}, {"inheritable", set}, {"bounding", set}, {"ambient", set}};
    }

    static std::uint64_t of_host(const std::string& field) {
        std::ifstream status{"/proc/self/status"};
        for (std::string word; status >> word;) {
            if (word == field) {
                status >> word;
                return std::stoull(word, nullptr, 16);
            }
        }
        return 0;
    }
};

TEST_F(Capabilities, AreTheHostsByDefault) {
    const Sets inside = sets({});
    EXPECT_EQ(inside.at("effective"), of_host("CapEff:"));
    EXPECT_EQ(inside.at("bounding"), of_host("CapBnd:"));
}

TEST_F(Capabilities, AreExactlyTheNamedOnes) {
    ProcessSpec spec;
    spec.capabilities = std::vector<std::string>{"CAP_CHOWN", "CAP_NET_BIND_SERVICE"};
    EXPECT_EQ(sets(spec), all(bit(CAP_CHOWN) | bit(CAP_NET_BIND_SERVICE)));
}

TEST_F(Capabilities, NamesAreTakenInAnyForm) {
    ProcessSpec spec;
    spec.capabilities = std::vector<std::string>{"kill", "cap_setuid", "Sys_Chroot", "CAP_CHECKPOINT_RESTORE"};
    EXPECT_EQ(sets(spec), all(bit(CAP_KILL) | bit(CAP_SETUID) | bit(CAP_SYS_CHROOT) | bit(CAP_CHECKPOINT_RESTORE)));
}

TEST_F(Capabilities, OfAnotherUserAreExactlyTheNamedOnes) {
    ProcessSpec spec;
    spec.user = User{1000, 1000};
    spec.capabilities = std::vector<std::string>{"CAP_NET_RAW"};
    EXPECT_EQ(sets(spec), all(bit(CAP_NET_RAW)));
    spec.no_new_privileges = true;
    EXPECT_EQ(sets(spec), all(bit(CAP_NET_RAW)));
}

TEST_F(Capabilities, EmptyListDropsAll) {
    ProcessSpec spec;
    spec.capabilities = std::vector<std::string>{};
    EXPECT_EQ(sets(spec), all(0));
    spec.user = User{1000, 1000};
    EXPECT_EQ(sets(spec), all(0));
}

TEST_F(Capabilities, AllAreThoseOfTheHost) {
    ProcessSpec spec;
    spec.capabilities = std::vector<std::string>{"ALL"};
    EXPECT_EQ(sets(spec), all(of_host("CapEff:")));
    spec.user = User{1000, 1000};
    EXPECT_EQ(sets(spec), all(of_host("CapEff:")));
}

TEST_F(Capabilities, OfAnotherUserAreGoneByDefault) {
    ProcessSpec spec;
    spec.user = User{1000, 1000};
    const Sets inside = sets(spec);
    EXPECT_EQ(inside.at("permitted"), 0U);
    EXPECT_EQ(inside.at("effective"), 0U);
    EXPECT_EQ(inside.at("ambient"), 0U);
}

TEST_F(Capabilities, TakeEffect) {
    Container container = isolated();
    ProcessSpec spec = program({"mount", "tmpfs", "/bin"});
    EXPECT_TRUE(succeeded(run(container, spec)));
    spec.capabilities = std::vector<std::string>{"CHOWN"};
    EXPECT_TRUE(contains(run(container, spec).err, "EPERM"));
    spec.user = User{1000, 1000};
    spec.capabilities = std::vector<std::string>{"SYS_ADMIN"};
    EXPECT_TRUE(succeeded(run(container, spec)));
}

TEST_F(Capabilities, WithoutAnyTheSetUpStillWorks) {
    Container container = isolated().add_default_mounts().set_hostname("box");
    ProcessSpec spec;
    spec.capabilities = std::vector<std::string>{};
    spec.user = User{1000, 1000, {4}};
    EXPECT_EQ(sets_in(container, spec), all(0));
}

TEST_F(Capabilities, InAUserNamespaceAreTheNamedOnes) {
    Container container = isolated().add_namespace(Namespace::User).map_root_to_caller();
    ProcessSpec spec;
    spec.capabilities = std::vector<std::string>{"SYS_ADMIN", "CHOWN"};
    EXPECT_EQ(sets_in(container, spec), all(bit(CAP_SYS_ADMIN) | bit(CAP_CHOWN)));
}

TEST_F(Capabilities, OfAnUnprivilegedHostsContainerAreAllOfItsNamespace) {
    CT_REQUIRE(Privilege::UserNamespaces);
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = session.create("box").add_namespace(Namespace::User).map_root_to_caller();
        ProcessSpec spec = host_program({"caps"});
        const Sets inside = parse(run(container, spec).out);
        EXPECT_NE(inside.at("effective") & bit(CAP_SYS_ADMIN), 0U);
        spec.capabilities = std::vector<std::string>{"NET_ADMIN"};
        EXPECT_EQ(parse(run(container, spec).out), all(bit(CAP_NET_ADMIN)));
    }));
}

TEST_F(Capabilities, ThatTheHostLacksAreRefused) {
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = session.create("box");
        ProcessSpec spec = host_program({"caps"});
        spec.capabilities = std::vector<std::string>{"SYS_ADMIN"};
        EXPECT_TRUE(fails([&] { container.start(spec); }, std::errc::operation_not_permitted,
                          {"container 'box': ", "Operation not permitted"}));
    }));
}

TEST_F(Capabilities, AreTheNamedOnesForACallable) {
    Container container = isolated();
    ProcessSpec spec;
    spec.user = User{1000, 1000};
    spec.capabilities = std::vector<std::string>{"CHOWN"};
    const std::string file = "/owned";
    make_file("image/owned");
    const Finished finished =
        run(container, spec, [&] { return ::chown(file.c_str(), 7, 7) == 0 && ::geteuid() == 1000 ? 0 : 1; });
    EXPECT_TRUE(succeeded(finished));
}

} // namespace
} // namespace ct::test
