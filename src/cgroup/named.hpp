// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>

#include "cgroup/hierarchies.hpp"

namespace ct::internal {

/// The hierarchy of version 1 without controllers that has that name; null if it is not mounted.
[[nodiscard]] const Hierarchy* find_named(const Hierarchies& hierarchies, const std::string& name) noexcept;

/// A name that mount(2) takes as it is. \throws Error with Errc::InvalidConfig
void check_hierarchy_name(const std::string& name);

} // namespace ct::internal
