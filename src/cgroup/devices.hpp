// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <linux/bpf.h>

#include <functional>
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

/// Replaces the rules of a group in use, and calls \p finish; if any of this fails, restores those before. Meanwhile
/// nothing is granted that neither of them grants, nor denied that both grant, except on version 1 where there were
/// none before.
/// \param before  the rules that it has, if libct has set any
/// \throws Error with Stage::Cgroup, or what \p finish throws; Errc::Unsupported for what version 1 cannot do
void update_device_rules(const Group& group, const std::optional<std::vector<DeviceRule>>& before,
                         const std::vector<DeviceRule>& rules, const std::function<void()>& finish);

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
/// \throws Error with Errc::Unsupported in place of that
[[nodiscard]] DeviceLists expressible_lists(const Group& group, const std::vector<DeviceRule>& rules);
/// What is written to have \p after where \p before is. Writing it again does no harm.
[[nodiscard]] std::vector<DeviceLists::Write> device_changes(const DeviceLists& before, const DeviceLists& after);
/// What the group has.
/// \param list   the text of devices.list
/// \param rules  the rules that libct has set, if any
[[nodiscard]] DeviceLists present_device_lists(std::string_view list,
                                               const std::optional<std::vector<DeviceRule>>& rules);
void write_device_lists(const Group& group, const std::vector<DeviceLists::Write>& writes);

/// For version 2: an eBPF program of type BPF_PROG_TYPE_CGROUP_DEVICE that returns 1 for what is granted, else 0.
[[nodiscard]] std::vector<bpf_insn> device_program(const std::vector<DeviceRule>& rules);

/// Replaces the program of libct that is attached to the group, if any, by one for \p rules, in one step; undoes that
/// if \p finish fails.
void attach_device_program(const Group& group, const std::vector<DeviceRule>& rules,
                           const std::function<void()>& finish = {});

} // namespace ct::internal
