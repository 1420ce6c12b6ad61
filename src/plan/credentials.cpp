// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstdio>
#include <optional>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "config/capabilities.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

namespace {

constexpr std::uint64_t SetPcap = std::uint64_t{1} << CAP_SETPCAP;

/// The sets of ct::CapabilitySets as numbers.
struct Sets {
    std::uint64_t bounding;
    std::uint64_t permitted;
    std::uint64_t effective;
    std::uint64_t inheritable;
    std::uint64_t ambient;
};

std::optional<Sets> capability_sets(const ProcessSpec& process, const HostFacts& host, bool user_namespace) {
    const std::uint64_t every = (std::uint64_t{2} << host.last_capability) - 1;
    const auto set = [&](const std::vector<std::string>& names) {
        return capability_set(names, user_namespace ? every : host.capabilities);
    };
    if (process.capabilities) {
        const std::uint64_t all = set(*process.capabilities);
        return Sets{all, all, all, all, all};
    }
    if (!process.capability_sets) return std::nullopt;
    const CapabilitySets& sets = *process.capability_sets;
    return Sets{set(sets.bounding), set(sets.permitted), set(sets.effective), set(sets.inheritable), set(sets.ambient)};
}

void plan_change_of_user(Plan& plan, const ProcessSpec& process, bool groups_denied) {
    if (process.user) {
        const User& user = *process.user;
        plan.steps.add(Op::SetCredentials,
                       CredentialsArgs{plan.array(user.groups), static_cast<std::uint32_t>(user.groups.size()),
                                       user.uid, user.gid, !groups_denied},
                       {Stage::Credentials,
                        plan.text("change to user ", std::to_string(user.uid), ", group ", std::to_string(user.gid))});
    } else if (plan.user != nullptr) {
        plan.steps.add(Op::SetCredentials, CredentialsArgs{nullptr, 0, 0, 0, !groups_denied, plan.user},
                       {Stage::Credentials, plan.text("change to user '", process.user_name, "'")});
    }
}

void plan_secure_bits(Plan& plan, const ProcessSpec& process) {
    char bits[16];
    std::snprintf(bits, sizeof bits, "%#x", *process.secure_bits);
    plan.steps.add(Op::Call, CallArgs{SYS_prctl, {PR_SET_SECUREBITS, *process.secure_bits}},
                   {Stage::Credentials, plan.text("set the secure bits to ", bits)});
}

} // namespace

/// Bounding set and user are changed while there are privileges to do it; the other sets afterwards. The secure bits
/// come late, since they change what the steps before do, and yet need a privilege, which is kept so long.
void plan_credentials(Plan& plan, const ProcessSpec& process, const HostFacts& host, bool groups_denied,
                      bool user_namespace) {
    std::optional<Sets> sets = capability_sets(process, host, user_namespace);
    const bool other_user = process.user ? process.user->uid != 0 : plan.user != nullptr;
    bool not_for_root = false;
    if (sets) {
        plan.steps.add(Op::DropBoundingSet, CapabilityArgs{sets->bounding, host.last_capability},
                       {Stage::Credentials, "drop capabilities from the bounding set"});
    } else if (process.bounding_capabilities) {
        const std::uint64_t most = capability_set(*process.bounding_capabilities, ~std::uint64_t{0});
        plan.steps.add(Op::DropBoundingSet, CapabilityArgs{most, host.last_capability},
                       {Stage::Credentials, "drop capabilities from the bounding set"});
    }
    if (!sets && process.secure_bits && other_user) {
        // What the kernel does by itself when root becomes somebody else.
        sets = Sets{0, 0, 0, user_namespace ? 0 : sys::inheritable_capabilities(), 0};
        not_for_root = true;
    }
    if (sets && other_user) {
        plan.steps.add(Op::KeepCapabilities, {Stage::Credentials, "keep capabilities over the change of user"});
    }
    plan_change_of_user(plan, process, groups_denied);
    const auto set_capabilities = [&](std::uint64_t besides) {
        plan.steps.add(
            Op::SetCapabilities,
            CapabilitySetsArgs{sets->permitted | besides, sets->effective | besides, sets->inheritable, not_for_root},
            {Stage::Credentials, "set capabilities"});
    };
    const std::uint64_t needed = process.secure_bits ? SetPcap : 0;
    if (sets) {
        set_capabilities(needed);
        if (!not_for_root) {
            plan.steps.add(Op::RaiseAmbient, CapabilityArgs{sets->ambient, host.last_capability},
                           {Stage::Credentials, "raise ambient capabilities"});
        }
    }
    if (process.secure_bits) plan_secure_bits(plan, process);
    if (sets && (needed & ~sets->effective) != 0) set_capabilities(0);
    if (process.no_new_privileges) plan.steps.add(Op::NoNewPrivileges, {Stage::Credentials, "set no_new_privs"});
    if (process.session_keyring) {
        // As the new user, who then owns it.
        const std::string& name = process.session_keyring->name;
        constexpr std::uint64_t join = 1; // KEYCTL_JOIN_SESSION_KEYRING
        const char* const text = name.empty() ? nullptr : plan.text(name);
        plan.steps.add(Op::Call, CallArgs{SYS_keyctl, {join, reinterpret_cast<std::uintptr_t>(text)}},
                       {Stage::Credentials, "join a session keyring", text == nullptr ? "" : text});
    }
}

} // namespace ct::internal
