// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace ct {

/// A program of the host that runs during a start.
struct HookCommand {
    std::vector<std::string> argv = {};                       ///< The program is searched in PATH if it has no slash.
    std::string executable = {};                              ///< What to execute when it is not argv[0].
    std::optional<std::vector<std::string>> environment = {}; ///< "NAME=VALUE" each; default: the host's.
    std::string working_directory = {};                       ///< Default: the host's.
    bool operator==(const HookCommand&) const = default;
};

/// A command, or a callable whose result is the status. Any status but 0 lets the start fail.
using MountHook = std::variant<HookCommand, std::function<int()>>;

/// What runs before and after one mount of a start, in the order given.
///
/// Hooks run in the container's namespaces, as root of its user namespace if there is one, but before the root is
/// changed: they see the host's files, and the container's at the path of its root directory on the host (unless an
/// overlay, tmpfs or image takes the root's place: that has no path yet). What they mount is not seen outside. They
/// have the host's standard streams.
///
/// A command is a process of its own. A callable runs in the set-up process itself, in a copy of the host that has only
/// the calling thread, as with Container::start() of a callable: such a start costs more in a host with much memory.
struct MountHooks {
    std::vector<MountHook> before = {};
    std::vector<MountHook> after = {};
};

} // namespace ct
