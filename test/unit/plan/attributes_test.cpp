// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/mempolicy.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct AttributePlan : ::testing::Test {
    ProcessSpec process;
    bool user_namespace = false;

    [[nodiscard]] std::unique_ptr<Plan> plan() const {
        auto plan = std::make_unique<Plan>();
        plan_attributes(*plan, process, user_namespace);
        plan_attribute_tasks(*plan, process, user_namespace);
        return plan;
    }
    /// The only system call, with its arguments.
    [[nodiscard]] static std::vector<std::int64_t> call(const Plan& plan) {
        const auto call = args<CallArgs>(plan.steps, Op::Call);
        std::vector<std::int64_t> words{call.number};
        for (const std::uint64_t word : call.arguments) words.push_back(static_cast<std::int64_t>(word));
        return words;
    }
};

/// As the kernel has it.
struct KernelSchedAttr {
    std::uint32_t size, policy;
    std::uint64_t flags;
    std::int32_t nice;
    std::uint32_t priority;
    std::uint64_t runtime, deadline, period;
};

KernelSchedAttr scheduler_of(const Plan& plan) {
    return *reinterpret_cast<const KernelSchedAttr*>(args<CallArgs>(plan.steps, Op::Call).arguments[1]);
}

TEST_F(AttributePlan, NothingAskedNothingDone) {
    const auto made = plan();
    EXPECT_TRUE(made->steps.empty());
    EXPECT_THAT(made->parent_tasks, IsEmpty());
}

TEST_F(AttributePlan, NiceIsOneCall) {
    process.scheduling.nice = -7;
    const auto made = plan();
    EXPECT_THAT(call(*made), ElementsAre(SYS_setpriority, PRIO_PROCESS, 0, -7, 0, 0));
    EXPECT_EQ(sentence(made->steps, Op::Call), "set the nice value to -7");
}

TEST_F(AttributePlan, SchedulerIsGivenWithItsNiceValue) {
    process.scheduling.scheduler =
        Scheduler{.policy = SchedulingPolicy::RoundRobin, .priority = 12, .reset_on_fork = true};
    auto made = plan();
    KernelSchedAttr attr = scheduler_of(*made);
    EXPECT_EQ(attr.size, 48U);
    EXPECT_EQ(attr.policy, unsigned{SCHED_RR});
    EXPECT_EQ(attr.priority, 12U);
    EXPECT_EQ(attr.flags, std::uint64_t{SCHED_FLAG_RESET_ON_FORK});
    EXPECT_EQ(attr.nice, ::getpriority(PRIO_PROCESS, 0)) << "it would be reset";
    EXPECT_EQ(sentence(made->steps, Op::Call), "set the scheduler to SCHED_RR with priority 12");

    process.scheduling.scheduler =
        Scheduler{.policy = SchedulingPolicy::Deadline, .runtime = 1ms, .deadline = 2ms, .period = 3ms};
    attr = scheduler_of(*plan());
    EXPECT_EQ(attr.policy, unsigned{SCHED_DEADLINE});
    EXPECT_EQ(attr.runtime, 1'000'000U);
    EXPECT_EQ(attr.deadline, 2'000'000U);
    EXPECT_EQ(attr.period, 3'000'000U);
    EXPECT_EQ(attr.flags, 0U);
}

TEST_F(AttributePlan, IoPriorityHasClassAndLevelInOneNumber) {
    process.scheduling.io_priority = IoPriority{IoClass::RealTime, 5};
    EXPECT_THAT(call(*plan()), ElementsAre(SYS_ioprio_set, 1, 0, 1 << 13 | 5, 0, 0));
    process.scheduling.io_priority = IoPriority{IoClass::Idle};
    EXPECT_THAT(call(*plan()), ElementsAre(SYS_ioprio_set, 1, 0, 3 << 13, 0, 0));
}

TEST_F(AttributePlan, AffinityIsAMask) {
    process.scheduling.cpus = {0, 3, 64, 64};
    const auto made = plan();
    const auto affinity = args<AffinityArgs>(made->steps, Op::CpuAffinity);
    EXPECT_EQ(affinity.bytes, 16U);
    EXPECT_EQ(affinity.mask[0], 9U);
    EXPECT_EQ(affinity.mask[1], 1U);
    EXPECT_EQ(sentence(made->steps, Op::CpuAffinity), "set the CPU affinity to 0,3,64,64");
}

TEST_F(AttributePlan, SlackAndPersonalityAreOneCallEach) {
    process.scheduling.timer_slack = 1us;
    EXPECT_THAT(call(*plan()), ElementsAre(SYS_prctl, PR_SET_TIMERSLACK, 1000, 0, 0, 0));
    process.scheduling.timer_slack.reset();
    process.personality = 8;
    EXPECT_THAT(call(*plan()), ElementsAre(SYS_personality, 8, 0, 0, 0, 0));
}

TEST_F(AttributePlan, MemoryPolicyHasModeFlagsAndNodes) {
    process.memory_policy = MemoryPolicy{.mode = MemoryPolicyMode::Bind, .nodes = {1, 65}, .relative_nodes = true};
    const auto made = plan();
    const auto call = args<CallArgs>(made->steps, Op::Call);
    EXPECT_EQ(call.number, SYS_set_mempolicy);
    EXPECT_EQ(call.arguments[0], std::uint64_t{MPOL_BIND | MPOL_F_RELATIVE_NODES});
    const auto* const nodes = reinterpret_cast<const std::uint64_t*>(call.arguments[1]);
    EXPECT_EQ(nodes[0], 2U);
    EXPECT_EQ(nodes[1], 2U);
    EXPECT_EQ(call.arguments[2], 129U);
    EXPECT_EQ(sentence(made->steps, Op::Call), "set the memory policy to MPOL_BIND of nodes 1,65");
    process.memory_policy = MemoryPolicy{.mode = MemoryPolicyMode::Local};
    EXPECT_THAT(AttributePlan::call(*plan()), ElementsAre(SYS_set_mempolicy, MPOL_LOCAL, 0, 0, 0, 0));
}

TEST_F(AttributePlan, WhatNeedsTheHostsPrivilegesIsTheParentsInAUserNamespace) {
    user_namespace = true;
    process.scheduling = {
        .nice = 1, .scheduler = Scheduler{}, .io_priority = IoPriority{}, .cpus = {0}, .timer_slack = 1us};
    const auto made = plan();
    EXPECT_THAT(listed(made->steps), ElementsAre(Op::CpuAffinity, Op::Call));
    ASSERT_EQ(made->parent_tasks.size(), 3U);
    EXPECT_EQ(made->parent_tasks.front().moment, Await::SetUp);
}

TEST_F(AttributePlan, ParentNamesWhatItCannotDo) {
    user_namespace = true;
    process.scheduling.nice = 1;
    const auto made = plan();
    const Handshake handshake{};
    try {
        made->parent_tasks.front().run(WaitingChild{-1, -1, handshake});
        FAIL();
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "set the nice value to 1: No such process");
    }
}

TEST(OomScorePlan, OfSharedMemoryIsTheParentsForAVforkChild) {
    Start start;
    start.process.oom_score_adj = 5;
    const auto plan = start.compile();
    EXPECT_TRUE(plan->needs_vfork);
    EXPECT_TRUE(plan->has_tasks(Await::SetUp));
    EXPECT_TRUE(plan->joins.empty());
    EXPECT_EQ(count(plan->steps, Op::AwaitParent), 1U);
    EXPECT_FALSE(Start{}.compile()->needs_vfork);
}

TEST(OomScorePlan, OfACopyIsItsOwnBeforeItHidesItsMemory) {
    Start start;
    start.process.oom_score_adj = -5;
    start.fds.proc = 17;
    start.callable = true;
    EXPECT_THAT(listed(start.compile()->joins), ElementsAre(Op::WriteProc));
    start.join(Namespace::User);
    const auto plan = start.compile();
    EXPECT_FALSE(plan->needs_vfork);
    EXPECT_THAT(listed(plan->joins), ElementsAre(Op::WriteProc, Op::NotDumpable, Op::JoinNamespace));
    const auto write = args<ProcWriteArgs>(plan->joins, Op::WriteProc);
    EXPECT_EQ(write.proc, 17);
    EXPECT_STREQ(write.path, "self/oom_score_adj");
    EXPECT_EQ(std::string(write.text, write.length), "-5");
    EXPECT_EQ(sentence(plan->joins, Op::WriteProc), "write -5 to '/proc/self/oom_score_adj'");
}

TEST(OomScorePlan, OfATimeNamespaceStillHidesTheCopy) {
    Start start;
    start.process.oom_score_adj = 5;
    start.process.user = User{1000, 1000};
    start.make(Namespace::Time);
    const auto plan = start.compile();
    EXPECT_THAT(listed(plan->joins), ElementsAre(Op::WriteProc));
    EXPECT_THAT(listed(plan->steps), Contains(Op::NotDumpable));
}

TEST(LabelPlan, IsWrittenToTheFileOfItsModule) {
    Plan plan;
    ProcessSpec process;
    process.labels = {.apparmor = "web", .selinux = "a:b:c:s0"};
    FdLayout fds;
    fds.proc = 9;
    plan_labels(plan, process, fds, {"self/attr/apparmor/exec", "self/attr/exec"});
    const auto writes = all_args<ProcWriteArgs>(plan.steps, Op::WriteProc);
    ASSERT_EQ(writes.size(), 2U);
    EXPECT_STREQ(writes[0].path, "self/attr/apparmor/exec");
    EXPECT_EQ(std::string(writes[0].text, writes[0].length), "exec web");
    EXPECT_STREQ(writes[1].path, "self/attr/exec");
    EXPECT_EQ(std::string(writes[1].text, writes[1].length), "a:b:c:s0");
    EXPECT_EQ(writes[1].proc, 9);
    EXPECT_EQ(sentence(plan.steps, Op::WriteProc), "set the AppArmor label 'web' by '/proc/self/attr/apparmor/exec'"
                                                   "set the SELinux label 'a:b:c:s0' by '/proc/self/attr/exec'");
}

TEST(LabelPlan, OfAMissingModuleIsUnsupported) {
    for (const SecurityLabels& labels : {SecurityLabels{.apparmor = "web"}, SecurityLabels{.selinux = "web"}}) {
        Plan plan;
        ProcessSpec process;
        process.labels = labels;
        try {
            plan_labels(plan, process, {}, {nullptr, nullptr});
            FAIL();
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::Unsupported);
            EXPECT_THAT(error.what(), HasSubstr("label 'web': "));
            EXPECT_THAT(error.hint(), HasSubstr("this kernel has no "));
        }
    }
}

TEST(LabelPlan, NeedsTheHostsProc) {
    EXPECT_FALSE(writes_proc({}));
    EXPECT_TRUE(writes_proc({.labels = {.apparmor = "web"}}));
    EXPECT_TRUE(writes_proc({.oom_score_adj = 0}));
}

TEST(UserPlan, NameIsLookedUpInBothFiles) {
    Start start;
    start.process.user_name = "app";
    start.fds.made = {5, 6};
    const auto plan = start.compile();
    EXPECT_TRUE(ordered(plan->steps, Op::FindUser, Op::FindMemberships));
    EXPECT_TRUE(ordered(plan->steps, Op::FindMemberships, Op::OwnStreams));
    EXPECT_TRUE(ordered(plan->steps, Op::OwnStreams, Op::MapFds));
    EXPECT_TRUE(ordered(plan->steps, Op::MapFds, Op::SetCredentials));
    const auto find = args<UserArgs>(plan->steps, Op::FindUser);
    EXPECT_STREQ(find.user, "app");
    EXPECT_TRUE(find.with_groups);
    EXPECT_EQ(args<CredentialsArgs>(plan->steps, Op::SetCredentials).found, find.ids);
    EXPECT_EQ(args<OwnStreamsArgs>(plan->steps, Op::OwnStreams).count, 2U);
    EXPECT_EQ(sentence(plan->steps, Op::FindUser), "find user 'app' in the container's '/etc/passwd'");
    EXPECT_EQ(sentence(plan->steps, Op::SetCredentials), "change to user 'app'");
    EXPECT_TRUE(plan->hides_memory);
}

TEST(UserPlan, OnlyWhatIsNoNumberIsLookedUp) {
    const auto lookups = [](const std::string& name) {
        Start start;
        start.process.user_name = name;
        const auto plan = start.compile();
        return std::vector{count(plan->steps, Op::FindUser), count(plan->steps, Op::FindGroup),
                           count(plan->steps, Op::FindMemberships)};
    };
    EXPECT_THAT(lookups("5:6"), ElementsAre(0, 0, 0));
    EXPECT_THAT(lookups("5"), ElementsAre(1, 0, 1));
    EXPECT_THAT(lookups("5:g"), ElementsAre(0, 1, 0));
    EXPECT_THAT(lookups("a:6"), ElementsAre(1, 0, 0));
    EXPECT_THAT(lookups("a:g"), ElementsAre(1, 1, 0));
    Start start;
    start.process.user_name = "5:6";
    const auto plan = start.compile();
    EXPECT_EQ(plan->user->uid, 5U);
    EXPECT_EQ(plan->user->gid, 6U);
    EXPECT_EQ(count(plan->steps, Op::OwnStreams), 0U) << "nothing was made";
}

TEST(CallHint, IsForThePrivilege) {
    EXPECT_THAT(call_hint({SYS_setpriority, {}}, EACCES), HasSubstr("CAP_SYS_NICE"));
    EXPECT_THAT(call_hint({SYS_sched_setattr, {}}, EPERM), HasSubstr("CAP_SYS_NICE"));
    EXPECT_THAT(call_hint({SYS_sched_setattr, {}}, EBUSY), HasSubstr("deadline"));
    EXPECT_THAT(call_hint({SYS_ioprio_set, {}}, EPERM), HasSubstr("real-time class"));
    EXPECT_THAT(call_hint({SYS_keyctl, {}}, EDQUOT), HasSubstr("quota"));
    EXPECT_THAT(call_hint({SYS_set_mempolicy, {}}, ENOSYS), HasSubstr("NUMA"));
    EXPECT_THAT(call_hint({SYS_prctl, {PR_SET_SECUREBITS}}, EPERM), HasSubstr("CAP_SETPCAP"));
    EXPECT_EQ(call_hint({SYS_prctl, {PR_SET_TIMERSLACK}}, EPERM), "");
    EXPECT_EQ(call_hint({SYS_personality, {}}, EINVAL), "");
    EXPECT_THAT(proc_hint("self/attr/exec", EINVAL), HasSubstr("does not know this label"));
    EXPECT_THAT(proc_hint("self/attr/apparmor/exec", ENOENT), HasSubstr("no such profile"));
    EXPECT_THAT(proc_hint("sys/net/ipv4/nothing", ENOENT), HasSubstr("no such sysctl"));
}

} // namespace
} // namespace ct::internal
