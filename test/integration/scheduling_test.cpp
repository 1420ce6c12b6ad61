// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <chrono>
#include <cstdio>
#include <fstream>

#include <linux/sched.h>

#include <sched.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

using namespace std::chrono_literals;

class SchedulingTest : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        before_ = ::getpriority(PRIO_PROCESS, 0);
        if (IsSkipped()) return;
        ASSERT_EQ(::setpriority(PRIO_PROCESS, 0, 0), 0); // however the tests were started
    }
    void TearDown() override {
        ::setpriority(PRIO_PROCESS, 0, before_);
        ContainerTest::TearDown();
    }

    int before_ = 0;
    static std::string attributes_in(Container& container, ProcessSpec spec) {
        spec.argv = {InitPath, "attributes"};
        const Finished finished = run(container, std::move(spec));
        EXPECT_TRUE(succeeded(finished));
        return finished.out;
    }
    std::string attributes(ProcessSpec spec) {
        Container container = isolated();
        return attributes_in(container, std::move(spec));
    }
    Container in_user_namespace() {
        Container container = isolated("userns").add_namespace(Namespace::User);
        return container.add_uid_map({0, 100000, 2000}).add_gid_map({0, 100000, 2000});
    }
};

TEST_F(SchedulingTest, IsTheHostsByDefault) {
    const std::string inside = attributes({});
    EXPECT_TRUE(contains(inside, "nice 0\npolicy 0\npriority 0\n"));
    char personality[32]; // setarch(1) changes it for whatever it runs
    (void)std::snprintf(personality, sizeof personality, "personality %x\n",
                        static_cast<unsigned>(::personality(0xffffffff)));
    EXPECT_TRUE(contains(inside, std::string{"timerslack 50000\n"} + personality));
}

TEST_F(SchedulingTest, NiceIsSet) {
    ProcessSpec spec;
    for (const int nice : {-20, -1, 7, 19}) {
        spec.scheduling.nice = nice;
        EXPECT_TRUE(contains(attributes(spec), "nice " + std::to_string(nice) + "\npolicy 0\n"));
    }
    EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), 0);
}

TEST_F(SchedulingTest, PolicyIsSet) {
    ProcessSpec spec;
    spec.scheduling.nice = 3;
    spec.scheduling.scheduler = Scheduler{.policy = SchedulingPolicy::Batch};
    EXPECT_TRUE(contains(attributes(spec), "nice 3\npolicy 3\npriority 0\nflags 0\n"));
    spec.scheduling.scheduler = Scheduler{.policy = SchedulingPolicy::Idle};
    EXPECT_TRUE(contains(attributes(spec), "policy 5\n"));
    spec.scheduling.scheduler = Scheduler{.policy = SchedulingPolicy::Fifo, .priority = 1};
    EXPECT_TRUE(contains(attributes(spec), "policy 1\npriority 1\nflags 0\n"));
    spec.scheduling.scheduler =
        Scheduler{.policy = SchedulingPolicy::RoundRobin, .priority = 99, .reset_on_fork = true};
    EXPECT_TRUE(contains(attributes(spec), "policy 2\npriority 99\nflags 1\n"));
    spec.scheduling.scheduler = Scheduler{
        .policy = SchedulingPolicy::Deadline, .runtime = 1ms, .deadline = 10ms, .period = 20ms, .reset_on_fork = true};
    EXPECT_TRUE(contains(attributes(spec), "policy 6\npriority 0\nflags 1\ndeadline 1000000 10000000 20000000\n"));
}

TEST_F(SchedulingTest, IsSetForAUserWithoutPrivileges) {
    ProcessSpec spec;
    spec.user = User{1000, 1000};
    spec.capabilities.emplace();
    spec.no_new_privileges = true;
    spec.scheduling.nice = -5;
    spec.scheduling.scheduler = Scheduler{.policy = SchedulingPolicy::RoundRobin, .priority = 2};
    spec.scheduling.io_priority = IoPriority{IoClass::RealTime, 1};
    const std::string inside = attributes(spec);
    EXPECT_TRUE(contains(inside, "nice -5\npolicy 2\npriority 2\n"));
    EXPECT_TRUE(contains(inside, "ioprio 1 1\n"));
}

TEST_F(SchedulingTest, TakesTheHostsPrivilegesInAUserNamespace) {
    Container container = in_user_namespace();
    ProcessSpec spec;
    spec.scheduling.nice = -5;
    spec.scheduling.scheduler = Scheduler{.policy = SchedulingPolicy::Fifo, .priority = 2};
    spec.scheduling.io_priority = IoPriority{IoClass::RealTime, 3};
    std::string inside = attributes_in(container, spec);
    EXPECT_TRUE(contains(inside, "nice -5\npolicy 1\npriority 2\n"));
    EXPECT_TRUE(contains(inside, "ioprio 1 3\n"));

    const Process init = start_ready(container, program({"pause"}));
    spec.argv = {InitPath, "attributes"};
    inside = run_entered(container, spec).out;
    EXPECT_TRUE(contains(inside, "nice -5\npolicy 1\npriority 2\n"));
}

TEST_F(SchedulingTest, IsSetUnderAReaper) {
    Container container = isolated();
    ProcessSpec spec;
    spec.init = Init::Reaper;
    spec.scheduling.scheduler =
        Scheduler{.policy = SchedulingPolicy::Deadline, .runtime = 1ms, .deadline = 9ms, .reset_on_fork = true};
    EXPECT_TRUE(contains(attributes_in(container, spec), "policy 6\n"));
    Container userns = in_user_namespace();
    spec.argv = {InitPath, "attributes"};
    EXPECT_TRUE(fails([&] { userns.start(spec); }, Errc::InvalidConfig, {"under a reaper in a user namespace"}));
    spec.scheduling.scheduler = Scheduler{.policy = SchedulingPolicy::Fifo, .priority = 4};
    EXPECT_TRUE(contains(attributes_in(userns, spec), "policy 1\npriority 4\n"));
}

TEST_F(SchedulingTest, OfACallableIsSet) {
    Container container = isolated();
    ProcessSpec spec;
    spec.scheduling.nice = 4;
    spec.scheduling.cpus = {0};
    const auto main = [] {
        cpu_set_t cpus;
        if (::sched_getaffinity(0, sizeof cpus, &cpus) != 0 || CPU_COUNT(&cpus) != 1) return 1;
        return ::getpriority(PRIO_PROCESS, 0) == 4 ? 0 : 2;
    };
    EXPECT_TRUE(exited(run(container, spec, main).status, 0));
}

TEST_F(SchedulingTest, IoPriorityIsSet) {
    ProcessSpec spec;
    spec.scheduling.io_priority = IoPriority{IoClass::BestEffort, 6};
    EXPECT_TRUE(contains(attributes(spec), "ioprio 2 6\n"));
    spec.scheduling.io_priority = IoPriority{IoClass::Idle};
    EXPECT_TRUE(contains(attributes(spec), "ioprio 3 "));
}

TEST_F(SchedulingTest, AffinityIsExactlyTheGivenCpus) {
    ProcessSpec spec;
    spec.scheduling.cpus = {0};
    EXPECT_TRUE(contains(attributes(spec), "cpus 0\n"));
    Container container = isolated();
    for (const std::vector<unsigned>& cpus : std::vector<std::vector<unsigned>>{{0, 8191}, {8191}, {0, 900}}) {
        spec = program({"attributes"});
        spec.scheduling.cpus = cpus;
        EXPECT_TRUE(fails([&] { container.start(spec); }, std::errc::invalid_argument,
                          {"set the CPU affinity to ", "is not there"}));
    }
}

TEST_F(SchedulingTest, TimerSlackAndPersonalityAreSet) {
    ProcessSpec spec;
    spec.scheduling.timer_slack = 1234567ns;
    const int before = ::personality(0xffffffff);
    spec.personality = ADDR_NO_RANDOMIZE;
    const std::string inside = attributes(spec);
    EXPECT_TRUE(contains(inside, "timerslack 1234567\npersonality 40000\n"));
    EXPECT_EQ(::personality(0xffffffff), before);
}

TEST_F(SchedulingTest, MemoryPolicyIsSet) {
    std::ifstream nodes{"/sys/devices/system/node/has_memory"};
    if (!nodes) GTEST_SKIP() << "this kernel has no NUMA memory policies";
    ProcessSpec spec;
    spec.memory_policy = MemoryPolicy{.mode = MemoryPolicyMode::Bind, .nodes = {0}};
    EXPECT_TRUE(contains(attributes(spec), "mempolicy 2 1\n"));
    spec.memory_policy = MemoryPolicy{.mode = MemoryPolicyMode::Interleave, .nodes = {0}, .static_nodes = true};
    EXPECT_TRUE(contains(attributes(spec), "mempolicy 32771 1\n"));
    spec.memory_policy = MemoryPolicy{.mode = MemoryPolicyMode::Preferred, .nodes = {0}};
    EXPECT_TRUE(contains(attributes(spec), "mempolicy 1 1\n"));
    spec.memory_policy = MemoryPolicy{.mode = MemoryPolicyMode::Local};
    EXPECT_TRUE(contains(attributes(spec), "mempolicy 4 0\n"));
    spec.memory_policy = MemoryPolicy{};
    EXPECT_TRUE(contains(attributes(spec), "mempolicy 0 0\n"));

    Container container = isolated();
    spec = program({"attributes"});
    spec.memory_policy = MemoryPolicy{.mode = MemoryPolicyMode::Bind, .nodes = {0, 1000}};
    EXPECT_TRUE(fails([&] { container.start(spec); }, std::errc::invalid_argument,
                      {"set the memory policy to MPOL_BIND of nodes 0,1000", "node 1000 is not there"}));
}

TEST_F(SchedulingTest, SessionKeyringIsOneOfItsOwn) {
    const auto keyring = [](const std::string& text) { return text.substr(text.find("keyring ")); };
    ProcessSpec spec;
    spec.session_keyring.emplace();
    EXPECT_TRUE(contains(keyring(attributes(spec)), "keyring;0;0;"));
    EXPECT_TRUE(contains(keyring(attributes(spec)), "_ses"));
    spec.session_keyring->name = "libct-test";
    spec.user = User{1000, 1001};
    EXPECT_TRUE(contains(keyring(attributes(spec)), "keyring;1000;1001;"));
    EXPECT_TRUE(contains(keyring(attributes(spec)), ";libct-test\n"));
    Container userns = in_user_namespace();
    EXPECT_TRUE(contains(keyring(attributes_in(userns, spec)), "keyring;1000;1001;"));
}

TEST_F(SchedulingTest, WithoutPrivilegesIsRefused) {
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = session.create("box");
        const auto refused = [&](const Scheduling& scheduling, std::errc code,
                                 std::initializer_list<std::string_view> parts) {
            ProcessSpec spec = host_program({"attributes"});
            spec.scheduling = scheduling;
            return fails([&] { container.start(spec); }, code, parts);
        };
        EXPECT_TRUE(refused({.nice = -1}, std::errc::permission_denied, {"set the nice value to -1", "CAP_SYS_NICE"}));
        EXPECT_TRUE(refused({.scheduler = Scheduler{.policy = SchedulingPolicy::Fifo, .priority = 5}},
                            std::errc::operation_not_permitted, {"SCHED_FIFO with priority 5", "CAP_SYS_NICE"}));
        EXPECT_TRUE(refused({.io_priority = IoPriority{IoClass::RealTime, 0}}, std::errc::operation_not_permitted,
                            {"I/O priority to real-time 0", "CAP_SYS_NICE"}));
        ProcessSpec spec = host_program({"attributes"});
        spec.scheduling = {.nice = 5, .scheduler = Scheduler{.policy = SchedulingPolicy::Batch}, .cpus = {0}};
        spec.session_keyring.emplace();
        const std::string inside = run(container, spec).out;
        EXPECT_TRUE(contains(inside, "nice 5\npolicy 3\n"));
        EXPECT_TRUE(contains(inside, "cpus 0\n"));
        EXPECT_TRUE(contains(inside, "keyring;1000;1000;"));
    }));
}

TEST_F(SchedulingTest, LabelsThatThisKernelLacksAreUnsupported) {
    Container container = isolated();
    ProcessSpec spec = program({"exit", "0"});
    spec.labels.selinux = "system_u:system_r:nonsense_t:s0";
    std::ifstream types("/proc/filesystems");
    const std::string known{std::istreambuf_iterator<char>(types), {}};
    if (known.find("selinuxfs") != std::string::npos) GTEST_SKIP() << "this kernel has SELinux";
    EXPECT_TRUE(fails([&] { container.start(spec); }, Errc::Unsupported,
                      {"container 'box': set the SELinux label", "this kernel has no SELinux"}));
    spec.labels = {.apparmor = "nonsense"};
    if (::access("/sys/module/apparmor", F_OK) == 0) GTEST_SKIP() << "this kernel has AppArmor";
    EXPECT_TRUE(fails([&] { container.start(spec); }, Errc::Unsupported,
                      {"set the AppArmor label 'nonsense'", "this kernel has no AppArmor"}));
}

TEST_F(SchedulingTest, AppArmorProfileIsThatOfTheProgram) {
    if (::access("/proc/self/attr/apparmor/exec", F_OK) != 0) GTEST_SKIP() << "this kernel has no AppArmor";
    Container container = isolated().add_default_mounts();
    ProcessSpec spec = program({"cat", "/proc/self/attr/apparmor/current"});
    spec.labels.apparmor = "unconfined";
    EXPECT_TRUE(contains(run(container, spec).out, "unconfined"));
    spec.labels.apparmor = "libct-no-such-profile";
    EXPECT_TRUE(fails([&] { container.start(spec); }, std::errc::no_such_file_or_directory,
                      {"libct-no-such-profile", "no such profile is loaded"}));
}

} // namespace
} // namespace ct::test
