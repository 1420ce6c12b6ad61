// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <ct/cgroup.hpp>
#include <ct/error.hpp>

#include "base/unique_fd.hpp"
#include "cgroup/hierarchies.hpp"

namespace ct::internal {

/// One cgroup.
struct Group {
    const Hierarchy* hierarchy = nullptr;
    std::string path; ///< Absolute.
    UniqueFd directory;
    std::shared_ptr<const Group> parent; ///< The one that it is in.
    std::string name;                    ///< In there.
};

/// The groups of one container, at most one of each hierarchy. Its processes are in all of them, or in groups below.
class Groups {
public:
    Groups() = default;
    explicit Groups(std::vector<Group> groups) : groups_(std::move(groups)) {}

    [[nodiscard]] bool empty() const noexcept { return groups_.empty(); }
    [[nodiscard]] const std::vector<Group>& all() const noexcept { return groups_; }
    /// The one whose hierarchy has the controller; null if there is none.
    [[nodiscard]] const Group* find(Controller controller) const noexcept;
    /// That of version 2; null if there is none.
    [[nodiscard]] const Group* unified() const noexcept;
    /// \throws Error with Errc::InvalidState that says that the container has no such controller
    [[nodiscard]] const Group& at(Controller controller) const;
    [[nodiscard]] static Error started_without(Controller controller);
    [[nodiscard]] std::vector<std::string> paths() const;

private:
    std::vector<Group> groups_;
};

class GroupParents;

/// The groups that \p cgroup asks for: their places, not made yet.
/// \param own_pid_namespace  killing the first process kills all, and no group is needed for that
/// \throws Error with Errc::Unsupported for a controller that is nowhere
[[nodiscard]] std::vector<Group> place_groups(GroupParents& parents, const std::string& name, const Cgroup& cgroup,
                                              bool own_pid_namespace);
/// Makes them. Empty stale ones of libct are made anew. After a failure nothing is left.
/// \throws Error with Errc::NameInUse
[[nodiscard]] Groups make_groups(GroupParents& parents, std::vector<Group> planned, const Cgroup& cgroup);
/// Those that are there already; what is gone is left out.
[[nodiscard]] Groups open_groups(const Hierarchies& hierarchies, const std::vector<std::string>& paths);

/// Removes the group and all below it. \returns errno; EBUSY if there are processes in it
[[nodiscard]] int remove_tree(int parent, const std::string& name) noexcept;

} // namespace ct::internal
