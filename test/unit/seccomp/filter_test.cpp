// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "seccomp/filter.hpp"

#include <linux/audit.h>
#include <sys/syscall.h>

#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ct/error.hpp>

namespace ct::internal {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint32_t failing(int number) {
    return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(number);
}

std::uint32_t decision(const Filter& filter, long number, std::vector<std::uint64_t> arguments = {},
                       std::uint32_t architecture = native_architecture()) {
    seccomp_data call{};
    call.nr = static_cast<int>(number);
    call.arch = architecture;
    std::ranges::copy(arguments, call.args);
    return evaluate(filter.program, call);
}

std::vector<std::string> violations_of(const Seccomp& seccomp) {
    std::vector<std::string> found;
    check_seccomp(found, seccomp);
    return found;
}

TEST(SeccompFilterProgram, WithoutRulesStillRefusesForeignArchitectures) {
    const Filter filter = build_filter({});
    EXPECT_EQ(decision(filter, SYS_mkdirat), SECCOMP_RET_ALLOW);
    EXPECT_EQ(decision(filter, 1, {}, AUDIT_ARCH_PPC64), failing(ENOSYS));
#ifdef __x86_64__
    EXPECT_EQ(decision(filter, 1, {}, AUDIT_ARCH_I386), failing(ENOSYS));
    EXPECT_EQ(decision(filter, 0x40000001), failing(ENOSYS)); // x32
#endif
}

TEST(SeccompFilterProgram, TranslatesActions) {
    const std::pair<SeccompAction, std::uint32_t> cases[]{
        {SeccompAction::allow(), SECCOMP_RET_ALLOW},
        {SeccompAction::fail(EXDEV), failing(EXDEV)},
        {SeccompAction::kill_process(), SECCOMP_RET_KILL_PROCESS},
        {SeccompAction::kill_thread(), SECCOMP_RET_KILL_THREAD},
        {SeccompAction::trap(), SECCOMP_RET_TRAP},
        {SeccompAction::log(), SECCOMP_RET_LOG},
        {SeccompAction::notify(), SECCOMP_RET_USER_NOTIF},
    };
    for (const auto& [action, expected] : cases) {
        Seccomp seccomp;
        seccomp.default_action = SeccompAction::fail(EDOM);
        seccomp.rules = {{{"mkdirat"}, action}};
        const Filter filter = build_filter(seccomp);
        EXPECT_EQ(decision(filter, SYS_mkdirat), expected);
        EXPECT_EQ(decision(filter, SYS_openat), failing(EDOM));
        EXPECT_EQ(filter.notifies, action == SeccompAction::notify());
    }
}

TEST(SeccompFilterProgram, FirstMatchingRuleDecides) {
    const auto when = [](std::uint64_t value) {
        return std::vector<SeccompCondition>{{.argument = 0, .value = value}};
    };
    Seccomp seccomp;
    seccomp.default_action = SeccompAction::kill_process();
    seccomp.rules = {
        {{"mkdirat"}, SeccompAction::fail(1), when(1)}, {{"mkdirat"}, SeccompAction::fail(1), when(2)},
        {{"mkdirat"}, SeccompAction::fail(2), when(2)}, {{"mkdirat"}, SeccompAction::fail(3), when(3)},
        {{"mkdirat"}, SeccompAction::fail(1), when(4)}, {{"mkdirat", "openat"}, SeccompAction::allow()},
        {{"mkdirat"}, SeccompAction::fail(9), when(9)}, {{"openat", "close"}, SeccompAction::fail(9)},
    };
    const Filter filter = build_filter(seccomp);
    EXPECT_EQ(decision(filter, SYS_mkdirat, {1}), failing(1));
    EXPECT_EQ(decision(filter, SYS_mkdirat, {2}), failing(1));
    EXPECT_EQ(decision(filter, SYS_mkdirat, {3}), failing(3));
    EXPECT_EQ(decision(filter, SYS_mkdirat, {4}), failing(1));
    EXPECT_EQ(decision(filter, SYS_mkdirat, {9}), SECCOMP_RET_ALLOW);
    EXPECT_EQ(decision(filter, SYS_openat), SECCOMP_RET_ALLOW);
    EXPECT_EQ(decision(filter, SYS_close), failing(9));
    EXPECT_EQ(decision(filter, SYS_read), SECCOMP_RET_KILL_PROCESS);
}

TEST(SeccompFilterProgram, AllConditionsOfARuleHaveToHold) {
    Seccomp seccomp;
    seccomp.rules = {{{"mkdirat"},
                      SeccompAction::fail(1),
                      {{.argument = 0, .value = 5},
                       {.argument = 2, .comparison = SeccompCondition::Comparison::Greater, .value = 1ULL << 40}}}};
    const Filter filter = build_filter(seccomp);
    EXPECT_EQ(decision(filter, SYS_mkdirat, {5, 0, (1ULL << 40) + 1}), failing(1));
    EXPECT_EQ(decision(filter, SYS_mkdirat, {5, 0, 1ULL << 40}), SECCOMP_RET_ALLOW);
    EXPECT_EQ(decision(filter, SYS_mkdirat, {6, 0, (1ULL << 40) + 1}), SECCOMP_RET_ALLOW);
}

TEST(SeccompFilterProgram, RepeatedAndUselessRulesAreTaken) {
    Seccomp seccomp;
    seccomp.rules = {
        {{"mkdirat", "mkdirat"}, SeccompAction::fail(1)},     {{"mkdirat"}, SeccompAction::fail(1)},
        {{"openat"}, SeccompAction::fail(1), {{.value = 4}}}, {{"openat"}, SeccompAction::fail(1), {{.value = 4}}},
        {{"s390_pci_mmio_read"}, SeccompAction::fail(1)},     {{"close"}, SeccompAction::allow()}};
    const Filter filter = build_filter(seccomp);
    EXPECT_EQ(decision(filter, SYS_mkdirat), failing(1));
    EXPECT_EQ(decision(filter, SYS_openat, {4}), failing(1));
    EXPECT_EQ(decision(filter, SYS_close), SECCOMP_RET_ALLOW);
}

TEST(SeccompFilterProgram, ThatIsTooLargeIsRefused) {
    Seccomp seccomp;
    for (std::uint64_t value = 0; value < 4000; ++value) {
        seccomp.rules.push_back({{"openat"}, SeccompAction::fail(1), {{.argument = 2, .value = value << 30}}});
    }
    EXPECT_THROW((void)build_filter(seccomp), Error);
}

TEST(SeccompFilterProgram, StandardLetsTheSetUpPassAndKnowsNoNewerCalls) {
    const Filter filter = build_filter(Seccomp::standard());
    for (const long number :
         {SYS_execve, SYS_exit_group, SYS_futex, SYS_openat, SYS_read, SYS_write, SYS_mmap, SYS_prctl, SYS_setresuid,
          SYS_rt_sigprocmask, SYS_close, SYS_statx, SYS_chroot, SYS_seccomp, SYS_ioctl, SYS_mbind}) {
        EXPECT_EQ(decision(filter, number), SECCOMP_RET_ALLOW) << number;
    }
    for (const long number : {SYS_mount, SYS_setns, SYS_keyctl, SYS_bpf, SYS_ptrace, SYS_io_uring_setup}) {
        EXPECT_EQ(decision(filter, number), failing(EPERM)) << number;
    }
    EXPECT_EQ(decision(filter, 5000), failing(ENOSYS));
    EXPECT_THAT(violations_of(Seccomp::standard()), IsEmpty());
}

#ifdef __x86_64__
TEST(SeccompFilterProgram, StandardMayCoverOtherArchitectures) {
    Seccomp seccomp = Seccomp::standard();
    seccomp.architectures = {SeccompArchitecture::X86, SeccompArchitecture::X32};
    const Filter filter = build_filter(seccomp);
    EXPECT_EQ(decision(filter, 20, {}, AUDIT_ARCH_I386), SECCOMP_RET_ALLOW);  // getpid
    EXPECT_EQ(decision(filter, 197, {}, AUDIT_ARCH_I386), SECCOMP_RET_ALLOW); // fstat64, which x86_64 does not have
    EXPECT_EQ(decision(filter, 21, {}, AUDIT_ARCH_I386), failing(EPERM));     // mount
    EXPECT_EQ(decision(filter, 0x40000000 | SYS_getpid), SECCOMP_RET_ALLOW);
    EXPECT_EQ(decision(filter, 0x40000000 | SYS_mount), failing(EPERM));
    EXPECT_EQ(decision(filter, SYS_mount), failing(EPERM));
}
#endif

TEST(SeccompCheck, NamesEachMistake) {
    Seccomp seccomp;
    seccomp.default_action = SeccompAction::notify();
    seccomp.rules = {
        {{"mkdri"}, SeccompAction::fail(0)},
        {{}, {SeccompAction::Kind::Allow, 1}},
        {{"mkdir"}, SeccompAction::fail(4096), {{.argument = 6}, {.value = 1, .mask = 3}}},
        {{"mkdir"},
         SeccompAction::allow(),
         {{.comparison = SeccompCondition::Comparison::MaskedEqual, .value = 4, .mask = 3}, {.value = 1}}}};
    const auto found = violations_of(seccomp);
    for (const char* const part :
         {"default seccomp action cannot be Notify", "unknown system call 'mkdri'", "errno 0", "errno 4096",
          "names no system call", "is not Errno", "argument 6", "not MaskedEqual", "never holds", "two conditions"}) {
        EXPECT_THAT(found, Contains(HasSubstr(part)));
    }
    EXPECT_THAT(found, SizeIs(10));
}

TEST(SeccompCheck, KnowsNamesAndArchitectures) {
    EXPECT_TRUE(is_system_call("mkdir"));
    EXPECT_FALSE(is_system_call("mkdri"));
    EXPECT_FALSE(is_system_call(""));
    EXPECT_EQ(system_call_name(native_architecture(), SYS_openat), "openat");
    EXPECT_EQ(system_call_name(native_architecture(), 5000), "");
    EXPECT_EQ(to_string(architecture_of(AUDIT_ARCH_I386, 5)), "x86");
    EXPECT_EQ(to_string(architecture_of(AUDIT_ARCH_X86_64, 0x40000005)), "x32");
    EXPECT_EQ(system_call_name(AUDIT_ARCH_I386, 5), "open");
}

TEST(FilterCache, GivesTheSameFilterForTheSameValue) {
    FilterCache cache;
    Seccomp seccomp;
    const auto first = cache.get(seccomp);
    EXPECT_EQ(cache.get(Seccomp{}), first);
    seccomp.log = true;
    const auto second = cache.get(seccomp);
    EXPECT_NE(second, first);
    EXPECT_TRUE(second->log);
    EXPECT_EQ(cache.get(Seccomp{}), first);
}

TEST(FilterCache, ForgetsThoseNotUsedForLong) {
    FilterCache cache;
    const auto numbered = [](std::uint16_t number) {
        Seccomp seccomp;
        seccomp.default_action = SeccompAction::fail(number);
        return seccomp;
    };
    const std::weak_ptr<const Filter> oldest = cache.get(numbered(1));
    const std::weak_ptr<const Filter> used = cache.get(numbered(2));
    for (std::uint16_t number = 3; number <= 9; ++number) {
        (void)cache.get(numbered(2));
        (void)cache.get(numbered(number));
    }
    EXPECT_TRUE(oldest.expired());
    EXPECT_FALSE(used.expired());
}

} // namespace
} // namespace ct::internal
