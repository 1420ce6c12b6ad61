// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <ct/cgroup.hpp>
#include <ct/error.hpp>

#include "base/unique_fd.hpp"
#include "cgroup/hierarchies.hpp"
#include "cgroup/mark.hpp"

namespace ct::internal {

/// One cgroup.
struct Group {
    const Hierarchy* hierarchy = nullptr;
    std::string path; ///< Absolute.
    UniqueFd directory;
    std::shared_ptr<const Group> parent; ///< The one that it is in.
    std::string name;                    ///< In there.
    bool only_to_end_all = false; ///< Nothing that the container has asked for is in this hierarchy; it needs a group
                                  ///< because it has no pid namespace.
};

/// The groups of one container, at most one of each hierarchy. Its processes are in all of them, or in groups below.
class Groups {
public:
    Groups() = default;
    /// \param mark  what they are marked with; none if another process has made them
    explicit Groups(std::vector<Group> groups, std::shared_ptr<const GroupMark> mark = {})
        : groups_(std::move(groups)), mark_(std::move(mark)) {}

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
    std::shared_ptr<const GroupMark> mark_;
};

class GroupParents;

/// The groups that \p cgroup asks for: their places, not made yet.
/// \param own_pid_namespace  killing the first process kills all, and no group is needed for that
/// \throws Error with Errc::Unsupported for a controller that is nowhere
[[nodiscard]] std::vector<Group> place_groups(GroupParents& parents, const std::string& name, const Cgroup& cgroup,
                                              bool own_pid_namespace);
/// Makes them. Empty stale ones of libct are made anew. After a failure nothing is left.
/// \throws Error with Errc::NameInUse
[[nodiscard]] Groups make_groups(GroupParents& parents, std::vector<Group> planned, const Cgroup& cgroup,
                                 std::shared_ptr<const GroupMark> mark);
/// Those that are there already, and have that mark if one is given: what is gone, or somebody else's, is left out.
[[nodiscard]] Groups open_groups(const Hierarchies& hierarchies, const std::vector<std::string>& paths,
                                 const std::optional<std::string>& mark = std::nullopt);
/// Those of the planned ones that are there and have the process in them, or below.
[[nodiscard]] Groups open_groups_of(GroupParents& parents, std::vector<Group> planned, pid_t process);

} // namespace ct::internal
