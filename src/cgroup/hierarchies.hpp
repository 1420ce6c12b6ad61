// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ct/cgroup.hpp>

namespace ct::internal {

/// A tree of cgroups, as this process sees it.
struct Hierarchy {
    int version = 0;
    std::string mount_point; ///< Path of its root.
    std::string root;        ///< What of the hierarchy is mounted there, as seen from this cgroup namespace.
    std::string name;        ///< As in /proc/PID/cgroup: "cpu,cpuacct", "name=systemd"; empty for version 2.
    std::vector<Controller> controllers; ///< All that can be used there.
    bool ns_delegate = false;            ///< Version 2: cgroup namespaces are boundaries of delegation.
    bool writable = false;
    /// The group of this process, below mount_point: "" or "/a/b". None if what is mounted there does not show it.
    std::optional<std::string> own_group = {};

    [[nodiscard]] bool has(Controller controller) const noexcept;
};

/// The cgroup hierarchies of this host.
class Hierarchies {
public:
    /// \param mountinfo, controllers, groups  the texts of /proc/self/mountinfo, /proc/cgroups and /proc/self/cgroup
    /// \param read_controllers  the text of the file cgroup.controllers in that directory, or empty
    Hierarchies(std::string_view mountinfo, std::string_view controllers, std::string_view groups,
                const std::function<std::string(const std::string& directory)>& read_controllers);
    [[nodiscard]] static Hierarchies detect();

    [[nodiscard]] const std::vector<Hierarchy>& all() const noexcept { return all_; }
    /// Where the controller lives; null if nowhere.
    [[nodiscard]] const Hierarchy* find(Controller controller) const noexcept;
    /// That of version 2; null if it is not mounted.
    [[nodiscard]] const Hierarchy* unified() const noexcept;
    /// The one that is mounted where \p path leads; null if none is.
    [[nodiscard]] const Hierarchy* containing(std::string_view path) const noexcept;
    /// For a controller that is nowhere: where it was looked for, and what to do, as one clause.
    [[nodiscard]] std::string missing(Controller controller) const;
    /// How to get it.
    [[nodiscard]] std::string remedy(Controller controller) const;

private:
    void take_names(std::string_view controllers);
    void take_mounts(std::string_view mountinfo, std::string_view groups);
    void take_version_2(Hierarchy& unified, std::string_view controllers);

    std::vector<Hierarchy> all_;
    std::vector<Hierarchy> hidden_;     ///< Mounts that cannot be reached, since something is mounted over them.
    std::vector<std::string> disabled_; ///< Names of /proc/cgroups that are switched off.
    std::vector<std::string> known_;    ///< The other names there.
};

/// The directory of a process's group in the hierarchy; none if that is not seen from here.
[[nodiscard]] std::optional<std::string> directory_of(pid_t process, const Hierarchy& hierarchy);

} // namespace ct::internal
