// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <ct/ct.hpp>

#include "adder.hpp"
#include "options.hpp"

namespace ctrun {

/// Which devices it may use; `run` and the like have them in common with `update`.
void add_device_rule_options(Adder& add, ct::Limits& limits);
/// The container's cgroups.
void add_cgroup_options(Adder& add, ct::Spec& spec);
/// Where they are; of this start alone.
void add_group_place_options(Adder& add, GroupOptions& options);

} // namespace ctrun
