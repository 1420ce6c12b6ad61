// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/capability.h>
#include <sys/resource.h>

#include <csignal>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

constexpr std::uint64_t bit(int number) {
    return std::uint64_t{1} << number;
}

struct ProcessPlan : ::testing::Test {
    ProcessSpec process;
    HostFacts host;
    bool groups_denied = false;
    bool user_namespace = false;

    [[nodiscard]] std::unique_ptr<Plan> plan() const {
        auto plan = std::make_unique<Plan>();
        plan_process(*plan, process, host, groups_denied, user_namespace);
        return plan;
    }
};

TEST_F(ProcessPlan, NothingAskedOnlyTheSetUpsSignalIsUndone) {
    const auto made = plan();
    EXPECT_THAT(listed(made->steps), ElementsAre(Op::ParentDeathSignal));
    EXPECT_EQ(args<NumberArgs>(made->steps, Op::ParentDeathSignal).value, 0U);
}

TEST_F(ProcessPlan, AttributesAreThoseOfTheProcess) {
    process.working_directory = "/data";
    process.umask = 027;
    process.parent_death_signal = SIGTERM;
    const auto made = plan();
    EXPECT_THAT(listed(made->steps), ElementsAre(Op::WorkingDirectory, Op::SetUmask, Op::ParentDeathSignal));
    EXPECT_STREQ(args<PathArgs>(made->steps, Op::WorkingDirectory).path, "/data");
    EXPECT_EQ(args<NumberArgs>(made->steps, Op::SetUmask).value, 027U);
    EXPECT_EQ(args<NumberArgs>(made->steps, Op::ParentDeathSignal).value, std::uint64_t{SIGTERM});
}

TEST_F(ProcessPlan, UmaskOfZeroIsSet) {
    process.umask = 0;
    EXPECT_THAT(listed(plan()->steps), ElementsAre(Op::SetUmask, Op::ParentDeathSignal));
}

TEST_F(ProcessPlan, LimitsAreNamed) {
    process.limits = {{RLIMIT_NOFILE, 64, 128}, {RLIMIT_CORE, 0, ResourceLimit::Unlimited}};
    const auto made = plan();
    const auto limits = all_args<LimitArgs>(made->steps, Op::ResourceLimit);
    ASSERT_EQ(limits.size(), 2U);
    EXPECT_EQ(limits[0].resource, static_cast<int>(RLIMIT_NOFILE));
    EXPECT_EQ(limits[0].limit[0], 64U);
    EXPECT_EQ(limits[0].limit[1], 128U);
    EXPECT_EQ(limits[1].limit[1], RLIM_INFINITY);
    EXPECT_EQ(made->steps.info(0).action, "set RLIMIT_NOFILE to 64:128");
    EXPECT_EQ(made->steps.info(1).action, "set RLIMIT_CORE to 0:unlimited");
    EXPECT_EQ(made->steps.info(0).stage, Stage::Limits);
}

TEST_F(ProcessPlan, EveryLimitOfTheKernelHasItsName) {
    for (int resource = 0; resource < static_cast<int>(RLIM_NLIMITS); ++resource) {
        process.limits = {{resource, 1, 1}};
        EXPECT_THAT(plan()->steps.info(0).action, ::testing::StartsWith("set RLIMIT_")) << resource;
    }
}

TEST_F(ProcessPlan, UserHasExactlyTheGivenGroups) {
    process.user = User{33, 34, {4, 5}};
    const auto made = plan();
    const auto credentials = args<CredentialsArgs>(made->steps, Op::SetCredentials);
    EXPECT_EQ(credentials.uid, 33U);
    EXPECT_EQ(credentials.gid, 34U);
    EXPECT_THAT(std::vector<std::uint32_t>(credentials.groups, credentials.groups + credentials.group_count),
                ElementsAre(4, 5));
    EXPECT_TRUE(credentials.set_groups);
    EXPECT_EQ(sentence(made->steps, Op::SetCredentials), "change to user 33, group 34");

    process.user->groups.clear();
    const auto without = plan();
    EXPECT_EQ(args<CredentialsArgs>(without->steps, Op::SetCredentials).group_count, 0U);
    EXPECT_TRUE(args<CredentialsArgs>(without->steps, Op::SetCredentials).set_groups) << "the host's would stay";
}

TEST_F(ProcessPlan, DeniedGroupsAreNotSet) {
    process.user = User{0, 0};
    groups_denied = true;
    EXPECT_FALSE(args<CredentialsArgs>(plan()->steps, Op::SetCredentials).set_groups);
}

TEST_F(ProcessPlan, CapabilitiesGoIntoEverySet) {
    process.capabilities = {"chown", "CAP_SETUID"};
    host.last_capability = 38;
    const auto made = plan();
    EXPECT_THAT(listed(made->steps),
                ElementsAre(Op::DropBoundingSet, Op::SetCapabilities, Op::RaiseAmbient, Op::ParentDeathSignal));
    constexpr std::uint64_t expected = bit(CAP_CHOWN) | bit(CAP_SETUID);
    for (const Op op : {Op::DropBoundingSet, Op::RaiseAmbient}) {
        EXPECT_EQ(args<CapabilityArgs>(made->steps, op).set, expected);
        EXPECT_EQ(args<CapabilityArgs>(made->steps, op).last, 38U);
    }
    const auto sets = args<CapabilitySetsArgs>(made->steps, Op::SetCapabilities);
    EXPECT_EQ(sets.permitted, expected);
    EXPECT_EQ(sets.effective, expected);
    EXPECT_EQ(sets.inheritable, expected);
}

TEST_F(ProcessPlan, EmptyListDropsAllOfThem) {
    process.capabilities.emplace();
    const auto made = plan();
    for (const Op op : {Op::DropBoundingSet, Op::RaiseAmbient}) {
        EXPECT_EQ(args<CapabilityArgs>(made->steps, op).set, 0U);
    }
    EXPECT_EQ(args<CapabilitySetsArgs>(made->steps, Op::SetCapabilities).permitted, 0U);
}

TEST_F(ProcessPlan, AllAreTheHostsOrInAUserNamespaceEveryOne) {
    process.capabilities = {"ALL"};
    host = {.capabilities = bit(CAP_CHOWN) | bit(CAP_KILL), .last_capability = 40};
    EXPECT_EQ(args<CapabilitySetsArgs>(plan()->steps, Op::SetCapabilities).permitted, bit(CAP_CHOWN) | bit(CAP_KILL));
    user_namespace = true;
    EXPECT_EQ(args<CapabilitySetsArgs>(plan()->steps, Op::SetCapabilities).permitted, bit(41) - 1);
    host.last_capability = 63;
    EXPECT_EQ(args<CapabilitySetsArgs>(plan()->steps, Op::SetCapabilities).permitted, ~std::uint64_t{0});
}

TEST_F(ProcessPlan, CapabilitiesAreKeptOverTheChangeToAnotherUser) {
    process.user = User{33, 33};
    EXPECT_THAT(listed(plan()->steps), Not(Contains(Op::KeepCapabilities)));
    process.capabilities = {"chown"};
    EXPECT_THAT(listed(plan()->steps), ElementsAre(Op::DropBoundingSet, Op::KeepCapabilities, Op::SetCredentials,
                                                   Op::SetCapabilities, Op::RaiseAmbient, Op::ParentDeathSignal));
    process.user->uid = 0;
    EXPECT_THAT(listed(plan()->steps), Not(Contains(Op::KeepCapabilities)));
}

TEST_F(ProcessPlan, FiveSetsGoEachToItsPlace) {
    process.capability_sets = CapabilitySets{.bounding = {"CHOWN", "KILL", "SETUID"},
                                             .permitted = {"CHOWN", "KILL"},
                                             .effective = {"KILL"},
                                             .inheritable = {"CHOWN", "SETUID"},
                                             .ambient = {"CHOWN"}};
    const auto made = plan();
    EXPECT_EQ(args<CapabilityArgs>(made->steps, Op::DropBoundingSet).set,
              bit(CAP_CHOWN) | bit(CAP_KILL) | bit(CAP_SETUID));
    const auto sets = args<CapabilitySetsArgs>(made->steps, Op::SetCapabilities);
    EXPECT_EQ(sets.permitted, bit(CAP_CHOWN) | bit(CAP_KILL));
    EXPECT_EQ(sets.effective, bit(CAP_KILL));
    EXPECT_EQ(sets.inheritable, bit(CAP_CHOWN) | bit(CAP_SETUID));
    EXPECT_FALSE(sets.not_for_root);
    EXPECT_EQ(args<CapabilityArgs>(made->steps, Op::RaiseAmbient).set, bit(CAP_CHOWN));
}

TEST_F(ProcessPlan, SecureBitsComeLateAndKeepTheirPrivilegeUntilThen) {
    process.secure_bits = 0x40;
    EXPECT_THAT(listed(plan()->steps), ElementsAre(Op::Call, Op::ParentDeathSignal));
    process.user = User{33, 33};
    process.capabilities = {"chown"};
    const auto made = plan();
    EXPECT_THAT(listed(made->steps),
                ElementsAre(Op::DropBoundingSet, Op::KeepCapabilities, Op::SetCredentials, Op::SetCapabilities,
                            Op::RaiseAmbient, Op::Call, Op::SetCapabilities, Op::ParentDeathSignal));
    const auto sets = all_args<CapabilitySetsArgs>(made->steps, Op::SetCapabilities);
    EXPECT_EQ(sets[0].effective, bit(CAP_CHOWN) | bit(CAP_SETPCAP));
    EXPECT_EQ(sets[1].effective, bit(CAP_CHOWN));
    EXPECT_EQ(sets[1].permitted, bit(CAP_CHOWN));
    EXPECT_EQ(sentence(made->steps, Op::Call), "set the secure bits to 0x40");
    process.capabilities = {"setpcap"};
    EXPECT_EQ(count(plan()->steps, Op::SetCapabilities), 1U) << "it is kept for good";
}

TEST_F(ProcessPlan, SecureBitsOfAnotherUserLeaveItNothing) {
    process.user = User{33, 33};
    process.secure_bits = 4;
    const auto made = plan();
    EXPECT_THAT(listed(made->steps), ElementsAre(Op::KeepCapabilities, Op::SetCredentials, Op::SetCapabilities,
                                                 Op::Call, Op::SetCapabilities, Op::ParentDeathSignal));
    const auto sets = all_args<CapabilitySetsArgs>(made->steps, Op::SetCapabilities);
    EXPECT_EQ(sets[1].permitted, 0U);
    EXPECT_EQ(sets[1].effective, 0U);
    EXPECT_TRUE(sets[0].not_for_root && sets[1].not_for_root) << "the user may turn out to be root";
}

TEST_F(ProcessPlan, KeyringIsMadeByTheNewUser) {
    process.user = User{33, 33};
    process.session_keyring.emplace();
    EXPECT_TRUE(ordered(plan()->steps, Op::SetCredentials, Op::Call));
}

TEST_F(ProcessPlan, NoNewPrivilegesIsOneStep) {
    process.no_new_privileges = true;
    EXPECT_THAT(listed(plan()->steps), ElementsAre(Op::NoNewPrivileges, Op::ParentDeathSignal));
}

} // namespace
} // namespace ct::internal
