// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <array>
#include <thread>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class ProcessAttributes : public ContainerTest {
protected:
    std::string output(ProcessSpec spec) {
        Container container = isolated();
        const Finished finished = run(container, std::move(spec));
        EXPECT_TRUE(succeeded(finished));
        return finished.out;
    }

    std::string status(ProcessSpec spec) {
        spec.argv = {InitPath, "status"};
        return output(std::move(spec));
    }
};

/// Changes a variable of the environment for the time of a test.
class Variable {
public:
    Variable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
    ~Variable() { ::unsetenv(name_); }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;

private:
    const char* name_;
};

TEST_F(ProcessAttributes, ArgumentsArriveAsTheyAre) {
    EXPECT_EQ(output(program({"args", "", "two words", "-x", "ünïcödé"})),
              std::string{InitPath} + "\nargs\n\ntwo words\n-x\nünïcödé\n");
}

TEST_F(ProcessAttributes, ManyArgumentsArrive) {
    std::vector<std::string> args{"args"};
    for (int i = 0; i < 20000; ++i) args.push_back("argument number " + std::to_string(i));
    const std::string out = output(program(args));
    EXPECT_EQ(lines(out).size(), args.size() + 1);
    EXPECT_EQ(lines(out).back(), args.back());
}

TEST_F(ProcessAttributes, ExecutableMayDifferFromArgv0) {
    EXPECT_EQ(output({.argv = {"my-name", "args", "x"}, .executable = InitPath}), "my-name\nargs\nx\n");
}

TEST_F(ProcessAttributes, EnvironmentIsInherited) {
    const Variable variable{"CT_TEST_VARIABLE", "inherited value"};
    const std::string out = output(program({"env"}));
    EXPECT_TRUE(contains(out, "CT_TEST_VARIABLE=inherited value\n"));
    std::string expected;
    for (char** entry = environ; *entry != nullptr; ++entry) expected += std::string{*entry} + "\n";
    std::vector<std::string> inside = lines(out);
    std::vector<std::string> outside = lines(expected);
    std::sort(inside.begin(), inside.end());
    std::sort(outside.begin(), outside.end());
    EXPECT_EQ(inside, outside);
}

TEST_F(ProcessAttributes, EnvironmentIsReplaced) {
    ProcessSpec spec = program({"env"});
    spec.environment = std::vector<std::string>{"A=1", "B=", "A_LONGER=x=y"};
    EXPECT_EQ(output(spec), "A=1\nB=\nA_LONGER=x=y\n");
    spec.environment = std::vector<std::string>{};
    EXPECT_EQ(output(spec), "");
}

TEST_F(ProcessAttributes, EnvironmentIsAddedToAndOverridden) {
    const Variable variable{"CT_TEST_VARIABLE", "old"};
    ProcessSpec spec = program({"env"});
    spec.add_environment = {{"CT_TEST_VARIABLE", "new"}, {"CT_TEST_OTHER", "more"}};
    const std::string out = output(spec);
    EXPECT_TRUE(contains(out, "CT_TEST_VARIABLE=new\n"));
    EXPECT_TRUE(contains(out, "CT_TEST_OTHER=more\n"));
    EXPECT_FALSE(contains(out, "CT_TEST_VARIABLE=old"));
    EXPECT_TRUE(contains(out, "PATH="));
    spec.environment = std::vector<std::string>{"A=1", "CT_TEST_OTHER=less"};
    spec.add_environment = {{"CT_TEST_OTHER", "more"}};
    EXPECT_EQ(output(spec), "A=1\nCT_TEST_OTHER=more\n");
}

TEST_F(ProcessAttributes, PathIsSearchedInsideTheContainer) {
    ProcessSpec spec{.argv = {"test_init", "args"}};
    spec.environment = std::vector<std::string>{"PATH=/nowhere:/bin:/usr/bin"};
    EXPECT_EQ(output(spec), "test_init\nargs\n");
    // The image's program, not one of the host's.
    fs::create_directories(image() / "opt/tools");
    fs::copy_file(image() / "bin/test_init", image() / "opt/tools/only-inside");
    spec.argv = {"only-inside", "args"};
    spec.environment = std::vector<std::string>{"PATH=/bin:/opt/tools"};
    EXPECT_EQ(output(spec), "only-inside\nargs\n");
}

TEST_F(ProcessAttributes, PathComesFromTheProcessesOwnEnvironment) {
    Container container = isolated();
    ProcessSpec spec{.argv = {"test_init", "args"}};
    spec.add_environment = {{"PATH", "/nowhere"}};
    EXPECT_TRUE(fails([&] { container.start(spec); }, std::errc::no_such_file_or_directory,
                      {"container 'box': ", "test_init"}));
}

TEST_F(ProcessAttributes, PathSearchGoesOnAfterWhatCannotBeExecuted) {
    make_file("image/a/test_init", "text");
    fs::create_directories(image() / "b/test_init");
    ProcessSpec spec{.argv = {"test_init", "args"}};
    spec.environment = std::vector<std::string>{"PATH=/a:/b:/bin"};
    EXPECT_EQ(output(spec), "test_init\nargs\n");
}

TEST_F(ProcessAttributes, WithoutPathTheDefaultOneIsSearched) {
    ProcessSpec spec{.argv = {"test_init", "args"}};
    spec.environment = std::vector<std::string>{};
    EXPECT_EQ(output(spec), "test_init\nargs\n");
}

TEST_F(ProcessAttributes, WorkingDirectoryIsTheRootByDefault) {
    EXPECT_TRUE(contains(status({}), "cwd /\n"));
}

TEST_F(ProcessAttributes, WorkingDirectoryIsTheHostsWithoutARoot) {
    Container container = plain();
    EXPECT_TRUE(contains(run(container, host_program({"status"})).out, "cwd " + fs::current_path().string() + "\n"));
}

TEST_F(ProcessAttributes, WorkingDirectoryIsSet) {
    make_dir("image/srv/data");
    EXPECT_TRUE(contains(status({.working_directory = "/srv/data"}), "cwd /srv/data\n"));
}

TEST_F(ProcessAttributes, WorkingDirectoryThatIsMissingIsReported) {
    Container container = isolated();
    ProcessSpec spec = program({"exit", "0"});
    spec.working_directory = "/missing";
    EXPECT_TRUE(fails([&] { container.start(spec); }, std::errc::no_such_file_or_directory,
                      {"container 'box': ", "'/missing': No such file or directory"}));
}

TEST_F(ProcessAttributes, WorkingDirectoryIsEnteredAsTheUser) {
    make_dir("image/secret");
    fs::permissions(image() / "secret", fs::perms{0700});
    Container container = isolated();
    ProcessSpec spec = program({"exit", "0"});
    spec.working_directory = "/secret";
    EXPECT_TRUE(succeeded(run(container, spec)));
    spec.user = User{1000, 1000};
    EXPECT_TRUE(
        fails([&] { container.start(spec); }, std::errc::permission_denied, {"container 'box': ", "'/secret'"}));
}

TEST_F(ProcessAttributes, UserAndGroupsAreExactlyThese) {
    ProcessSpec spec = program({"ids"});
    spec.user = User{1000, 1001, {7, 5, 12}};
    EXPECT_EQ(output(spec), "uid 1000 1000 1000\ngid 1001 1001 1001\ngroups 5 7 12\n");
    spec.user = User{65534, 65534};
    EXPECT_EQ(output(spec), "uid 65534 65534 65534\ngid 65534 65534 65534\ngroups\n");
}

TEST_F(ProcessAttributes, UmaskIsSet) {
    EXPECT_TRUE(contains(status({.umask = 027}), "umask 27\n"));
    EXPECT_TRUE(contains(status({.umask = 0}), "umask 0\n"));
}

TEST_F(ProcessAttributes, UmaskIsTheHostsByDefault) {
    const mode_t before = ::umask(0137);
    const std::string out = status({});
    ::umask(before);
    EXPECT_TRUE(contains(out, "umask 137\n"));
}

TEST_F(ProcessAttributes, NoNewPrivilegesIsSetOnRequest) {
    EXPECT_TRUE(contains(status({}), "no_new_privs 0\n"));
    EXPECT_TRUE(contains(status({.no_new_privileges = true}), "no_new_privs 1\n"));
}

TEST_F(ProcessAttributes, NoNewPrivilegesDisarmsSetuidPrograms) {
    fs::permissions(image() / "bin/test_init", fs::perms{04755});
    ProcessSpec spec = program({"ids"});
    spec.user = User{1000, 1000};
    EXPECT_EQ(lines(output(spec)).at(0), "uid 1000 0 0");
    spec.no_new_privileges = true;
    EXPECT_EQ(lines(output(spec)).at(0), "uid 1000 1000 1000");
}

TEST_F(ProcessAttributes, LimitsAreSet) {
    ProcessSpec spec = program({"limits"});
    spec.limits = {{RLIMIT_NOFILE, 100, 200}, {RLIMIT_CORE, 0, 0}, {RLIMIT_STACK, 1 << 20, ResourceLimit::Unlimited}};
    const std::string out = "\n" + output(spec);
    EXPECT_TRUE(contains(out, "\n" + std::to_string(RLIMIT_NOFILE) + " 100 200\n"));
    EXPECT_TRUE(contains(out, "\n" + std::to_string(RLIMIT_CORE) + " 0 0\n"));
    EXPECT_TRUE(contains(out, "\n" + std::to_string(RLIMIT_STACK) + " 1048576 -1\n"));
}

TEST_F(ProcessAttributes, LowLimitsDoNotHinderTheStart) {
    ProcessSpec spec = program({"exit", "0"});
    spec.limits = {{RLIMIT_NOFILE, 3, 3}, {RLIMIT_FSIZE, 0, 0}};
    Container container = isolated().add_default_mounts();
    EXPECT_TRUE(succeeded(run(container, spec)));
}

TEST_F(ProcessAttributes, RaisingALimitNeedsPrivilege) {
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = session.create("box");
        ProcessSpec spec = host_program({"exit", "0"});
        struct rlimit limit {};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        spec.limits = {{RLIMIT_NOFILE, limit.rlim_cur, limit.rlim_max + 1}};
        EXPECT_TRUE(fails([&] { container.start(spec); }, std::errc::operation_not_permitted,
                          {"container 'box': ", "Operation not permitted"}));
    }));
}

TEST_F(ProcessAttributes, NewSessionMakesASessionLeader) {
    EXPECT_TRUE(contains(status({.new_session = true}), "pid 1\nppid 0\npgid 1\nsid 1\n"));
    Container container = plain();
    ProcessSpec spec = host_program({"status"});
    const std::string out = run(container, spec).out;
    EXPECT_TRUE(contains(out, "sid " + std::to_string(::getsid(0)) + "\n"));
    EXPECT_TRUE(contains(out, "pgid " + std::to_string(::getpgrp()) + "\n"));
}

TEST_F(ProcessAttributes, SignalsAreAtTheirDefaults) {
    sigset_t block;
    sigset_t before;
    ::sigemptyset(&block);
    ::sigaddset(&block, SIGUSR1);
    ::sigaddset(&block, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &block, &before);
    const auto pipe_handler = ::signal(SIGPIPE, SIG_IGN);
    const auto hangup_handler = ::signal(SIGHUP, SIG_IGN);
    const std::string out = status({});
    ::signal(SIGPIPE, pipe_handler);
    ::signal(SIGHUP, hangup_handler);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    EXPECT_TRUE(contains(out, "blocked\nignored\n"));
}

TEST_F(ProcessAttributes, ProcessIsDumpableUnlessTheKernelSaysOtherwise) {
    EXPECT_TRUE(contains(status({}), "dumpable 1\n"));
}

TEST_F(ProcessAttributes, ParentDeathSignalIsSet) {
    EXPECT_TRUE(contains(status({}), "pdeathsig 0\n"));
    EXPECT_TRUE(contains(status({.parent_death_signal = SIGTERM}), "pdeathsig 15\n"));
    ProcessSpec other_user{.user = User{1000, 1000}, .parent_death_signal = SIGUSR1};
    EXPECT_TRUE(contains(status(other_user), "pdeathsig 10\n"));
    ProcessSpec capable{.capabilities = std::vector<std::string>{"CHOWN"}, .parent_death_signal = SIGUSR1};
    EXPECT_TRUE(contains(status(capable), "pdeathsig 10\n"));
}

TEST_F(ProcessAttributes, ParentDeathSignalArrivesWhenTheStartingThreadEnds) {
    Container container = plain();
    std::optional<Process> process;
    std::thread{[&] {
        ProcessSpec spec = host_program({"pause"});
        spec.parent_death_signal = SIGTERM;
        process = start_ready(container, spec);
    }}.join();
    const std::optional<ExitStatus> status = process->wait_for(Patience);
    ASSERT_TRUE(status.has_value());
    EXPECT_TRUE(signaled(*status, SIGTERM));
    container.wait();
}

TEST_F(ProcessAttributes, ProcessOutlivesTheStartingThreadOtherwise) {
    Container container = plain();
    std::optional<Process> process;
    std::thread{[&] { process = start_ready(container, host_program({"trap", "10", "3"})); }}.join();
    process->signal(SIGUSR1);
    EXPECT_TRUE(exited(container.wait(), 3));
}

TEST_F(ProcessAttributes, ExitCodeArrives) {
    Container container = isolated();
    for (const int code : {0, 1, 126, 255}) {
        const ExitStatus status = run(container, program({"exit", std::to_string(code)})).status;
        EXPECT_TRUE(exited(status, code));
        EXPECT_EQ(status.shell_code(), code);
        EXPECT_EQ(status.describe(), "exited with code " + std::to_string(code));
    }
}

TEST_F(ProcessAttributes, FatalSignalArrives) {
    Container container = plain();
    ProcessSpec spec = host_program({"raise", "6"});
    spec.limits = {{RLIMIT_CORE, 0, 0}};
    const ExitStatus status = run(container, spec).status;
    EXPECT_TRUE(signaled(status, SIGABRT));
    EXPECT_EQ(status.shell_code(), 134);
    EXPECT_EQ(status.describe(), "was killed by signal 6 (SIGABRT)");
    EXPECT_FALSE(status.core_dumped);
}

} // namespace
} // namespace ct::test
