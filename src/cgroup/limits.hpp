// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <functional>

#include <ct/cgroup.hpp>

#include "cgroup/groups.hpp"

namespace ct::internal {

/// Writes the limits, but for those on devices, to new groups.
/// \throws Error with Stage::Cgroup that names the file and the value, Errc::Unsupported for a file that is not there
void apply_limits(const Groups& groups, const Limits& limits);

/// Changes the limits of groups in use to \p given, but for those on devices, and then calls \p finish; if any of this
/// fails, restores what was there before.
/// \param whole  all limits that hold then
void update_limits(const Groups& groups, const Limits& given, const Limits& whole, const std::function<void()>& finish);

} // namespace ct::internal
