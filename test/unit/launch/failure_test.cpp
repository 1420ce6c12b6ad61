// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/failure.hpp"

#include <linux/sched.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/concat.hpp"

namespace ct::internal {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

/// What a child leaves behind when its only step fails.
struct StepError : ::testing::Test {
    Plan plan;
    Handshake handshake{};

    Error error(int number) {
        handshake.error = number;
        return step_error(plan, handshake);
    }
    void add(Op op, const StepInfo& info) { plan.steps.add(op, info); }
    void add_mount(const char* type, bool recursive = false, bool is_file = false) {
        MountArgs args{};
        args.type = type;
        args.recursive = recursive;
        args.target_is_file = is_file;
        plan.steps.add(Op::Mount, args, {Stage::Mounts, "mount it on", "/a"});
    }
    void add_exec(std::vector<std::string> candidates) {
        plan.exec_candidates = std::move(candidates);
        add(Op::Exec, {Stage::Exec, "exec", "tool"});
    }
};

TEST_F(StepError, NamesActionPathAndReason) {
    add(Op::ResetSignals, {Stage::Launch, "reset signals"});
    add(Op::PivotRoot, {Stage::Root, "pivot_root to", "/srv"});
    handshake.step = 1;
    const Error failed = error(EINVAL);
    EXPECT_STREQ(failed.what(), "pivot_root to '/srv': Invalid argument");
    EXPECT_EQ(failed.stage(), Stage::Root);
    EXPECT_EQ(failed.path(), "/srv");
    EXPECT_EQ(failed.code(), std::error_code(EINVAL, std::system_category()));
}

TEST_F(StepError, NamesTheDirectoryOfAnOverlay) {
    const char* const lower[] = {"/one", "/two"};
    OverlayArgs args{};
    args.place = {"/srv", "/"};
    args.lower = lower;
    args.lower_count = 2;
    args.upper = "/upper";
    args.work = "/work";
    plan.steps.add(Op::AttachOverlay, args, {Stage::Root, "mount the overlay on", "/srv"});
    EXPECT_STREQ(error(ENODEV).what(),
                 "mount the overlay on '/srv': No such device; this kernel has no file system 'overlay'");
    const char* const sentences[] = {
        "open the lower directory of the overlay '/one'", "open the lower directory of the overlay '/two'",
        "open the upper directory of the overlay '/upper'", "open the work directory of the overlay '/work'",
        "for the overlay open '/proc/self/fd'"};
    for (const char* const expected : sentences) {
        ++handshake.candidate;
        EXPECT_THAT(error(ENOENT).what(), StartsWith(concat(expected, ": No such file or directory")));
    }
    EXPECT_THAT(error(ENOENT).hint(), HasSubstr("/proc"));
    handshake.candidate = 0;
    std::snprintf(handshake.message, sizeof handshake.message, "overlay: no");
    EXPECT_EQ(error(EINVAL).hint(), "the file system says: overlay: no");
}

TEST_F(StepError, CountsTheHelpersStepsWhereItFailed) {
    plan.joins.add(Op::JoinNamespace, {Stage::Namespaces, "join net namespace", "/run/ns"});
    add(Op::ResetSignals, {Stage::Launch, "reset signals"});
    EXPECT_STREQ(error(EBADF).what(), "reset signals: Bad file descriptor");
    handshake.steps_of = Handshake::OfHelper;
    EXPECT_STREQ(error(ENOENT).what(), "join net namespace '/run/ns': No such file or directory");
    EXPECT_THAT(error(EINVAL).hint(), HasSubstr("the host's own user namespace"));
    EXPECT_THAT(error(EPERM).hint(), HasSubstr("CAP_SYS_ADMIN in the user namespace that owns it"));
    handshake.step = 1; // past the joins: the clone itself
    EXPECT_STREQ(error(EMFILE).what(), "make a process: Too many open files");
}

TEST_F(StepError, WritesToProcAreExplained) {
    const ProcWriteArgs sysctl{5, "sys/net/ipv4/ip_forward", "2", 1};
    plan.steps.add(Op::WriteProc, sysctl, {Stage::Sysctls, "write \"2\" to the sysctl", "net.ipv4.ip_forward"});
    EXPECT_STREQ(error(EINVAL).what(), "write \"2\" to the sysctl 'net.ipv4.ip_forward': Invalid argument; the kernel "
                                       "does not take that value");
    EXPECT_THAT(error(ENOENT).hint(), HasSubstr("no such sysctl"));
    EXPECT_THAT(error(EACCES).hint(), HasSubstr("cannot be changed"));
    const ProcWriteArgs offsets{5, "self/timens_offsets", "", 0};
    plan.steps.add(Op::WriteProc, offsets, {Stage::Namespaces, "set the clock offsets of the time namespace"});
    ++handshake.step;
    EXPECT_THAT(error(ERANGE).hint(), HasSubstr("146 years"));
}

TEST_F(StepError, MountsAreExplained) {
    add_mount("tmpfs");
    EXPECT_EQ(error(ENOSPC).hint(), "there are too many mounts, see /proc/sys/fs/mount-max");
    EXPECT_EQ(error(ENODEV).hint(), "this kernel has no file system 'tmpfs'");
    EXPECT_THAT(error(ELOOP).hint(), HasSubstr("symbolic link"));
    EXPECT_THAT(error(EROFS).hint(), HasSubstr("cannot be created on a read-only file system"));
    EXPECT_THAT(error(ENOTDIR).hint(), HasSubstr("not a directory"));
    EXPECT_EQ(error(EPERM).hint(), "");
}

TEST_F(StepError, FileSystemHasTheFirstWord) {
    add_mount("tmpfs");
    std::snprintf(handshake.message, sizeof handshake.message, "tmpfs: Unknown parameter 'x'");
    EXPECT_EQ(error(EINVAL).hint(), "the file system says: tmpfs: Unknown parameter 'x'");
}

TEST_F(StepError, ProcInAUserNamespaceIsExplained) {
    add_mount("proc");
    EXPECT_THAT(error(EPERM).hint(), HasSubstr("needs a new pid namespace"));
}

TEST_F(StepError, BindInAUserNamespaceIsExplained) {
    add_mount(nullptr);
    EXPECT_THAT(error(EINVAL).hint(), HasSubstr("recursive"));
}

TEST_F(StepError, RecursiveBindNeedsNoSuchExplanation) {
    add_mount(nullptr, true);
    EXPECT_EQ(error(EINVAL).hint(), "");
}

TEST_F(StepError, BindOfAFileOnADirectoryIsNotMisexplained) {
    add_mount(nullptr, false, true);
    EXPECT_EQ(error(ENOTDIR).hint(), "");
}

TEST_F(StepError, ExecNamesTheFileThatWasFound) {
    add_exec({"/a/tool", "/b/tool"});
    handshake.candidate = 1;
    handshake.detail = Handshake::NotExecutable;
    const Error failed = error(EACCES);
    EXPECT_EQ(failed.path(), "/b/tool");
    EXPECT_THAT(failed.what(), StartsWith("exec '/b/tool': Permission denied; "));
    EXPECT_EQ(failed.hint(), "the file is there, but may not be executed");
    handshake.detail = Handshake::IsDirectory;
    EXPECT_EQ(error(EACCES).hint(), "it is a directory");
    handshake.detail = Handshake::MissingInterpreter;
    EXPECT_THAT(error(ENOENT).hint(), HasSubstr("interpreter"));
}

TEST_F(StepError, ExecThatFoundNothingNamesTheProgram) {
    add_exec({"/a/tool", "/b/tool"});
    const Error failed = error(ENOENT);
    EXPECT_STREQ(failed.what(), "exec 'tool': No such file or directory; looked in 2 directories of PATH");
}

TEST_F(StepError, ExecOfAPathDidNotSearch) {
    add_exec({"/a/tool"});
    EXPECT_EQ(error(ENOENT).hint(), "");
    EXPECT_THAT(error(ENOEXEC).hint(), HasSubstr("neither a program"));
}

TEST_F(StepError, PrivilegesAreExplained) {
    const std::vector<std::tuple<Op, int, const char*>> cases{{Op::SetCredentials, EINVAL, "not mapped"},
                                                              {Op::BecomeRoot, EINVAL, "not mapped"},
                                                              {Op::ResourceLimit, EPERM, "CAP_SYS_RESOURCE"},
                                                              {Op::DropBoundingSet, EPERM, "CAP_SETPCAP"},
                                                              {Op::SetCapabilities, EPERM, "CAP_SETPCAP"},
                                                              {Op::RaiseAmbient, EPERM, "CAP_SETPCAP"},
                                                              {Op::MakeNode, EPERM, "CAP_MKNOD"},
                                                              {Op::MakeNode, EEXIST, "another file of that name"}};
    for (const auto& [op, number, part] : cases) {
        add(op, {Stage::Credentials, "step"});
        EXPECT_THAT(error(number).hint(), HasSubstr(part));
        EXPECT_EQ(error(EIO).hint(), "");
        ++handshake.step;
    }
}

TEST(CloneError, NamesTheNamespaces) {
    Plan plan;
    plan.new_namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWTIME;
    const Error error = clone_error(EPERM, plan);
    EXPECT_STREQ(error.what(), "make a process with new namespaces (mnt, pid, time): Operation not permitted; "
                               "needs CAP_SYS_ADMIN, or a new user namespace as well");
    EXPECT_EQ(error.stage(), Stage::Namespaces);
    plan.new_namespaces |= CLONE_NEWUSER;
    EXPECT_EQ(clone_error(EPERM, plan).hint(), "user namespaces are not allowed here");
    EXPECT_THAT(clone_error(ENOSPC, plan).hint(), HasSubstr("/proc/sys/user"));
    EXPECT_THAT(clone_error(EINVAL, plan).hint(), HasSubstr("lacks one of the namespaces"));
}

TEST(CloneError, WithoutNamespacesIsAboutTheProcess) {
    const Error error = clone_error(EAGAIN, Plan());
    EXPECT_THAT(error.what(), StartsWith("make a process: Resource temporarily unavailable; "));
    EXPECT_EQ(error.stage(), Stage::Launch);
    EXPECT_THAT(error.hint(), HasSubstr("number of processes"));
}

TEST(DeathError, TellsHowAndWhere) {
    Plan plan;
    plan.steps.add(Op::Mount, {Stage::Mounts, "mount tmpfs on", "/run"});
    Handshake handshake{};
    const ExitStatus killed{ExitStatus::Kind::Signaled, SIGKILL, false};
    const Error error = death_error(plan, handshake, killed);
    EXPECT_EQ(error.code(), Errc::ChildDied);
    EXPECT_EQ(error.stage(), Stage::Launch);
    EXPECT_STREQ(error.what(), "set up the process, which was killed by signal 9 (SIGKILL) in the step "
                               "'mount tmpfs on /run': the new process died during its set-up");
    handshake.step = 1;
    EXPECT_THAT(death_error(plan, handshake, killed).what(), HasSubstr("before its first step"));
}

TEST(CloneError, TellsThatAJoinedPidNamespaceHasEnded) {
    Plan plan;
    EXPECT_EQ(clone_error(ENOMEM, plan).code(), std::errc::not_enough_memory);
    plan.joins.add(Op::JoinNamespace, JoinArgs{3, CLONE_NEWPID}, {Stage::Enter, "join"});
    const Error error = clone_error(ENOMEM, plan);
    EXPECT_EQ(error.code(), std::errc::no_such_process);
    EXPECT_THAT(error.what(), HasSubstr("has ended"));
}

} // namespace
} // namespace ct::internal
