// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

using Comparison = SeccompCondition::Comparison;

class SeccompFilter : public ContainerTest {
protected:
    static ProcessSpec filtered(std::vector<std::string> args, Seccomp seccomp) {
        ProcessSpec spec = program(std::move(args));
        spec.no_new_privileges = true;
        spec.seccomp = std::move(seccomp);
        return spec;
    }

    static ProcessSpec call(long number, std::vector<std::string> arguments, Seccomp seccomp) {
        arguments.insert(arguments.begin(), {"call", std::to_string(number)});
        return filtered(std::move(arguments), std::move(seccomp));
    }

    static Seccomp denying(std::vector<std::string> names, SeccompAction action = SeccompAction::fail(EXDEV),
                           std::vector<SeccompCondition> conditions = {}) {
        Seccomp seccomp;
        seccomp.rules.push_back({std::move(names), action, std::move(conditions)});
        return seccomp;
    }
};

TEST_F(SeccompFilter, WithoutRulesLetsEverythingPass) {
    Container box = isolated();
    EXPECT_TRUE(succeeded(run(box, filtered({"mkdir", "/made"}, {}))));
}

TEST_F(SeccompFilter, GivesTheErrnoOfTheRule) {
    Container box = isolated();
    const Finished finished = run(box, filtered({"mkdir", "/made"}, denying({"mkdir", "mkdirat"})));
    EXPECT_TRUE(exited(finished.status, 1));
    EXPECT_TRUE(contains(finished.err, "EXDEV"));
    EXPECT_FALSE(std::filesystem::exists(image() / "made"));
}

TEST_F(SeccompFilter, KillsTrapsAndLogs) {
    Container box = isolated();
    EXPECT_TRUE(signaled(
        run(box, filtered({"mkdir", "/made"}, denying({"mkdir"}, SeccompAction::kill_process()))).status, SIGSYS));
    EXPECT_TRUE(signaled(
        run(box, filtered({"mkdir", "/made"}, denying({"mkdir"}, SeccompAction::kill_thread()))).status, SIGSYS));
    EXPECT_TRUE(
        signaled(run(box, filtered({"mkdir", "/made"}, denying({"mkdir"}, SeccompAction::trap()))).status, SIGSYS));
    EXPECT_FALSE(std::filesystem::exists(image() / "made"));
    EXPECT_TRUE(succeeded(run(box, filtered({"mkdir", "/made"}, denying({"mkdir"}, SeccompAction::log())))));
}

TEST_F(SeccompFilter, LooksAtArguments) {
    Container box = isolated();
    // getpid(2) takes no argument, and so does not mind any.
    const auto outcome = [&](SeccompCondition condition, std::uint64_t value) {
        condition.argument = 2;
        const Seccomp seccomp = denying({"getpid"}, SeccompAction::fail(EXDEV), {condition});
        const Finished finished = run(box, call(SYS_getpid, {"0", "0", std::to_string(value)}, seccomp));
        return finished.err.find("EXDEV") != std::string::npos;
    };
    EXPECT_TRUE(outcome({.comparison = Comparison::Equal, .value = 7}, 7));
    EXPECT_FALSE(outcome({.comparison = Comparison::Equal, .value = 7}, 8));
    EXPECT_TRUE(outcome({.comparison = Comparison::NotEqual, .value = 7}, 8));
    EXPECT_FALSE(outcome({.comparison = Comparison::NotEqual, .value = 7}, 7));
    EXPECT_TRUE(outcome({.comparison = Comparison::Less, .value = 7}, 6));
    EXPECT_FALSE(outcome({.comparison = Comparison::Less, .value = 7}, 7));
    EXPECT_TRUE(outcome({.comparison = Comparison::LessOrEqual, .value = 7}, 7));
    EXPECT_FALSE(outcome({.comparison = Comparison::LessOrEqual, .value = 7}, 8));
    EXPECT_TRUE(outcome({.comparison = Comparison::Greater, .value = 1ULL << 32}, (1ULL << 32) + 1));
    EXPECT_FALSE(outcome({.comparison = Comparison::Greater, .value = 1ULL << 32}, 1ULL << 32));
    EXPECT_TRUE(outcome({.comparison = Comparison::GreaterOrEqual, .value = 1ULL << 32}, 1ULL << 32));
    EXPECT_FALSE(outcome({.comparison = Comparison::GreaterOrEqual, .value = 1ULL << 32}, 7));
    EXPECT_TRUE(outcome({.comparison = Comparison::MaskedEqual, .value = 4, .mask = 6}, 13));
    EXPECT_FALSE(outcome({.comparison = Comparison::MaskedEqual, .value = 4, .mask = 6}, 7));
}

TEST_F(SeccompFilter, FirstMatchingRuleDecides) {
    Container box = isolated();
    Seccomp seccomp = denying({"mkdir"}, SeccompAction::fail(EXDEV), {{.argument = 1, .value = 0700}});
    seccomp.rules.push_back({{"mkdir"}, SeccompAction::allow(), {{.argument = 1, .value = 0711}}});
    seccomp.rules.push_back({{"mkdir"}, SeccompAction::fail(EL2HLT)});
    seccomp.rules.push_back({{"mkdir"}, SeccompAction::kill_process()});
    EXPECT_TRUE(contains(run(box, call(SYS_mkdir, {"/made", "0700"}, seccomp)).err, "EXDEV"));
    EXPECT_TRUE(contains(run(box, call(SYS_mkdir, {"/made", "0777"}, seccomp)).err, "EL2HLT"));
    EXPECT_TRUE(succeeded(run(box, call(SYS_mkdir, {"/made", "0711"}, seccomp))));
}

TEST_F(SeccompFilter, OfAListOfTheAllowedIsEnough) {
    Container box = isolated();
    Seccomp seccomp;
    seccomp.default_action = SeccompAction::kill_process();
    seccomp.rules.push_back({{"execve", "exit_group", "exit", "brk", "mmap", "munmap", "mprotect", "arch_prctl",
                              "set_tid_address", "set_robust_list", "rseq", "prlimit64", "readlink", "readlinkat",
                              "getrandom", "newfstatat", "fstat", "write", "uname"},
                             SeccompAction::allow()});
    EXPECT_TRUE(exited(run(box, filtered({"exit", "7"}, seccomp)).status, 7));
    EXPECT_TRUE(signaled(run(box, filtered({"ls", "/"}, seccomp)).status, SIGSYS));
}

TEST_F(SeccompFilter, IsInstalledBeforeTheChangeOfUserWithoutNoNewPrivileges) {
    Container box = isolated();
    ProcessSpec spec = filtered({"status"}, denying({"mkdir"}));
    spec.no_new_privileges = false;
    spec.user = User{1000, 1000};
    spec.capabilities.emplace();
    const Finished finished = run(box, spec);
    EXPECT_TRUE(succeeded(finished));
    EXPECT_TRUE(contains(finished.out, "no_new_privs 0"));
    spec.argv = {InitPath, "call", std::to_string(SYS_mkdir), "/tmp", "0700"};
    EXPECT_TRUE(contains(run(box, spec).err, "EXDEV"));
}

TEST_F(SeccompFilter, ThatKillsTheSetUpIsRefused) {
    Container box = isolated();
    ProcessSpec spec = filtered({"exit", "0"}, denying({"setresuid"}, SeccompAction::kill_process()));
    spec.user = User{1000, 1000};
    EXPECT_TRUE(exited(run(box, spec).status, 0)); // it comes last
    spec.no_new_privileges = false;
    EXPECT_TRUE(fails([&] { box.start(spec); }, Errc::InvalidConfig, {"setresuid", "set no_new_privileges"}));
    spec.seccomp = denying({"setresuid"});
    EXPECT_TRUE(
        fails([&] { box.start(spec); }, std::errc::cross_device_link, {"change to user 1000", "seccomp filter"}));
}

TEST_F(SeccompFilter, ThatStopsExecOrExitIsRefused) {
    Container box = isolated();
    for (const SeccompAction action :
         {SeccompAction::kill_process(), SeccompAction::kill_thread(), SeccompAction::trap()}) {
        const ProcessSpec spec = filtered({"exit", "0"}, denying({"execve"}, action));
        EXPECT_TRUE(fails([&] { box.start(spec); }, Errc::InvalidConfig, {"must not kill, trap or notify execve"}));
    }
    for (const SeccompAction action : {SeccompAction::kill_process(), SeccompAction::fail(EPERM)}) {
        const ProcessSpec spec = filtered({"exit", "0"}, denying({"exit_group"}, action));
        EXPECT_TRUE(fails([&] { box.start(spec); }, Errc::InvalidConfig, {"has to allow exit_group"}));
    }
    const ProcessSpec spec = filtered({"exit", "0"}, denying({"execve"}, SeccompAction::fail(EPERM)));
    EXPECT_TRUE(fails([&] { box.start(spec); }, std::errc::operation_not_permitted, {"exec", "seccomp filter"}));
}

TEST_F(SeccompFilter, LethalOnlyForOtherArgumentsIsTaken) {
    Container box = isolated();
    const Seccomp seccomp = denying({"execve"}, SeccompAction::kill_process(), {{.argument = 1, .value = 1}});
    EXPECT_TRUE(exited(run(box, filtered({"exit", "4"}, seccomp)).status, 4));
}

TEST_F(SeccompFilter, IsKeptByProgramsThatItsProcessExecutes) {
    Container box = isolated();
    const Finished finished = run(box, filtered({"exec", InitPath, "mkdir", "/made"}, denying({"mkdir"})));
    EXPECT_TRUE(contains(finished.err, "EXDEV"));
}

TEST_F(SeccompFilter, OfAnEnteringProcessIsItsOwn) {
    Container box = isolated();
    ProcessSpec init = program({"pause"});
    start_ready(box, init);
    EXPECT_TRUE(contains(run_entered(box, filtered({"mkdir", "/a"}, denying({"mkdir"}))).err, "EXDEV"));
    EXPECT_TRUE(succeeded(run_entered(box, program({"mkdir", "/a"}))));
    box.kill();
    box.wait();
}

TEST_F(SeccompFilter, AppliesToACallable) {
    Container box = isolated();
    ProcessSpec spec;
    spec.no_new_privileges = true;
    const auto main = [] { return ::mkdir("/made", 0700) < 0 && errno == EXDEV ? 0 : 1; };
    spec.seccomp = denying({"mkdir"});
    EXPECT_TRUE(succeeded(run(box, spec, main)));
    // Not even the calls by which it would tell that it is ready are made.
    spec.seccomp->rules.push_back({{"futex", "set_tid_address"}, SeccompAction::kill_process()});
    EXPECT_TRUE(succeeded(run(box, spec, [] { return 0; })));
    spec.no_new_privileges = false;
    spec.user = User{1000, 1000};
    EXPECT_TRUE(fails([&] { box.start(spec, main); }, Errc::InvalidConfig, {"has to allow futex"}));
    spec.seccomp = denying({"mkdir"});
    EXPECT_TRUE(succeeded(run(box, spec, main)));
}

TEST_F(SeccompFilter, ReportsAMissingProgramAsEver) {
    Container box = isolated();
    ProcessSpec spec = filtered({}, Seccomp::standard());
    spec.argv = {"/bin/none"};
    EXPECT_TRUE(fails([&] { box.start(spec); }, std::errc::no_such_file_or_directory, {"exec '/bin/none'"}));
    spec.argv = {"none"};
    spec.add_environment["PATH"] = "/bin:/usr/bin";
    EXPECT_TRUE(fails([&] { box.start(spec); }, std::errc::no_such_file_or_directory, {"looked in 2 directories"}));
    make_file("image/bin/plain", "text");
    spec.argv = {"/bin/plain"};
    EXPECT_TRUE(fails([&] { box.start(spec); }, std::errc::permission_denied, {"may not be executed"}));
    spec.argv = {"/bin"};
    EXPECT_TRUE(fails([&] { box.start(spec); }, std::errc::permission_denied, {"it is a directory"}));
    std::filesystem::create_symlink("/proc/self/exe", image() / "bin/self");
    spec.argv = {"/bin/self"};
    box.add_default_mounts();
    EXPECT_TRUE(fails([&] { box.start(spec); }, std::errc::operation_not_permitted, {"program of the host process"}));
    spec.argv = {"test_init", "exit", "3"};
    EXPECT_TRUE(exited(run(box, spec).status, 3));
}

TEST_F(SeccompFilter, UnknownNamesAndBadConditionsAreNamed) {
    Container box = isolated();
    Seccomp seccomp = denying({"mkdri"});
    seccomp.rules.push_back({{"mkdir"}, SeccompAction::fail(0), {{.argument = 6}, {.argument = 0}, {.argument = 0}}});
    seccomp.architectures = {SeccompArchitecture::Arm, SeccompArchitecture::X86};
    EXPECT_TRUE(fails(
        [&] {
            box.start(filtered({"exit", "0"}, seccomp));
        },
        Errc::InvalidConfig,
        {"unknown system call 'mkdri'", "errno 0", "argument 6", "two conditions on argument 0", "does not run"}));
    const ProcessSpec notifying = filtered({"exit", "0"}, denying({"mkdir"}, SeccompAction::notify()));
    EXPECT_TRUE(fails([&] { box.start(notifying); }, Errc::InvalidConfig, {"needs a handler"}));
}

TEST_F(SeccompFilter, OfAnUnprivilegedHostNeedsNoNewPrivilegesOrAUserNamespace) {
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container box = session.create("box");
        ProcessSpec spec = host_program({"call", std::to_string(SYS_mkdir), "/tmp", "0700"});
        spec.seccomp = denying({"mkdir"});
        spec.no_new_privileges = true;
        EXPECT_TRUE(contains(run(box, spec).err, "EXDEV"));
        spec.no_new_privileges = false;
        EXPECT_TRUE(fails([&] { box.start(spec); }, std::errc::permission_denied,
                          {"install the seccomp filter", "no_new_privileges"}));
    }));
    CT_REQUIRE(Privilege::UserNamespaces);
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container box = session.create("box").add_namespace(Namespace::User).map_root_to_caller();
        ProcessSpec spec = host_program({"call", std::to_string(SYS_mkdir), "/tmp", "0700"});
        spec.seccomp = denying({"mkdir"});
        EXPECT_TRUE(contains(run(box, spec).err, "EXDEV"));
    }));
}

#ifdef __x86_64__
TEST_F(SeccompFilter, CallsOfOtherArchitecturesFailUnlessNamed) {
    constexpr long x32 = 0x40000000;
    const std::string x86_getpid = "20";
    Container box = isolated();
    EXPECT_TRUE(contains(run(box, call(SYS_getpid | x32, {}, {})).err, "ENOSYS"));
    Seccomp with_x32 = denying({"getpid"});
    with_x32.architectures = {SeccompArchitecture::X32};
    EXPECT_TRUE(contains(run(box, call(SYS_getpid | x32, {}, with_x32)).err, "EXDEV"));

    if (!run(box, program({"call-x86", x86_getpid})).status.success())
        GTEST_SKIP() << "this kernel has no 32-bit calls";
    EXPECT_TRUE(contains(run(box, filtered({"call-x86", x86_getpid}, {})).err, "ENOSYS"));

    Seccomp seccomp;
    seccomp.architectures = {SeccompArchitecture::X86};
    EXPECT_EQ(run(box, filtered({"call-x86", x86_getpid}, seccomp)).out, "1\n");
    seccomp.rules.push_back({{"getpid"}, SeccompAction::fail(EXDEV)});
    EXPECT_TRUE(contains(run(box, filtered({"call-x86", x86_getpid}, seccomp)).err, "EXDEV"));
    seccomp.foreign_action = SeccompAction::kill_process();
    EXPECT_TRUE(signaled(run(box, call(SYS_getpid | x32, {}, seccomp)).status, SIGSYS));
}
#endif

} // namespace
} // namespace ct::test
