// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/user_name.hpp"
#include "config/validate.hpp"

namespace ct::internal {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> found(const ProcessSpec& process, const Spec& spec = {}, Runs runs = Runs::Program) {
    std::vector<std::string> violations;
    attribute_violations(violations, spec, process, runs);
    return violations;
}

TEST(UserNames, AreNamesOrNumbers) {
    const UserName name = parse_user_name("app:staff");
    EXPECT_EQ(name.user, "app");
    EXPECT_EQ(name.group, "staff");
    EXPECT_FALSE(name.uid || name.gid);
    const UserName numbers = parse_user_name("4294967294:0");
    EXPECT_EQ(numbers.uid, 4294967294U);
    EXPECT_EQ(numbers.gid, 0U);
    EXPECT_EQ(parse_user_name("007").uid, 7U);
    EXPECT_TRUE(parse_user_name("app").group.empty());
    EXPECT_FALSE(parse_user_name("1st").uid);
}

TEST(UserNames, AreWellFormed) {
    for (const char* const good : {"a", "0", "app:staff", "4294967294", "a b", "a.b-c_d$", "0x10"}) {
        EXPECT_THAT(user_name_violations(good), IsEmpty()) << good;
    }
    for (const char* const bad : {"", ":", "a:", ":a", "a:b:c", "-1", "+1", "-a", "a\nb", "a,b", "4294967295",
                                  "1:4294967296", "111111111111111111111111"}) {
        EXPECT_FALSE(user_name_violations(bad).empty()) << bad;
    }
    EXPECT_FALSE(user_name_violations(std::string_view("a\0b", 3)).empty());
    EXPECT_FALSE(user_name_violations(std::string(256, 'a')).empty());
    EXPECT_THAT(user_name_violations(std::string(255, 'a')), IsEmpty());
    EXPECT_THAT(user_name_violations("4294967295"), ElementsAre("user id 4294967295 is not a user"));
}

TEST(AttributeViolations, UserByNameContradictsUserByNumber) {
    EXPECT_THAT(found({.user = User{}, .user_name = "root"}),
                ElementsAre("a user is given both by name and by number"));
    EXPECT_THAT(found({.user_name = "root"}), IsEmpty());
}

TEST(AttributeViolations, NumbersOfAUserNamespaceAreMapped) {
    Spec spec;
    spec.namespaces[Namespace::User] = NewNamespace{};
    spec.uid_map = {{0, 100000, 10}};
    spec.gid_map = {{0, 100000, 20}};
    EXPECT_THAT(found({.user_name = "10:20"}, spec),
                ElementsAre("user 10 is not in the uid map", "group 20 is not in the gid map"));
    EXPECT_THAT(found({.user_name = "9:19"}, spec), IsEmpty());
    EXPECT_THAT(found({.user_name = "name:group"}, spec), IsEmpty()) << "the child finds out";
}

TEST(AttributeViolations, CapabilitySetsAreParts) {
    const auto all = [](CapabilitySets sets) { return found({.capability_sets = std::move(sets)}); };
    EXPECT_THAT(all({}), IsEmpty());
    EXPECT_THAT(all({.bounding = {"ALL"},
                     .permitted = {"ALL"},
                     .effective = {"kill"},
                     .inheritable = {"kill"},
                     .ambient = {"CAP_KILL"}}),
                IsEmpty());
    EXPECT_THAT(all({.effective = {"kill"}}), ElementsAre("capability 'kill' is effective but not permitted"));
    EXPECT_THAT(all({.permitted = {"kill"}, .effective = {"ALL"}}),
                ElementsAre("capability 'ALL' is effective but not permitted"));
    EXPECT_THAT(all({.inheritable = {"kill"}}),
                ElementsAre("capability 'kill' is inheritable but not in the bounding set"));
    EXPECT_THAT(all({.ambient = {"kill"}}), ElementsAre("capability 'kill' is ambient but not permitted",
                                                        "capability 'kill' is ambient but not inheritable"));
    EXPECT_THAT(all({.bounding = {"kil"}}), ElementsAre("unknown capability 'kil'"));
    EXPECT_THAT(found({.capabilities = {{}}, .capability_sets = {{}}}),
                ElementsAre("capabilities are given both as one set and as five"));
}

TEST(AttributeViolations, SchedulersHaveTheParametersOfTheirPolicy) {
    using enum SchedulingPolicy;
    const auto all = [](Scheduler scheduler) { return found({.scheduling = {.scheduler = scheduler}}); };
    EXPECT_THAT(all({}), IsEmpty());
    EXPECT_THAT(all({.policy = Fifo}), ElementsAre("real-time priority 0 is not from 1 to 99"));
    EXPECT_THAT(all({.policy = RoundRobin, .priority = 100}), ElementsAre(HasSubstr("100")));
    EXPECT_THAT(all({.policy = Fifo, .priority = 99}), IsEmpty());
    EXPECT_THAT(all({.policy = Batch, .priority = 1}), ElementsAre(HasSubstr("only Fifo and RoundRobin")));
    EXPECT_THAT(all({.policy = Other, .runtime = 1ns}), ElementsAre(HasSubstr("only Deadline")));
    EXPECT_THAT(all({.policy = Deadline}), ElementsAre(HasSubstr("0 < runtime")));
    EXPECT_THAT(all({.policy = Deadline, .runtime = 2ms, .deadline = 1ms}), ElementsAre(HasSubstr("0 < runtime")));
    EXPECT_THAT(all({.policy = Deadline, .runtime = 1ms, .deadline = 3ms, .period = 2ms}),
                ElementsAre(HasSubstr("period")));
    EXPECT_THAT(all({.policy = Deadline, .runtime = 1ms, .deadline = 2ms}), IsEmpty());
}

TEST(AttributeViolations, NumbersAreInTheirRange) {
    EXPECT_THAT(found({.scheduling = {.nice = 20}}), ElementsAre("nice value 20 is not from -20 to 19"));
    EXPECT_THAT(found({.scheduling = {.nice = -21}}), ElementsAre("nice value -21 is not from -20 to 19"));
    EXPECT_THAT(found({.scheduling = {.nice = -20}}), IsEmpty());
    EXPECT_THAT(found({.scheduling = {.io_priority = IoPriority{.level = 8}}}), ElementsAre(HasSubstr("level 8")));
    EXPECT_THAT(found({.scheduling = {.io_priority = IoPriority{.level = -1}}}), ElementsAre(HasSubstr("level -1")));
    EXPECT_THAT(found({.scheduling = {.cpus = {8191, 8192}}}), ElementsAre(HasSubstr("CPU 8192")));
    EXPECT_THAT(found({.scheduling = {.timer_slack = 0ns}}), ElementsAre("the timer slack is less than 1 ns"));
    EXPECT_THAT(found({.scheduling = {.timer_slack = 1ns}}), IsEmpty());
    EXPECT_THAT(found({.oom_score_adj = 1001}), ElementsAre(HasSubstr("1001")));
    EXPECT_THAT(found({.oom_score_adj = -1001}), ElementsAre(HasSubstr("-1001")));
    EXPECT_THAT(found({.oom_score_adj = -1000}), IsEmpty());
    EXPECT_THAT(found({.personality = ~0U}), ElementsAre(HasSubstr("only asks")));
    EXPECT_THAT(found({.secure_bits = 0x1000U}), ElementsAre("there are unknown secure bits"));
    EXPECT_THAT(found({.secure_bits = 0xfffU}), IsEmpty());
}

TEST(AttributeViolations, MemoryPoliciesHaveTheNodesOfTheirMode) {
    using enum MemoryPolicyMode;
    const auto all = [](MemoryPolicy policy) { return found({.memory_policy = std::move(policy)}); };
    EXPECT_THAT(all({}), IsEmpty());
    EXPECT_THAT(all({.mode = Bind}), ElementsAre("the memory policy needs nodes"));
    EXPECT_THAT(all({.mode = Local, .nodes = {0}}), ElementsAre("the memory policy takes no nodes"));
    EXPECT_THAT(all({.mode = Preferred, .nodes = {0, 1}}), ElementsAre(HasSubstr("one node")));
    EXPECT_THAT(all({.mode = Default, .static_nodes = true}), ElementsAre(HasSubstr("no flags")));
    EXPECT_THAT(all({.mode = Bind, .nodes = {0}, .static_nodes = true, .relative_nodes = true}),
                ElementsAre(HasSubstr("both static and relative")));
    EXPECT_THAT(all({.mode = Interleave, .nodes = {0}, .numa_balancing = true}), ElementsAre(HasSubstr("balancing")));
    EXPECT_THAT(all({.mode = Bind, .nodes = {1024}}), ElementsAre(HasSubstr("node 1024")));
}

TEST(AttributeViolations, NamesForTheKernelAreClean) {
    EXPECT_THAT(found({.session_keyring = SessionKeyring{".mine"}}), ElementsAre(HasSubstr("'.' in front")));
    EXPECT_THAT(found({.session_keyring = SessionKeyring{std::string(1, '\0')}}), ElementsAre(HasSubstr("NUL")));
    EXPECT_THAT(found({.session_keyring = SessionKeyring{std::string(4096, 'a')}}), ElementsAre(HasSubstr("4095")));
    EXPECT_THAT(found({.labels = {.apparmor = std::string(1, '\0')}}), ElementsAre(HasSubstr("NUL")));
    EXPECT_THAT(found({.labels = {.selinux = "a"}}), IsEmpty());
    EXPECT_THAT(found({.labels = {.selinux = "a"}}, {}, Runs::Callable), ElementsAre(HasSubstr("never executed")));
}

} // namespace
} // namespace ct::internal
