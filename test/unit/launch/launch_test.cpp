// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/launch.hpp"

#include <fcntl.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>

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
    const Error error = failure(*joining.compile());
    EXPECT_STREQ(error.what(), "join net namespace '/nowhere/net': No such file or directory");
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
    plan.parent_tasks.emplace_back([&](pid_t child) {
        seen = child;
        order.emplace_back("first");
        EXPECT_EQ(::kill(child, 0), 0);
    });
    plan.parent_tasks.emplace_back([&](pid_t) { order.emplace_back("second"); });
    compile_start(plan, waiting.spec, waiting.process, waiting.fds, {}, false);
    const Launched child = run(plan);
    EXPECT_EQ(seen, child.pid);
    EXPECT_THAT(order, ::testing::ElementsAre("first", "second"));
    EXPECT_EQ(reap(child.pidfd.get()).value, 7);
}

TEST_P(Launches, FailedParentTaskEndsTheChild) {
    Start waiting = start({"exit", "7"});
    Plan plan;
    plan.parent_tasks.emplace_back([](pid_t) { throw Error(Errc::Unsupported, Stage::IdMap, "write the map"); });
    compile_start(plan, waiting.spec, waiting.process, waiting.fds, {}, false);
    const Error error = failure(plan);
    EXPECT_EQ(error.code(), Errc::Unsupported);
    EXPECT_STREQ(error.what(), "write the map: not supported on this host");
}

TEST_P(Launches, ChildKilledDuringItsSetUpHasDied) {
    Start waiting = start({"exit", "7"});
    Plan plan;
    plan.parent_tasks.emplace_back([](pid_t child) { ::kill(child, SIGKILL); });
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
