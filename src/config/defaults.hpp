// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <array>
#include <vector>

#include <ct/spec.hpp>

/// What the default mounts and devices of a container are. Pure functions.
namespace ct::internal {

/// All mounts of a container; the default devices are made between the two groups.
struct MountOrder {
    std::vector<Mount> before_devices; ///< The default ones, or what the specification put in their place.
    std::vector<Mount> after_devices;
};
/// \param host_has_mqueue  whether there is a /dev/mqueue to bind where a fresh one is refused
[[nodiscard]] MountOrder order_mounts(const Spec& spec, bool host_has_mqueue);

/// Where a container sees its cgroups, see CgroupMount.
inline constexpr const char* CgroupPlace = "/sys/fs/cgroup";

struct DefaultDevice {
    const char* name; ///< In /dev.
    unsigned major;
    unsigned minor;
};
inline constexpr std::array DefaultDevices{
    DefaultDevice{"null", 1, 3},   DefaultDevice{"zero", 1, 5},    DefaultDevice{"full", 1, 7},
    DefaultDevice{"random", 1, 8}, DefaultDevice{"urandom", 1, 9}, DefaultDevice{"tty", 5, 0},
};

struct DefaultLink {
    const char* name; ///< In /dev.
    const char* content;
};
inline constexpr std::array DefaultLinks{
    DefaultLink{"fd", "/proc/self/fd"},       DefaultLink{"stdin", "/proc/self/fd/0"},
    DefaultLink{"stdout", "/proc/self/fd/1"}, DefaultLink{"stderr", "/proc/self/fd/2"},
    DefaultLink{"ptmx", "pts/ptmx"},
};

} // namespace ct::internal
