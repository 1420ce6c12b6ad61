// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "plan/compile.hpp"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif

namespace ct::internal {

namespace {

// LANDLOCK_ACCESS_*, see landlock(7): <linux/landlock.h> may be older than the running kernel.
constexpr std::uint64_t bits(unsigned first, unsigned last) {
    return (std::uint64_t{2} << last) - (std::uint64_t{1} << first);
}
constexpr std::uint64_t Execute = bits(0, 0);
constexpr std::uint64_t WriteFile = bits(1, 1);
constexpr std::uint64_t ReadFile = bits(2, 2);
constexpr std::uint64_t Read = ReadFile | bits(3, 3); // and directories
constexpr std::uint64_t Restructure = bits(4, 12);    // remove and make whatever there is
constexpr std::uint64_t Refer = bits(13, 13);         // since ABI 2
constexpr std::uint64_t Truncate = bits(14, 14);      // since ABI 3
constexpr std::uint64_t IoctlDevice = bits(15, 15);   // since ABI 5
constexpr std::uint64_t OfFiles = Execute | WriteFile | ReadFile | Truncate | IoctlDevice;
constexpr std::uint64_t BindTcp = bits(0, 0);
constexpr std::uint64_t ConnectTcp = bits(1, 1);
constexpr std::uint64_t ScopeAbstractSockets = bits(0, 0);
constexpr std::uint64_t ScopeSignals = bits(1, 1);

constexpr std::string_view Action = "restrict by Landlock";

[[noreturn]] void unsupported(std::string_view why) {
    throw Error(Errc::Unsupported, Stage::Landlock, Action, {}, why);
}

long landlock_abi() {
    static const long version = [] {
        constexpr unsigned ask_version = 1; // LANDLOCK_CREATE_RULESET_VERSION
        const long found = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, ask_version);
        return found < 0 ? -errno : found;
    }();
    return version;
}

long needed_abi(const Landlock& landlock) {
    const long abi = landlock_abi();
    if (abi == -EOPNOTSUPP) unsupported("it is not enabled: the kernel's parameter lsm= has to name it");
    if (abi < 0) unsupported("this kernel does not have it; it needs Linux 5.13");
    if (abi < 4 && (landlock.bind_ports || landlock.connect_ports)) {
        unsupported("restricting TCP ports needs Linux 6.7");
    }
    if (abi < 6 && (landlock.scope_abstract_sockets || landlock.scope_signals)) {
        unsupported("scopes of signals and abstract sockets need Linux 6.12");
    }
    return abi;
}

std::uint64_t writing(long abi) {
    return WriteFile | Restructure | (abi >= 2 ? Refer : 0) | (abi >= 3 ? Truncate : 0) | (abi >= 5 ? IoctlDevice : 0);
}

} // namespace

void plan_landlock(Plan& plan, const Landlock& landlock) {
    const long abi = needed_abi(landlock);
    const std::uint64_t every = Execute | Read | writing(abi);
    const std::uint64_t ports = (landlock.bind_ports ? BindTcp : 0) | (landlock.connect_ports ? ConnectTcp : 0);
    const std::uint64_t scopes =
        (landlock.scope_abstract_sockets ? ScopeAbstractSockets : 0) | (landlock.scope_signals ? ScopeSignals : 0);
    const std::size_t size = (abi >= 6 ? 3 : abi >= 4 ? 2 : 1) * sizeof(std::uint64_t);
    plan.steps.add(Op::LandlockRuleset, LandlockRulesetArgs{{landlock.paths.empty() ? 0 : every, ports, scopes}, size},
                   {Stage::Landlock, "make the Landlock rules"});
    for (const LandlockPath& rule : landlock.paths) {
        const std::uint64_t access =
            (rule.read ? Read : 0) | (rule.write ? writing(abi) : 0) | (rule.execute ? Execute | ReadFile : 0);
        const char* const path = plan.text(rule.path);
        plan.steps.add(Op::LandlockPath, LandlockPathArgs{path, access, OfFiles},
                       {Stage::Landlock, "allow by Landlock", path});
    }
    const auto add_ports = [&](const std::optional<std::vector<std::uint16_t>>& list, std::uint64_t access) {
        if (!list) return;
        for (const std::uint16_t port : *list) {
            plan.steps.add(Op::LandlockPort, LandlockPortArgs{port, access},
                           {Stage::Landlock, plan.text("allow by Landlock TCP port ", std::to_string(port))});
        }
    };
    add_ports(landlock.bind_ports, BindTcp);
    add_ports(landlock.connect_ports, ConnectTcp);
    plan.steps.add(Op::LandlockEnforce, {Stage::Landlock, Action});
}

} // namespace ct::internal
