// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "child/child_main.hpp"

#include <linux/sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/unique_fd.hpp"
#include "child/clone.hpp"
#include "launch/area.hpp"
#include "plan/plan.hpp"

namespace ct::internal {
namespace {

/// Has a child perform steps in this process's memory, as a start does.
struct ChildMain : ::testing::Test {
    LaunchArea area{LaunchArea::Sharing::Threads};
    Handshake& handshake = area.handshake();
    Plan plan;
    int status = 0; ///< What waitpid(2) says.

    void SetUp() override { handshake.word = Handshake::Unborn; }

    void add(Op op) { plan.steps.add(op, {Stage::Launch, "step"}); }
    template <typename Args>
    void add(Op op, const Args& args) {
        plan.steps.add(op, args, {Stage::Launch, "step"});
    }
    void add_exec(const std::vector<std::string>& candidates, const std::vector<std::string>& argv) {
        add(Op::Exec, ExecArgs{plan.strings(candidates), plan.strings(argv), plan.strings(std::vector<std::string>{})});
    }

    void run() {
        const ChildPlan child{plan.steps.list(), &handshake};
        clone_args args{};
        args.flags = CLONE_VM | CLONE_CLEAR_SIGHAND;
        args.stack = reinterpret_cast<std::uintptr_t>(area.child_stack().data());
        args.stack_size = area.child_stack().size();
        const long pid = child::clone_onto_stack(&args, child::run_child, const_cast<ChildPlan*>(&child));
        ASSERT_GT(pid, 0);
        ASSERT_EQ(::waitpid(static_cast<pid_t>(pid), &status, __WALL), pid);
    }
    [[nodiscard]] int exit_code() const { return WIFEXITED(status) ? WEXITSTATUS(status) : -1; }
};

TEST_F(ChildMain, FailedStepLeavesItsIndexAndErrno) {
    add(Op::ClearUmask);
    add(Op::WorkingDirectory, PathArgs{"/nowhere/at/all"});
    add(Op::ResetSignals);
    run();
    EXPECT_EQ(handshake.step, 1U);
    EXPECT_EQ(handshake.error, ENOENT);
    EXPECT_EQ(handshake.word, Handshake::Gone);
    EXPECT_EQ(exit_code(), 127);
}

TEST_F(ChildMain, UnknownStepIsInvalid) {
    add(Op::ResetSignals);
    add(static_cast<Op>(4711));
    run();
    EXPECT_EQ(handshake.step, 1U);
    EXPECT_EQ(handshake.error, EINVAL);
}

TEST_F(ChildMain, NothingIsDoneAfterAFailure) {
    add(Op::WorkingDirectory, PathArgs{"/nowhere/at/all"});
    add_exec({CT_TEST_INIT}, {"test_init", "exit", "7"});
    run();
    EXPECT_EQ(handshake.step, 0U);
    EXPECT_EQ(exit_code(), 127);
}

TEST_F(ChildMain, EndOfTheStepsIsTheEndOfTheChild) {
    add(Op::ResetSignals);
    add(Op::ClearUmask);
    run();
    EXPECT_EQ(handshake.step, 1U);
    EXPECT_EQ(handshake.error, 0);
    EXPECT_EQ(handshake.word, Handshake::Gone);
    EXPECT_EQ(exit_code(), 127);
}

TEST_F(ChildMain, ErrnoOfTheHostIsNotTouched) {
    add(Op::WorkingDirectory, PathArgs{"/nowhere/at/all"});
    errno = ENOTTY;
    run();
    EXPECT_EQ(errno, ENOTTY);
}

TEST_F(ChildMain, AttributesAreTheChildsOwn) {
    const mode_t before = ::umask(022);
    add(Op::SetUmask, NumberArgs{0777});
    add(Op::WorkingDirectory, PathArgs{"/proc"});
    run();
    EXPECT_EQ(::umask(before), static_cast<mode_t>(022));
    EXPECT_NE(std::filesystem::current_path(), "/proc");
}

TEST_F(ChildMain, ExecutesTheProgram) {
    add(Op::ResetSignals);
    add_exec({CT_TEST_INIT}, {"test_init", "exit", "7"});
    run();
    EXPECT_EQ(exit_code(), 7);
    EXPECT_EQ(handshake.step, 1U);
    EXPECT_EQ(handshake.error, 0);
    EXPECT_EQ(handshake.word, Handshake::Gone) << "exec was not noticed";
}

TEST_F(ChildMain, ProgramStartsWithDefaultSignals) {
    const auto previous = std::signal(SIGUSR1, SIG_IGN);
    add(Op::ResetSignals);
    add_exec({CT_TEST_INIT}, {"test_init", "raise", std::to_string(SIGUSR1)});
    run();
    (void)std::signal(SIGUSR1, previous);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1) << status;
}

TEST_F(ChildMain, DoesNotOutliveAHostThatHasEnded) {
    const auto pidfd_of = [](pid_t pid) { return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); };
    const UniqueFd alive = pidfd_of(::getpid());
    handshake.host_pidfd = alive.get();
    add(Op::DieWithParent);
    run();
    EXPECT_EQ(handshake.error, 0);

    const pid_t host = ::fork();
    if (host == 0) ::_exit(0);
    const UniqueFd ended = pidfd_of(host);
    ASSERT_EQ(::waitpid(host, nullptr, 0), host);
    handshake.host_pidfd = ended.get();
    handshake.word = Handshake::Unborn;
    run();
    EXPECT_EQ(handshake.error, ESRCH);
}

/// Files that cannot be executed, each for a reason of its own.
struct ChildExec : ChildMain {
    std::filesystem::path dir;

    void SetUp() override {
        ChildMain::SetUp();
        std::string name = std::filesystem::temp_directory_path() / "libct-unit-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        dir = name;
    }
    void TearDown() override { std::filesystem::remove_all(dir); }

    [[nodiscard]] std::string file(const char* name, const char* text, mode_t mode) const {
        const std::string path = dir / name;
        std::ofstream(path) << text;
        EXPECT_EQ(::chmod(path.c_str(), mode), 0);
        return path;
    }
    [[nodiscard]] std::string missing() const { return dir / "missing"; }

    void expect_failure(const std::vector<std::string>& candidates, std::uint32_t candidate, int error,
                        Handshake::ExecDetail detail) {
        add_exec(candidates, {"program"});
        run();
        EXPECT_EQ(handshake.candidate, candidate);
        EXPECT_EQ(handshake.error, error);
        EXPECT_EQ(handshake.detail, detail);
        EXPECT_EQ(exit_code(), 127);
    }
};

TEST_F(ChildExec, MissingFileHasNoDetail) {
    expect_failure({missing()}, 0, ENOENT, Handshake::NoDetail);
}

TEST_F(ChildExec, MissingInterpreterIsToldFromAMissingFile) {
    expect_failure({file("script", "#!/nowhere/sh\n", 0755)}, 0, ENOENT, Handshake::MissingInterpreter);
}

TEST_F(ChildExec, DirectoryIsTold) {
    expect_failure({dir}, 0, EACCES, Handshake::IsDirectory);
}

TEST_F(ChildExec, FileWithoutPermissionIsTold) {
    expect_failure({file("plain", "", 0644)}, 0, EACCES, Handshake::NotExecutable);
}

TEST_F(ChildExec, NoProgramIsTold) {
    expect_failure({file("empty", "", 0755)}, 0, ENOEXEC, Handshake::NoDetail);
}

TEST_F(ChildExec, LooksOnAfterWhatCannotBeExecuted) {
    add_exec({missing(), file("plain", "", 0644), missing() + "/below", CT_TEST_INIT}, {"test_init", "exit", "7"});
    run();
    EXPECT_EQ(exit_code(), 7);
    EXPECT_EQ(handshake.error, 0);
}

TEST_F(ChildExec, RemembersWhatCouldNotBeExecuted) {
    expect_failure({missing(), file("plain", "", 0644), missing()}, 1, EACCES, Handshake::NotExecutable);
}

TEST_F(ChildExec, StopsAtWhatIsNoProgram) {
    expect_failure({file("empty", "", 0755), CT_TEST_INIT}, 0, ENOEXEC, Handshake::NoDetail);
}

TEST_F(ChildExec, StopsAtAMissingInterpreter) {
    expect_failure({file("script", "#!/nowhere/sh\n", 0755), CT_TEST_INIT}, 0, ENOENT, Handshake::MissingInterpreter);
}

TEST_F(ChildExec, FileInPlaceOfADirectoryIsPassedOver) {
    const std::string below = file("plain", "", 0644) + "/program";
    expect_failure({missing(), below}, 0, ENOENT, Handshake::NoDetail);
}

TEST_F(ChildMain, PerformedStepsLeaveNoError) {
    add(Op::MapFds, FdMapArgs{nullptr, 0, nullptr, 0});
    add(Op::MapFds, FdMapArgs{nullptr, 0, nullptr, 0});
    EXPECT_TRUE(child::perform_steps(plan.steps.list(), handshake));
    EXPECT_EQ(handshake.step, 1U);
    EXPECT_EQ(handshake.error, 0);
    const FdMove move{-1, 5};
    add(Op::MapFds, FdMapArgs{&move, 1, nullptr, 0});
    EXPECT_FALSE(child::perform_steps(plan.steps.list(), handshake));
    EXPECT_EQ(handshake.step, 2U);
    EXPECT_EQ(handshake.error, EBADF);
}

TEST_F(ChildMain, AnnouncementChangesTheWordAndKeepsItsOwner) {
    handshake.word = 1234U | FUTEX_WAITERS;
    child::announce(handshake, Handshake::Awaiting);
    EXPECT_EQ(handshake.phase, Handshake::Awaiting);
    EXPECT_EQ(handshake.word, 1234U | FUTEX_WAITERS | FUTEX_OWNER_DIED);
    child::announce(handshake, Handshake::Ready);
    EXPECT_EQ(handshake.phase, Handshake::Ready);
    EXPECT_EQ(handshake.word, 1234U | FUTEX_WAITERS);
}

TEST_F(ChildMain, GivingUpIsTheEnd) {
    child::give_up(handshake);
    EXPECT_EQ(handshake.word, Handshake::Gone);
}

} // namespace
} // namespace ct::internal
