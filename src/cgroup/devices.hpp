// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <linux/bpf.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ct/limits.hpp>

#include "cgroup/groups.hpp"

/// Access to devices. Both versions grant the same: a way of access (reading, writing, making a node) is granted if the
/// last rule that is about it allows it, and an access that takes several ways needs all of them.
namespace ct::internal {

/// Lets only what \p rules allow be accessed from within the group of the devices controller. A list that is there
/// already is replaced; meanwhile nothing is granted that neither of them grants.
/// \throws Error with Stage::Cgroup; Errc::Unsupported for a list that version 1 cannot express
void apply_device_rules(const Group& group, const std::vector<DeviceRule>& rules);

/// For version 1: what is written to devices.deny and devices.allow, in this order. Empty if its lists, which know
/// exceptions to one default only, cannot say what the rules say.
struct DeviceLists {
    struct Write {
        std::string_view file;
        std::string text;
        bool operator==(const Write&) const = default;
    };
    std::vector<Write> writes;
};
[[nodiscard]] std::optional<DeviceLists> device_lists(const std::vector<DeviceRule>& rules);

/// For version 2: an eBPF program of type BPF_PROG_TYPE_CGROUP_DEVICE that returns 1 for what is granted, else 0.
[[nodiscard]] std::vector<bpf_insn> device_program(const std::vector<DeviceRule>& rules);

/// Replaces the program of libct that is attached to the group, if any, by one for \p rules.
void attach_device_program(const Group& group, const std::vector<DeviceRule>& rules);

} // namespace ct::internal
