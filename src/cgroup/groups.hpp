// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <ct/cgroup.hpp>

#include "base/unique_fd.hpp"
#include "cgroup/hierarchies.hpp"

namespace ct::internal {

/// One cgroup.
struct Group {
    const Hierarchy* hierarchy = nullptr;
    std::string path; ///< Absolute.
    UniqueFd directory;
    int parent = -1;  ///< The directory that it is in; borrowed.
    std::string name; ///< In there.
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

private:
    std::vector<Group> groups_;
};

class GroupParents;

/// Makes the groups that \p cgroup asks for. Empty stale ones of libct are made anew. After a failure nothing is left.
/// \param own_pid_namespace  killing the first process kills all, and no group is needed for that
/// \throws Error with Errc::Unsupported for a controller that is nowhere, Errc::NameInUse
[[nodiscard]] Groups make_groups(GroupParents& parents, const std::string& name, const Cgroup& cgroup,
                                 bool own_pid_namespace);

} // namespace ct::internal
