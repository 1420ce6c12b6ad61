// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cgroup/groups.hpp"
#include "cgroup/mark.hpp"

namespace ct::internal {

/// The directories in which a session's containers have their groups: one in each hierarchy, found or made on first
/// use. Any thread may use it.
class GroupParents {
public:
    /// \param parent  SessionOptions::cgroup_parent
    explicit GroupParents(std::optional<std::string> parent);
    /// Removes what sessions have made that are gone, as far as it is empty.
    void remove_abandoned() const;
    /// Removes what it has made, as far as it is empty.
    void remove_made() noexcept;
    GroupParents(const GroupParents&) = delete;
    GroupParents& operator=(const GroupParents&) = delete;

    [[nodiscard]] const Hierarchies& hierarchies() const noexcept { return hierarchies_; }
    /// The one of version 1 that has that name and no controllers; it may have been mounted a moment ago.
    /// \throws Error with Errc::Unsupported
    [[nodiscard]] const Hierarchy& named(const std::string& name);
    /// The path of the parent, which need not be there yet. Makes nothing. \throws Error with Stage::Cgroup
    [[nodiscard]] std::string path(const Hierarchy& hierarchy) const;
    /// Where a group of that name has to be; makes nothing. \throws Error with Stage::Cgroup
    [[nodiscard]] Group place(const Hierarchy& hierarchy, const std::string& name);
    [[nodiscard]] std::shared_ptr<const Group> parent(const Hierarchy& hierarchy);
    /// The same once somebody has removed it.
    [[nodiscard]] std::shared_ptr<const Group> parent_again(const Hierarchy& hierarchy);
    /// For one more run of a container.
    [[nodiscard]] std::shared_ptr<const GroupMark> new_mark() const { return mark_.another(); }
    /// Lets groups in the parent use these controllers, in version 2.
    void enable(const Hierarchy& hierarchy, const std::vector<Controller>& controllers);

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
    const GroupMark mark_; ///< Of what is made here.
    std::mutex mutex_;     ///< Guards what follows.
    std::vector<std::unique_ptr<Parent>> parents_;
    std::map<std::string, std::unique_ptr<const Hierarchy>> named_;
};

/// Lets groups below \p group of version 2 use these controllers, and hands them down to it if need be.
/// \throws Error with Errc::Unsupported for one that is not handed down
void enable_controllers(const Group& group, const std::vector<Controller>& controllers);

/// Whether that controller of version 2 has no entry in the control files, since every group has it.
[[nodiscard]] bool is_implicit(Controller controller) noexcept;

/// A new group of the cpuset controller of version 1 takes no process before it has CPUs and memory nodes: it gets
/// those of \p parent.
void inherit_cpuset(const Group& parent, const Group& group);

/// Removes the group if a process has made it that is gone, and nothing is in it; and so on with the one above.
void remove_abandoned(std::string path);

/// A path below the root of a hierarchy. \throws Error with Errc::InvalidConfig
void check_cgroup_parent(const std::string& parent);

} // namespace ct::internal
