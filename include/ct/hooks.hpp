// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <ct/export.hpp>

namespace ct {

enum class State : std::uint8_t;

/// A program of the host that runs as a hook.
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

/// When a hook runs; the names are those of the OCI runtime specification.
///
/// The first two let a start fail. Then it is undone as a whole, and the poststop hooks run, whichever hooks have run
/// before. The other two cannot: what fails in them goes to SessionOptions::log_handler, and those that follow run all
/// the same. Container::enter(), mount() and the like run no hooks; a container that is held has no process, and so no
/// poststart.
enum class HookPoint : std::uint8_t {
    /// On the host, as soon as the container has its namespaces, groups and mounts; its root is not changed yet, and
    /// its process has executed nothing.
    CreateRuntime,
    Prestart = CreateRuntime, ///< Its older name.
    /// After that, in the container's namespaces, where a hook of a mount runs, too: see MountHooks.
    CreateContainer,
    /// On the host, once the program was executed, or the callable runs; before start() returns.
    Poststart,
    /// On the host, when nothing of the container is left. Also after a start that got as far as its first hook, or
    /// was to get there when its host process was killed.
    Poststop,
};

/// As OCI spells it: "createRuntime".
[[nodiscard]] CT_EXPORT std::string_view to_string(HookPoint point) noexcept;

/// A command that runs at a point in the life of a container.
///
/// Its standard input is a file with the container's state, one JSON object as the OCI runtime specification has it:
///
///     {"ociVersion":"1.0.2","id":"web","status":"creating","bundle":"/srv/web","annotations":{},"pid":4422}
///
/// `status` is "creating" at the first two points, then "running" and "stopped". `pid` is that of the container's
/// process: on the host as the host process sees it, at HookPoint::CreateContainer as the container does; absent from
/// poststop hooks. `bundle` is the path of the root directory on the host, "/" without one. Text that is not UTF-8 has
/// U+FFFD in place of what is wrong with it.
///
/// Standard output is /dev/null; the last bytes of standard error are in the message if the command fails, which is
/// when it ends with anything but 0. It has a session (setsid(2)) of its own, all signals in their default state, no
/// other descriptor, and otherwise what the host process has. On the host it is no child of that process: neither
/// SIGCHLD nor waitpid(2) tell of it. What it leaves behind goes on, unless it was late: once its time is over, or if
/// the host process ends meanwhile, it is killed with all that it has started; at HookPoint::CreateContainer with its
/// session and what is in the container's pid namespace or groups.
struct Hook {
    HookPoint point = HookPoint::CreateRuntime;
    HookCommand command = {};
    std::chrono::milliseconds time_limit = std::chrono::seconds(10); ///< At most a day.
    bool operator==(const Hook&) const = default;
};

/// What a callable is told; see Container::add_hook().
struct HookEvent {
    std::string_view container;
    HookPoint point;
    State state;    ///< State::Starting, State::Running, and State::Stopping at poststop.
    pid_t pid = -1; ///< The container's process; -1 at poststop.
};

using HookHandler = std::function<void(const HookEvent&)>;

} // namespace ct
