// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "plan/compile.hpp"

#include <linux/capability.h>
#include <linux/sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

/// Everything that a specification can ask for, without a user namespace.
Start everything() {
    Start start;
    for (const Namespace kind : {Namespace::Mount, Namespace::Pid, Namespace::Uts, Namespace::Ipc}) start.make(kind);
    start.join(Namespace::Net);
    start.spec.hostname = "box";
    start.spec.domainname = "example";
    start.spec.root = Root{.path = "/srv/root", .read_only = true};
    start.spec.private_area = BindDir{.source = "/tmp", .target = "/data"};
    start.spec.mounts = {{.source = "", .target = "/run", .type = "tmpfs"}};
    start.spec.default_mounts = true;
    start.process.user = User{33, 33, {4}};
    start.process.capabilities = {"NET_BIND_SERVICE"};
    start.process.no_new_privileges = true;
    start.process.limits = {{RLIMIT_NOFILE, 64, 64}};
    start.process.working_directory = "/data";
    start.process.umask = 027;
    start.process.parent_death_signal = SIGTERM;
    start.process.terminal = TerminalSize{};
    start.fds.map = {{0, 9}, {1, 9}, {2, 9}};
    start.fds.terminal = 9;
    start.fds.terminal_path = start.fds.terminal_name = "/dev/null";
    return start;
}

TEST(StartPlan, PlainProgramIsMerelyAChild) {
    const auto plan = Start{}.compile();
    EXPECT_THAT(listed(plan->steps),
                ElementsAre(Op::DieWithParent, Op::UnshareFds, Op::ResetSignals, Op::ClearUmask, Op::RestoreUmask,
                            Op::MapFds, Op::ParentDeathSignal, Op::UnblockSignals, Op::Exec));
    EXPECT_THAT(listed(plan->joins), IsEmpty());
    EXPECT_THAT(plan->parent_tasks, IsEmpty());
    EXPECT_EQ(plan->new_namespaces, 0U);
}

TEST(StartPlan, CallableHasTheSameStepsWithoutExecAndAlwaysWaits) {
    const auto plan = Start{.process = {}, .callable = true}.compile();
    EXPECT_THAT(listed(plan->steps),
                ElementsAre(Op::DieWithParent, Op::AwaitParent, Op::UnshareFds, Op::ResetSignals, Op::ClearUmask,
                            Op::RestoreUmask, Op::MapFds, Op::ParentDeathSignal, Op::UnblockSignals));
    EXPECT_THAT(plan->exec_candidates, IsEmpty());
}

TEST(StartPlan, EverythingInOrder) {
    const auto plan = everything().compile();
    EXPECT_THAT(listed(plan->joins), ElementsAre(Op::JoinNamespace));
    const std::vector<Op> files{Op::SlavePropagation,
                                Op::AttachRoot,
                                Op::Mount,
                                Op::Mount,
                                Op::Mount,
                                Op::Mount,
                                Op::Mount,
                                Op::Mount,
                                Op::Mount,
                                Op::OpenDirectory,
                                Op::MakeNode,
                                Op::MakeNode,
                                Op::MakeNode,
                                Op::MakeNode,
                                Op::MakeNode,
                                Op::MakeNode,
                                Op::MakeSymlink,
                                Op::MakeSymlink,
                                Op::MakeSymlink,
                                Op::MakeSymlink,
                                Op::MakeSymlink,
                                Op::Mount,
                                Op::Mount,
                                Op::ReadOnlyRoot,
                                Op::PivotRoot};
    std::vector<Op> expected{Op::DieWithParent, Op::UnshareFds, Op::ResetSignals, Op::ClearUmask};
    expected.insert(expected.end(), files.begin(), files.end());
    for (const Op op : {Op::RestoreUmask, Op::HostName, Op::DomainName, Op::NewSession, Op::ControllingTerminal,
                        Op::MapFds, Op::ResourceLimit, Op::DropBoundingSet, Op::KeepCapabilities, Op::SetCredentials,
                        Op::SetCapabilities, Op::RaiseAmbient, Op::NoNewPrivileges, Op::WorkingDirectory, Op::SetUmask,
                        Op::ParentDeathSignal, Op::UnblockSignals, Op::Exec}) {
        expected.push_back(op);
    }
    EXPECT_THAT(listed(plan->steps), ::testing::ElementsAreArray(expected));
    EXPECT_EQ(plan->new_namespaces, std::uint64_t{CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC});
}

/// What each later theme relies on; EverythingInOrder is the whole, this is why.
TEST(StartPlan, LaterStepsFindWhatTheyNeed) {
    const auto plan = everything().compile();
    const auto before = [&](Op first, Op second) { return ordered(plan->steps, first, second); };
    EXPECT_TRUE(before(Op::SlavePropagation, Op::AttachRoot)) << "mounts would show on the host";
    EXPECT_TRUE(before(Op::AttachRoot, Op::Mount));
    EXPECT_TRUE(before(Op::Mount, Op::PivotRoot)) << "sources are paths of the host";
    EXPECT_TRUE(before(Op::MakeNode, Op::ReadOnlyRoot)) << "nothing could be created";
    EXPECT_TRUE(before(Op::Mount, Op::ReadOnlyRoot)) << "mount points could not be created";
    EXPECT_TRUE(before(Op::ReadOnlyRoot, Op::PivotRoot));
    EXPECT_TRUE(before(Op::ControllingTerminal, Op::MapFds)) << "the terminal's number is one of the host";
    EXPECT_TRUE(before(Op::MapFds, Op::ResourceLimit)) << "RLIMIT_NOFILE bounds dup3";
    EXPECT_TRUE(before(Op::ResourceLimit, Op::SetCredentials)) << "raising limits needs privileges";
    EXPECT_TRUE(before(Op::PivotRoot, Op::SetCredentials));
    EXPECT_TRUE(before(Op::DropBoundingSet, Op::SetCredentials)) << "the new user has no CAP_SETPCAP";
    EXPECT_TRUE(before(Op::KeepCapabilities, Op::SetCredentials));
    EXPECT_TRUE(before(Op::SetCredentials, Op::SetCapabilities)) << "setuid would need what was dropped";
    EXPECT_TRUE(before(Op::SetCapabilities, Op::RaiseAmbient)) << "ambient ones have to be inheritable";
    EXPECT_TRUE(before(Op::SetCapabilities, Op::NoNewPrivileges));
    EXPECT_TRUE(before(Op::SetCredentials, Op::WorkingDirectory)) << "as the user it has to be reachable";
    EXPECT_TRUE(before(Op::PivotRoot, Op::WorkingDirectory));
    EXPECT_TRUE(before(Op::SetCredentials, Op::ParentDeathSignal)) << "a change of user clears it";
    EXPECT_TRUE(before(Op::ClearUmask, Op::Mount)) << "modes of created files would be masked";
    EXPECT_TRUE(before(Op::MakeNode, Op::RestoreUmask));
    EXPECT_TRUE(before(Op::RestoreUmask, Op::SetUmask));
    EXPECT_TRUE(before(Op::UnblockSignals, Op::Exec));
}

TEST(StartPlan, EveryStepExplainsItself) {
    Start with_user_namespace = everything();
    with_user_namespace.make_user_namespace();
    Start chrooted;
    chrooted.spec.root = Root{.path = "/srv/root"};
    const EnterTarget target{.pidfd = 3, .namespaces = CLONE_NEWNS, .root_fd = 4};
    for (const auto& plan : {everything().compile(), with_user_namespace.compile(), chrooted.compile(),
                             everything().compile_entering(target)}) {
        for (const Plan::Steps* steps : {&plan->joins, &plan->steps}) {
            for (std::size_t i = 0; i < steps->steps().size(); ++i) {
                const StepInfo& info = steps->info(i);
                EXPECT_FALSE(info.action.empty()) << i;
                EXPECT_NE(to_string(info.stage), "unknown") << info.action;
                switch (steps->steps()[i].op) {
                case Op::Mount:
                case Op::Exec:
                case Op::AttachRoot:
                case Op::PivotRoot:
                case Op::ReadOnlyRoot:
                case Op::MakeNode:
                case Op::MakeSymlink:
                case Op::WorkingDirectory:
                case Op::ControllingTerminal: EXPECT_FALSE(info.path.empty()) << info.action; break;
                default: break;
                }
            }
        }
    }
}

TEST(StartPlan, KeepsOfTheHostsDescriptorsOnlyTheLowPart) {
    Start start;
    start.fds.map = {{0, 3}, {7, 41}, {99, 4}};
    EXPECT_EQ(args<FdArgs>(start.compile()->steps, Op::UnshareFds).fd, 42);
}

TEST(StartPlan, ProgramWaitsForTheParentOnlyIfItHasIdMapsToWrite) {
    Start start;
    start.make_user_namespace();
    const auto mapped = start.compile();
    EXPECT_TRUE(ordered(mapped->steps, Op::AwaitParent, Op::UnshareFds));
    EXPECT_TRUE(ordered(mapped->steps, Op::AwaitParent, Op::BecomeRoot));
    EXPECT_EQ(mapped->parent_tasks.size(), 1U);

    start.spec = {};
    start.join(Namespace::User);
    const auto joined = start.compile();
    EXPECT_THAT(listed(joined->steps), Not(Contains(Op::AwaitParent)));
    EXPECT_THAT(joined->parent_tasks, IsEmpty());
}

TEST(StartPlan, BecomesRootOfAUserNamespaceThatHasOne) {
    Start start;
    start.make_user_namespace();
    start.process.user = User{7, 8};
    const auto plan = start.compile();
    const auto root = args<CredentialsArgs>(plan->steps, Op::BecomeRoot);
    EXPECT_EQ(root.uid, 0U);
    EXPECT_EQ(root.gid, 0U);
    EXPECT_EQ(root.group_count, 0U);
    EXPECT_TRUE(root.set_groups);
    EXPECT_TRUE(ordered(plan->steps, Op::BecomeRoot, Op::ClearUmask));

    start.spec.gid_map = {{1, 1, 10}};
    EXPECT_THAT(listed(start.compile()->steps), Not(Contains(Op::BecomeRoot)));
    start.spec.gid_map = {{1, 1, 10}, {0, 11, 1}};
    EXPECT_THAT(listed(start.compile()->steps), Contains(Op::BecomeRoot));
    start.spec.uid_map = {{1, 1, 10}};
    EXPECT_THAT(listed(start.compile()->steps), Not(Contains(Op::BecomeRoot)));

    start.spec = {};
    start.join(Namespace::User);
    EXPECT_THAT(listed(start.compile()->steps), Contains(Op::BecomeRoot));
}

TEST(StartPlan, LeavesGroupsAloneWhereSetgroupsIsDenied) {
    Start start{.host = Unprivileged};
    start.make_user_namespace();
    start.spec.gid_map = {{0, ::getegid(), 1}};
    start.process.user = User{0, 0};
    const auto plan = start.compile();
    EXPECT_FALSE(args<CredentialsArgs>(plan->steps, Op::BecomeRoot).set_groups);
    EXPECT_FALSE(args<CredentialsArgs>(plan->steps, Op::SetCredentials).set_groups);
}

TEST(StartPlan, NewSessionComesWithOrWithoutTerminal) {
    Start start;
    start.process.new_session = true;
    EXPECT_EQ(count(start.compile()->steps, Op::NewSession), 1U);
    EXPECT_EQ(count(start.compile()->steps, Op::ControllingTerminal), 0U);
    start.fds.terminal = 5;
    start.fds.terminal_name = "/dev/pts/1";
    const auto plan = start.compile();
    EXPECT_TRUE(ordered(plan->steps, Op::NewSession, Op::ControllingTerminal));
    EXPECT_EQ(args<FdArgs>(plan->steps, Op::ControllingTerminal).fd, 5);
    EXPECT_EQ(sentence(plan->steps, Op::ControllingTerminal), "take the terminal '/dev/pts/1'");
    start.process.new_session = false;
    EXPECT_EQ(count(start.compile()->steps, Op::NewSession), 1U);
}

/// Where the child may have the host's memory, and whether it has to be protected there.
struct Memory {
    bool shares;
    bool hides;
    bool not_dumpable; ///< The copy is hidden by a step.
    bool operator==(const Memory&) const = default;
};

void PrintTo(const Memory& memory, std::ostream* out) { // NOLINT(readability-identifier-naming)
    *out << (memory.shares ? "shares" : "copies") << (memory.hides ? " hides" : "")
         << (memory.not_dumpable ? " not dumpable" : "");
}

Memory memory_of(const Plan& plan) {
    return {plan.shares_memory, plan.hides_memory,
            count(plan.steps, Op::NotDumpable) + count(plan.joins, Op::NotDumpable) == 1};
}

/// What each sort of start does, by caller and by what runs.
struct MemoryRow {
    const char* name;
    void (*prepare)(Start&);
    Memory privileged_exec;
    Memory privileged_callable;
    Memory unprivileged_exec;
    Memory unprivileged_callable;
};

constexpr Memory Shares{true, false, false};
constexpr Memory SharesHidden{true, true, false};
constexpr Memory Copies{false, false, false};
constexpr Memory CopiesHidden{false, true, true};

const std::vector<MemoryRow> MemoryRows{
    {"Nothing", [](Start&) {}, Shares, Shares, Shares, Shares},
    {"NewNamespaces",
     [](Start& s) {
         for (const Namespace kind : {Namespace::Mount, Namespace::Pid, Namespace::Net, Namespace::Cgroup})
             s.make(kind);
     },
     Shares, Shares, Shares, Shares},
    {"UserNamespace", [](Start& s) { s.make_user_namespace(); }, SharesHidden, SharesHidden, Shares, Shares},
    {"User",
     [](Start& s) {
         s.process.user = User{0, 0};
     },
     SharesHidden, SharesHidden, Shares, Shares},
    {"Capabilities", [](Start& s) { s.process.capabilities.emplace(); }, SharesHidden, SharesHidden, Shares, Shares},
    {"Join", [](Start& s) { s.join(Namespace::Net); }, SharesHidden, {true, true, true}, CopiesHidden, CopiesHidden},
    {"JoinedUserNamespace",
     [](Start& s) { s.join(Namespace::User); },
     SharesHidden,
     {true, true, true},
     CopiesHidden,
     CopiesHidden},
    {"TimeNamespace", [](Start& s) { s.make(Namespace::Time); }, Copies, Copies, Copies, Copies},
    {"JoinedTimeNamespace", [](Start& s) { s.join(Namespace::Time); }, CopiesHidden, CopiesHidden, CopiesHidden,
     CopiesHidden},
    {"TimeNamespaceAndUser",
     [](Start& s) {
         s.make(Namespace::Time);
         s.process.user = User{33, 33};
     },
     CopiesHidden,
     {false, true, false},
     Copies,
     Copies},
};

class MemoryOf : public ::testing::TestWithParam<MemoryRow> {};

TEST_P(MemoryOf, Start) {
    const MemoryRow& row = GetParam();
    Start start;
    row.prepare(start);
    EXPECT_EQ(memory_of(*start.compile()), row.privileged_exec);
    start.host = Unprivileged;
    EXPECT_EQ(memory_of(*start.compile()), row.unprivileged_exec);
    start.callable = true;
    start.process.argv.clear();
    EXPECT_EQ(memory_of(*start.compile()), row.unprivileged_callable);
    start.host = {};
    EXPECT_EQ(memory_of(*start.compile()), row.privileged_callable);
}

INSTANTIATE_TEST_SUITE_P(Each, MemoryOf, ::testing::ValuesIn(MemoryRows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(StartPlan, HidesACopyBeforeAnythingOfTheContainerHappens) {
    Start start{.host = Unprivileged};
    start.join(Namespace::Net);
    start.spec.root = Root{.path = "/srv/root"};
    const auto plan = start.compile();
    EXPECT_TRUE(ordered(plan->joins, Op::NotDumpable, Op::JoinNamespace));
}

TEST(StartPlan, HostThatMayNotOverridePermissionsHidesOnlyACopy) {
    Start start;
    start.process.user = User{33, 33};
    start.host.capabilities = ~(std::uint64_t{1} << CAP_DAC_OVERRIDE);
    EXPECT_EQ(memory_of(*start.compile()), CopiesHidden);
    start.host.capabilities = std::uint64_t{1} << CAP_DAC_OVERRIDE;
    EXPECT_EQ(memory_of(*start.compile()), SharesHidden);
}

TEST(HostFacts, AreThoseOfThisProcess) {
    const HostFacts facts = HostFacts::detect();
    EXPECT_GE(facts.last_capability, 37U);
    EXPECT_LT(facts.last_capability, 64U);
    EXPECT_TRUE(HostFacts{.capabilities = 4}.can(2));
    EXPECT_FALSE(HostFacts{.capabilities = 4}.can(3));
    EXPECT_TRUE(HostFacts{.capabilities = std::uint64_t{1} << 40}.can(40));
}

} // namespace
} // namespace ct::internal
