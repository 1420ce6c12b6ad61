// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include <ct/export.hpp>

namespace ct {

/// The kinds of Linux namespaces; see namespaces(7).
enum class Namespace : std::uint8_t { Mount, Pid, Net, Uts, Ipc, User, Cgroup, Time };

/// The kernel's name of a namespace kind, as in /proc/PID/ns: "mnt", "pid", "net", "uts", "ipc", "user", "cgroup",
/// "time".
[[nodiscard]] CT_EXPORT std::string_view to_string(Namespace kind) noexcept;

/// A namespace made for the container at every start.
struct NewNamespace {
    bool operator==(const NewNamespace&) const = default;
};

/// An existing namespace, found by its file (such as /proc/PID/ns/net or /run/netns/NAME) at every start.
struct NamespacePath {
    std::string path;
    bool operator==(const NamespacePath&) const = default;
};

/// An existing namespace by a descriptor of its file. Borrowed: it has to stay open as long as the container may start.
struct NamespaceFd {
    int fd = -1;
    bool operator==(const NamespaceFd&) const = default;
};

/// The namespace of another container, one of the session or one that it can open(), which has to run (or be held) at
/// every start, and not to share that kind with the host.
struct NamespaceOf {
    std::string container;
    bool operator==(const NamespaceOf&) const = default;
};

/// Where a container gets a namespace from. A kind that a Spec does not mention is shared with the host process.
using NamespaceSource = std::variant<NewNamespace, NamespacePath, NamespaceFd, NamespaceOf>;

/// One extent of an id map: `count` ids from `inside` on are the ids from `outside` on in the parent user namespace.
struct IdRange {
    std::uint32_t inside = 0;
    std::uint32_t outside = 0;
    std::uint32_t count = 1;
    auto operator<=>(const IdRange&) const = default;
};

/// What a new time namespace adds to the host's clocks; see time_namespaces(7). Negative is possible, but no clock can
/// go below zero, nor past 146 years.
struct TimeOffsets {
    std::chrono::nanoseconds monotonic{0}; ///< CLOCK_MONOTONIC and its kin.
    std::chrono::nanoseconds boottime{0};  ///< CLOCK_BOOTTIME and its kin, and /proc/uptime.
    bool operator==(const TimeOffsets&) const = default;
};

/// Whether setgroups(2) works in a new user namespace.
enum class SetGroups : std::uint8_t {
    Auto,  ///< Denied where the kernel demands it (a caller without CAP_SETGID), else allowed.
    Allow, ///< Allowed; a caller without CAP_SETGID then cannot map any group.
    Deny,  ///< Denied.
};

} // namespace ct
