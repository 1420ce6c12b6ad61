// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cgroup/groups.hpp"

namespace ct::internal {

/// The directories in which a session's containers have their groups: one in each hierarchy, found or made on first
/// use. Any thread may use it.
class GroupParents {
public:
    /// \param parent  SessionOptions::cgroup_parent
    explicit GroupParents(std::optional<std::string> parent);
    /// Removes what it has made, as far as it is empty.
    void remove_made() noexcept;
    GroupParents(const GroupParents&) = delete;
    GroupParents& operator=(const GroupParents&) = delete;

    [[nodiscard]] const Hierarchies& hierarchies() const noexcept { return hierarchies_; }
    /// A group of that name in the parent, without a directory yet. \throws Error with Stage::Cgroup
    [[nodiscard]] Group place(const Hierarchy& hierarchy, const std::string& name);
    /// Lets groups in the parent use these controllers, in version 2.
    void enable(const Hierarchy& hierarchy, const std::vector<Controller>& controllers);
    /// What marks a group as one of this process.
    [[nodiscard]] const std::string& mark() const noexcept { return mark_; }

private:
    struct Parent {
        std::shared_ptr<Group> group = std::make_shared<Group>();
        std::vector<Controller> enabled;
        std::vector<std::string> made; ///< Paths, outermost first.
    };
    [[nodiscard]] Parent& opened(const Hierarchy& hierarchy);
    void open(Parent& parent, const Hierarchy& hierarchy) const;

    const Hierarchies hierarchies_ = Hierarchies::detect();
    const std::optional<std::string> parent_;
    const std::string mark_;
    std::mutex mutex_; ///< Guards what follows.
    std::vector<std::unique_ptr<Parent>> parents_;
};

/// A new group of the cpuset controller of version 1 takes no process before it has CPUs and memory nodes: it gets
/// those of \p parent.
void inherit_cpuset(const Group& parent, const Group& group);

/// \returns whether the owner of the group that has this mark is another process that lives
[[nodiscard]] bool is_owner_alive(const std::string& mark);

/// The extended attribute that marks a group.
inline constexpr const char* MarkName = "user.libct.owner";

/// A path below the root of a hierarchy. \throws Error with Errc::InvalidConfig
void check_cgroup_parent(const std::string& parent);

} // namespace ct::internal
