// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ct {

/// What a process may do with a file, or with everything below a directory.
struct LandlockPath {
    std::string path = {}; ///< Absolute, inside the container; symbolic links in it are followed there.
    bool read = false;     ///< Read files, list directories.
    bool write = false;    ///< Write, truncate, create, rename, remove; ioctl(2) on devices.
    bool execute = false;  ///< Execute files and read them: the kernel asks for both. Not list directories.

    bool operator==(const LandlockPath&) const = default;
};

/// Restricts a process and its descendants by Landlock, see landlock(7): only what is listed stays possible, as far as
/// the running kernel can tell it apart. Descriptors that the process is given keep working.
///
/// Needs Linux 5.13 with Landlock enabled. What was asked for and the kernel does not have is an error.
struct Landlock {
    /// Without any, the use of files is not restricted.
    std::vector<LandlockPath> paths = {};
    /// The TCP ports that may be bound, or connected to; without a list any. Needs Linux 6.7.
    std::optional<std::vector<std::uint16_t>> bind_ports = {};
    std::optional<std::vector<std::uint16_t>> connect_ports = {};
    /// No connection to abstract unix sockets, or no signal to processes, outside of the container's restricted ones.
    /// Needs Linux 6.12.
    bool scope_abstract_sockets = false;
    bool scope_signals = false;

    bool operator==(const Landlock&) const = default;
};

} // namespace ct
