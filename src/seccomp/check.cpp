// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <seccomp.h>

#include <algorithm>
#include <set>

#include "base/concat.hpp"
#include "seccomp/filter.hpp"

namespace ct {

bool is_system_call(std::string_view name) {
    return ::seccomp_syscall_resolve_name(std::string(name).c_str()) != __NR_SCMP_ERROR;
}

std::string_view to_string(SeccompArchitecture architecture) noexcept {
    switch (architecture) {
    case SeccompArchitecture::X86_64: return "x86_64";
    case SeccompArchitecture::X86: return "x86";
    case SeccompArchitecture::X32: return "x32";
    case SeccompArchitecture::Aarch64: return "aarch64";
    case SeccompArchitecture::Arm: return "arm";
    }
    return "";
}

namespace internal {

namespace {

bool runs_here(SeccompArchitecture architecture) {
#if defined(__x86_64__)
    return architecture <= SeccompArchitecture::X32;
#else
    return architecture >= SeccompArchitecture::Aarch64;
#endif
}

void check_action(std::vector<std::string>& found, const SeccompAction& action) {
    if (action.kind == SeccompAction::Kind::Errno) {
        constexpr int most = 4095; // MAX_ERRNO
        if (action.error_number == 0 || action.error_number > most) {
            found.push_back(concat("a seccomp action fails with errno ", action.error_number, "; it is 1 to ", most));
        }
    } else if (action.error_number != 0) {
        found.push_back("a seccomp action has an errno, but is not Errno");
    }
}

void check_conditions(std::vector<std::string>& found, const SeccompRule& rule) {
    const std::string& name = rule.system_calls.empty() ? "" : rule.system_calls.front();
    std::set<unsigned> arguments;
    for (const SeccompCondition& condition : rule.conditions) {
        if (condition.argument > 5) {
            found.push_back(concat("a seccomp condition of ", name, " is about argument ", condition.argument,
                                   "; there are 0 to 5"));
        } else if (!arguments.insert(condition.argument).second) {
            found.push_back(
                concat("a seccomp rule for ", name, " has two conditions on argument ", condition.argument));
        }
        const bool masked = condition.comparison == SeccompCondition::Comparison::MaskedEqual;
        if (!masked && condition.mask != ~std::uint64_t{0}) {
            found.push_back(concat("a seccomp condition of ", name, " has a mask, but is not MaskedEqual"));
        }
        if (masked && (condition.value & ~condition.mask) != 0) {
            found.push_back(concat("a seccomp condition of ", name,
                                   " never holds: its value has bits that its mask "
                                   "lacks"));
        }
    }
}

} // namespace

void check_seccomp(std::vector<std::string>& found, const Seccomp& seccomp) {
    check_action(found, seccomp.default_action);
    check_action(found, seccomp.foreign_action);
    if (seccomp.default_action.kind == SeccompAction::Kind::Notify) {
        found.push_back("the default seccomp action cannot be Notify: nobody could answer during the set-up");
    }
    for (const SeccompArchitecture architecture : seccomp.architectures) {
        if (!runs_here(architecture)) {
            found.push_back(concat("this machine does not run ", to_string(architecture), " programs"));
        }
    }
    for (const SeccompRule& rule : seccomp.rules) {
        check_action(found, rule.action);
        check_conditions(found, rule);
        if (rule.system_calls.empty()) found.push_back("a seccomp rule names no system call");
        for (const std::string& name : rule.system_calls) {
            if (name == "@known" || (name.find('\0') == std::string::npos && is_system_call(name))) continue;
            found.push_back(concat("unknown system call '", name.c_str(), "'"));
        }
    }
}

} // namespace internal

} // namespace ct
