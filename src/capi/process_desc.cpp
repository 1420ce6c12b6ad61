// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "capi/process_desc.hpp"

#include <sys/capability.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>

#include <ct/export.hpp>

#include "capi/guard.hpp"
#include "capi/session.hpp"
#include "config/capabilities.hpp"
#include "plan/compile.hpp"

namespace ct::capi {

namespace {

/// Those of the mask that the kernel knows.
std::vector<std::string> names_of(unsigned long mask) {
    std::vector<std::string> names;
    for (std::uint32_t i = 0; i <= internal::last_capability(); ++i) {
        if ((mask >> i & 1U) != 0) names.push_back(internal::capability_name(i));
    }
    return names;
}

void set_capabilities(ProcessSpec& spec, const ProcessAttributes& attributes) {
    if (attributes.capabilities) {
        const std::vector<std::string> names = names_of(*attributes.capabilities);
        spec.capability_sets = CapabilitySets{.bounding = names_of(attributes.bounding.value_or(~0UL)),
                                              .permitted = names,
                                              .effective = names,
                                              .inheritable = names};
    } else if (attributes.bounding) {
        spec.bounding_capabilities = names_of(*attributes.bounding);
    }
}

/// A label is that of whichever module this kernel has.
void set_label(ProcessSpec& spec, const std::string& label) {
    const auto& files = internal::LabelFiles::detect();
    if (files.apparmor != nullptr) {
        spec.labels.apparmor = label;
    } else if (files.selinux != nullptr) {
        spec.labels.selinux = label;
    }
}

void set_fds(ProcessSpec& spec, const std::vector<int>& fds) {
    for (std::size_t i = 0; i < fds.size(); ++i) {
        const int target = static_cast<int>(i);
        spec.fds.push_back(fds[i] == LIBCT_CONSOLE_FD ? FdMapping{.target = target, .path = "/dev/console"}
                                                      : FdMapping{.target = target, .source = fds[i]});
    }
    if (fds.empty()) spec.stdio.in = Stdio::Closed;
    if (fds.size() < 2) spec.stdio.out = Stdio::Closed;
    if (fds.size() < 3) spec.stdio.err = Stdio::Closed;
}

/// As if it had never been anybody else.
User& user_of(ProcessAttributes& attributes) {
    if (!attributes.user) attributes.user = attributes.base.user.value_or(User{});
    return *attributes.user;
}

} // namespace

ProcessSpec ProcessAttributes::spec() const {
    ProcessSpec spec = base;
    if (!user_name.empty()) {
        spec.user.reset();
        spec.user_name = user_name;
        spec.user_needs_entry = true;
        spec.more_groups = user.value_or(User{}).groups;
    } else if (user) {
        spec.user = user;
        spec.user_name.clear();
    }
    set_capabilities(spec, *this);
    if (!label.empty()) set_label(spec, label);
    if (parent_death_signal) spec.parent_death_signal = *parent_death_signal;
    spec.limits.insert(spec.limits.end(), limits.begin(), limits.end());
    if (environment) spec.environment = environment;
    if (fds) {
        set_fds(spec, *fds);
    } else if (streams || terminal) {
        spec.stdio = streams.value_or(StandardStreams{});
        spec.terminal = terminal;
    } else if (inherit_fds) {
        spec.inherit_fds = true;
    }
    return spec;
}

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT ct_process_desc_t libct_process_desc_create(libct_session_t s) {
    return guard_handle([&] {
        (void)get(s);
        return add_handle<ct_process_desc_t>(std::make_shared<ProcessDesc>());
    });
}

CT_EXPORT ct_process_desc_t libct_process_desc_copy(ct_process_desc_t p) {
    return guard_handle(
        [&] { return add_handle<ct_process_desc_t>(std::make_shared<ProcessDesc>(get(p)->attributes())); });
}

CT_EXPORT void libct_process_desc_destroy(ct_process_desc_t p) {
    (void)guard([&] {
        (void)get(p);
        remove_object(p);
    });
}

CT_EXPORT int libct_process_desc_setuid(ct_process_desc_t p, unsigned int uid) {
    return guard([&] { get(p)->change([&](ProcessAttributes& attributes) { user_of(attributes).uid = uid; }); });
}

CT_EXPORT int libct_process_desc_setgid(ct_process_desc_t p, unsigned int gid) {
    return guard([&] { get(p)->change([&](ProcessAttributes& attributes) { user_of(attributes).gid = gid; }); });
}

CT_EXPORT int libct_process_desc_set_user(ct_process_desc_t p, const char* user) {
    return guard([&] {
        require(user == nullptr || *user != '\0', LCTERR_INVARG, "the user has no name");
        get(p)->change([&](ProcessAttributes& attributes) { attributes.user_name = user == nullptr ? "" : user; });
    });
}

CT_EXPORT int libct_process_desc_set_groups(ct_process_desc_t p, unsigned int size, unsigned int groups[]) {
    return guard([&] {
        const auto desc = get(p);
        require(groups != nullptr || size == 0, LCTERR_INVARG, "there are no groups");
        std::vector<std::uint32_t> list;
        if (size != 0) list.assign(groups, groups + size);
        desc->change([&](ProcessAttributes& attributes) { user_of(attributes).groups = std::move(list); });
    });
}

CT_EXPORT int libct_process_desc_set_caps(ct_process_desc_t p, unsigned long mask, unsigned int apply_to) {
    return guard([&] {
        const auto desc = get(p);
        const bool known = apply_to != 0 && (apply_to & ~static_cast<unsigned>(CAPS_ALL)) == 0;
        require(known, LCTERR_INVARG, "there are no such capability sets");
        desc->change([&](ProcessAttributes& attributes) {
            if ((apply_to & CAPS_BSET) != 0) attributes.bounding = mask;
            if ((apply_to & CAPS_ALLCAPS) != 0) attributes.capabilities = mask;
        });
    });
}

CT_EXPORT int libct_process_desc_set_pdeathsig(ct_process_desc_t p, int sig) {
    return guard([&] { get(p)->change([&](ProcessAttributes& attributes) { attributes.parent_death_signal = sig; }); });
}

CT_EXPORT int libct_process_desc_set_lsm_label(ct_process_desc_t p, const char* label) {
    return guard([&] {
        require(label == nullptr || *label != '\0', LCTERR_INVARG, "the label is empty");
        get(p)->change([&](ProcessAttributes& attributes) { attributes.label = label == nullptr ? "" : label; });
    });
}

CT_EXPORT int libct_process_desc_set_rlimit(ct_process_desc_t p, int resource, uint64_t soft, uint64_t hard) {
    return guard([&] {
        const auto desc = get(p);
        require(resource >= 0 && resource < static_cast<int>(RLIM_NLIMITS), 1, "there is no such resource");
        desc->change([&](ProcessAttributes& attributes) {
            std::erase_if(attributes.limits, [&](const ct::ResourceLimit& one) { return one.resource == resource; });
            attributes.limits.push_back({resource, soft, hard});
        });
    });
}

CT_EXPORT int libct_process_desc_set_fds(ct_process_desc_t p, int* fds, int n) {
    return guard([&] {
        const auto desc = get(p);
        require(n >= 0 || fds == nullptr, LCTERR_INVARG, "the number of descriptors is negative");
        std::optional<std::vector<int>> list;
        if (fds != nullptr) list.emplace(fds, fds + n);
        desc->change([&](ProcessAttributes& attributes) {
            attributes.fds = std::move(list);
            attributes.streams.reset();
            attributes.terminal.reset();
        });
    });
}

CT_EXPORT int libct_process_desc_set_env(ct_process_desc_t p, char** env, int size) {
    return guard([&] {
        const auto desc = get(p);
        require(size >= 0 && (env != nullptr || size == 0), LCTERR_INVARG, "there is no environment");
        std::vector<std::string> list;
        for (int i = 0; i < size; ++i) {
            const char* const equals = env[i] == nullptr ? nullptr : std::strchr(env[i], '=');
            require(equals != nullptr && equals != env[i], LCTERR_INVARG, "a variable is not NAME=VALUE");
            list.emplace_back(env[i]);
        }
        desc->change([&](ProcessAttributes& attributes) {
            require(!attributes.environment, LCTERR_INVARG, "the environment is set already");
            attributes.environment = std::move(list);
        });
    });
}

} // extern "C"
