// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ct/limits.hpp>

#include "cgroup/groups.hpp"

/// Limits as the control files of either version have them.
namespace ct::internal {

/// What a limit writes to one file of a group.
struct LimitWrite {
    Controller controller = Controller::Cpu;
    std::string file = {};
    /// None: nothing is written, but what comes next changes the file, and whoever restores that restores this.
    std::optional<std::string> value = {};
    /// For a file of several lines: the first word of the one that it is about, such as "8:0" or "eth0"...
    std::string key = {};
    std::string removal = {}; ///< ... and what comes after that word to have no such line.
    bool operator==(const LimitWrite&) const = default;
};

/// The weight of a CPU group as version 1 calls it: 100 are 1024 shares, by the kernel's own rule.
[[nodiscard]] std::uint64_t cpu_shares(std::uint32_t weight) noexcept;

/// The weight that the BFQ scheduler knows, 1 to 1000: 100 is the default of both, and what is above is scaled.
[[nodiscard]] std::uint32_t bfq_weight(std::uint32_t weight) noexcept;

/// The size of a huge page as in the names of files: "2MB".
[[nodiscard]] std::string huge_page_name(Bytes size);

/// The writes for \p given, in an order that works in a group that has no limits; those to the device controller are
/// not among them. Memory comes last: to lower it may end processes, which nothing can undo.
/// \param whole  all limits that hold then, for files that several of them share
/// \throws Error with Errc::Unsupported for what the version of a controller's hierarchy has not;
///         with Errc::InvalidState for a controller without a group
[[nodiscard]] std::vector<LimitWrite> limit_writes(const Groups& groups, const Limits& given, const Limits& whole);

/// \p limits with what is set in \p given in its place: per device, page size and interface.
[[nodiscard]] Limits merged(Limits limits, const Limits& given);

/// A write, and what the file says before it.
struct LimitChange {
    LimitWrite write;
    std::string before;
};

/// The kernel takes some pairs of limits only if they fit each other, and that also in between: makes the order of
/// limit_writes() one that works from what was \p before.
void order_changes(std::vector<LimitChange>& changes);

/// The part of \p text, what the file says before, that restores it; none if that is impossible.
[[nodiscard]] std::optional<std::string> restoring_value(const LimitWrite& write, const std::string& text);

} // namespace ct::internal
