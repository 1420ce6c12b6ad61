// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <vector>

#include <ct/cgroup.hpp>

#include "host.hpp"
#include "workloads.hpp"

namespace ct::bench {

/// The controllers that this host has in version 1, cheap ones first; and where.
struct Groups {
    std::vector<Controller> controllers;
    std::vector<std::string> places;
    std::string unified; ///< That of version 2; empty if it is not mounted.

    [[nodiscard]] static Groups find();
    /// Only so many of version 1, and nothing of version 2.
    [[nodiscard]] Groups first(std::size_t count) const;
    [[nodiscard]] Groups only_unified() const;
};

/// Starts /true in a new pid namespace, in new groups, and removes these after its end.
Host::Action start_in_groups(const Bundle& bundle, const Groups& groups);
Host::Action start_in_groups_with_floor(const Bundle& bundle, const Groups& groups);

} // namespace ct::bench
