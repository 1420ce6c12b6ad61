// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "base/concat.hpp"
#include "launch/launch.hpp"

#include <fcntl.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "launch/exit_status.hpp"
#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

using ::testing::StartsWith;

int open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<int>(std::distance(begin(all), end(all)));
}

/// Launches of children without privileges, with shared and with copied memory.
class Launches : public ::testing::TestWithParam<bool> {
protected:
    void SetUp() override { ::sigprocmask(SIG_SETMASK, nullptr, &mask_); }

    void TearDown() override {
        EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG | __WALL), -1) << "a child is left";
        EXPECT_EQ(errno, ECHILD);
        EXPECT_EQ(open_descriptors(), descriptors_);
        sigset_t mask;
        ::sigprocmask(SIG_SETMASK, nullptr, &mask);
        for (int number = 1; number <= SIGRTMAX; ++number)
            EXPECT_EQ(::sigismember(&mask, number), ::sigismember(&mask_, number)) << number;
    }

    [[nodiscard]] static Start start(std::vector<std::string> argv) {
        argv.insert(argv.begin(), CT_TEST_INIT);
        return {.process = {.argv = std::move(argv)}, .fds = layout_of({{0, 0}, {1, 1}, {2, 2}})};
    }

    Launched run(Plan& plan, const std::function<int()>& callable = nullptr) {
        plan.shares_memory = GetParam();
        return launch({plan, -1, callable}, areas_);
    }

    /// The error of a launch that has to fail.
    Error failure(Plan& plan, const std::function<int()>& callable = nullptr) {
        try {
            (void)reap(run(plan, callable).pidfd.get());
        } catch (const Error& error) {
            return error;
        }
        throw std::logic_error("nothing was thrown");
    }

    AreaPool areas_;

private:
    const int descriptors_ = open_descriptors();
    sigset_t mask_{};
};

INSTANTIATE_TEST_SUITE_P(Memory, Launches, ::testing::Values(true, false),
                         [](const auto& instance) { return instance.param ? "Shared" : "Copied"; });

TEST_P(Launches, ProgramRuns) {
    const auto plan = start({"exit", "7"}).compile();
    const Launched child = run(*plan);
    EXPECT_GT(child.pid, 0);
    EXPECT_EQ(reap(child.pidfd.get()), (ExitStatus{ExitStatus::Kind::Exited, 7, false}));
}

TEST_P(Launches, OneAfterTheOther) {
    for (int code = 0; code < 20; ++code) {
        const auto plan = start({"exit", std::to_string(code)}).compile();
        EXPECT_EQ(reap(run(*plan).pidfd.get()).value, code);
    }
}

TEST_P(Launches, MissingProgramIsAnError) {
    Start missing = start({});
    missing.process.argv = {"/nowhere/at/all"};
    const Error error = failure(*missing.compile());
    EXPECT_STREQ(error.what(), "exec '/nowhere/at/all': No such file or directory");
    EXPECT_EQ(error.stage(), Stage::Exec);
}

TEST_P(Launches, FailedStepIsNamed) {
    Start elsewhere = start({"exit", "0"});
    elsewhere.process.working_directory = "/nowhere/at/all";
    const Error error = failure(*elsewhere.compile());
    EXPECT_STREQ(error.what(), "change to the working directory '/nowhere/at/all': No such file or directory");
    EXPECT_EQ(error.stage(), Stage::Process);
    EXPECT_EQ(error.path(), "/nowhere/at/all");
}

TEST_P(Launches, UnknownStepIsAnError) {
    Plan plan;
    plan.steps.add(static_cast<Op>(4711), {Stage::Limits, "do the unheard-of"});
    EXPECT_STREQ(failure(plan).what(), "do the unheard-of: Invalid argument");
}

TEST_P(Launches, FailedJoinIsNamed) {
    Start joining = start({"exit", "0"});
    joining.spec.namespaces[Namespace::Net] = NamespacePath{"/nowhere/net"};
    joining.fds.joins = {{Namespace::Net, 1 << 30, "/nowhere/net"}};
    const Error error = failure(*joining.compile());
    EXPECT_STREQ(error.what(), "join net namespace '/nowhere/net': Bad file descriptor");
    EXPECT_EQ(error.stage(), Stage::Namespaces);
}

TEST_P(Launches, HelperMakesTheChild) {
    Start start_from_root = start({"exit", "7"});
    const UniqueFd root(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    Plan plan;
    plan.joins.add(Op::EnterDirectory, FdArgs{root.get()}, {Stage::Enter, "change the directory"});
    compile_start(plan, start_from_root.spec, start_from_root.process, start_from_root.fds, {}, false);
    EXPECT_EQ(reap(run(plan).pidfd.get()).value, 7);
}

TEST_P(Launches, ChildThatNeverExecutesHasDied) {
    Plan plan;
    plan.steps.add(Op::ResetSignals, {Stage::Launch, "reset signals"});
    const Error error = failure(plan);
    EXPECT_EQ(error.code(), Errc::ChildDied);
    EXPECT_THAT(error.what(), StartsWith("set up the process, which exited with code 127 in the step 'reset signals'"));
}

TEST_P(Launches, ParentTasksRunWhileTheChildWaits) {
    Start waiting = start({"exit", "7"});
    Plan plan;
    std::vector<std::string> order;
    pid_t seen = 0;
    plan.parent_tasks.push_back({Await::SetUp, [&](const WaitingChild&) { order.emplace_back("later"); }});
    plan.parent_tasks.push_back({Await::Birth, [&](const WaitingChild& child) {
                                     seen = child.pid;
                                     order.emplace_back("first");
                                     EXPECT_EQ(::kill(child.pid, 0), 0);
                                 }});
    plan.parent_tasks.push_back({Await::Birth, [&](const WaitingChild&) { order.emplace_back("second"); }});
    compile_start(plan, waiting.spec, waiting.process, waiting.fds, {}, false);
    const Launched child = run(plan);
    EXPECT_EQ(seen, child.pid);
    EXPECT_THAT(order, ::testing::ElementsAre("first", "second", "later"));
    EXPECT_EQ(reap(child.pidfd.get()).value, 7);
}

TEST_P(Launches, ParentTakesADescriptorOfTheChild) {
    Plan plan;
    const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    UniqueFd taken;
    plan.steps.add(Op::DieWithParent, {Stage::Launch, "set the parent-death signal"});
    plan.steps.add(Op::AwaitParent, AwaitArgs{Await::SetUp}, {Stage::Launch, "wait for the parent"});
    plan.steps.add(Op::Finish, {Stage::Launch, "finish"});
    plan.parent_tasks.push_back({Await::SetUp, [&](const WaitingChild& child) {
                                     auto& handshake = const_cast<Handshake&>(child.handshake);
                                     handshake.offered[1] = file.get(); // as a step of the child would
                                     taken = child.take(1, Stage::Root, "take");
                                     EXPECT_THROW((void)child.take(0, Stage::Root, "take"), Error);
                                     EXPECT_THROW((void)child.take(99, Stage::Root, "take"), Error);
                                 }});
    const Launched finished = run(plan);
    EXPECT_EQ(finished.pid, -1);
    EXPECT_FALSE(finished.pidfd);
    EXPECT_NE(::fcntl(taken.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_P(Launches, WriteProcWritesAboutTheChild) {
    const UniqueFd proc(::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
    Plan plan;
    std::string name;
    const auto write = [&](const char* path) {
        FdLayout fds;
        fds.proc = proc.get();
        plan_proc_write(plan, fds, path, "renamed", {Stage::Process, "write to", path});
    };
    plan.steps.add(Op::DieWithParent, {Stage::Launch, "set the parent-death signal"});
    write("self/comm");
    plan.steps.add(Op::AwaitParent, AwaitArgs{Await::SetUp}, {Stage::Launch, "wait for the parent"});
    write("self/nothing");
    plan.steps.add(Op::Finish, {Stage::Launch, "finish"});
    plan.parent_tasks.push_back({Await::SetUp, [&](const WaitingChild& child) {
                                     std::getline(std::ifstream(concat("/proc/", child.pid, "/comm")), name);
                                 }});
    const Error error = failure(plan);
    EXPECT_EQ(name, "renamed");
    EXPECT_THAT(error.what(), StartsWith("write to 'self/nothing': No such file"));
}

TEST_P(Launches, FailedParentTaskEndsTheChild) {
    Start waiting = start({"exit", "7"});
    Plan plan;
    plan.parent_tasks.push_back(
        {Await::Birth, [](const WaitingChild&) { throw Error(Errc::Unsupported, Stage::IdMap, "write the map"); }});
    compile_start(plan, waiting.spec, waiting.process, waiting.fds, {}, false);
    const Error error = failure(plan);
    EXPECT_EQ(error.code(), Errc::Unsupported);
    EXPECT_STREQ(error.what(), "write the map: not supported on this host");
}

TEST_P(Launches, ChildKilledDuringItsSetUpHasDied) {
    Start waiting = start({"exit", "7"});
    Plan plan;
    plan.parent_tasks.push_back({Await::SetUp, [](const WaitingChild& child) { ::kill(child.pid, SIGKILL); }});
    compile_start(plan, waiting.spec, waiting.process, waiting.fds, {}, false);
    const Error error = failure(plan);
    EXPECT_EQ(error.code(), Errc::ChildDied);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("was killed by signal 9 (SIGKILL)"));
}

TEST_P(Launches, CallableRunsAsAChildOfThisProcess) {
    Start calling = start({});
    calling.process.argv.clear();
    calling.callable = true;
    const auto plan = calling.compile();
    const pid_t parent = ::getpid();
    const Launched child = run(*plan, [&] { return ::getppid() == parent ? 5 : 6; });
    EXPECT_EQ(reap(child.pidfd.get()), (ExitStatus{ExitStatus::Kind::Exited, 5, false}));
}

TEST_P(Launches, CallableHasItsOwnEnvironment) {
    Start calling = start({});
    calling.process.argv.clear();
    calling.process.environment = {"CT_UNIT=5"};
    calling.callable = true;
    const auto plan = calling.compile();
    const Launched child = run(*plan, [] {
        const char* const value = ::getenv("CT_UNIT");
        return value != nullptr && ::getenv("PATH") == nullptr ? *value - '0' : 6;
    });
    EXPECT_EQ(reap(child.pidfd.get()).value, 5);
}

TEST_P(Launches, FailedStepBeforeACallableIsNamed) {
    Start calling = start({});
    calling.process.argv.clear();
    calling.process.working_directory = "/nowhere/at/all";
    calling.callable = true;
    const Error error = failure(*calling.compile(), [] { return 0; });
    EXPECT_STREQ(error.what(), "change to the working directory '/nowhere/at/all': No such file or directory");
}

} // namespace
} // namespace ct::internal
