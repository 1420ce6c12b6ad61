// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>

/// Fault points: places at which a test makes a start fail, or kills the host. Only in builds with tests. Plain memory,
/// so that the child may pass them, too.
namespace ct::internal {

struct Faults {
    std::uint32_t passed = 0; ///< How many points were passed, by the host and its children.
    std::uint32_t at = 0;     ///< The one that fails, from 1 on.
    std::int32_t error = 0;   ///< Its errno; or 0, then whoever gets there stays until `go`: time to kill the host.
    std::uint32_t go = 0;
};

#ifdef CT_FAULT_POINTS
inline Faults* faults = nullptr; ///< In memory that is shared with children; set by a test.

/// Whether this point is to fail.
inline bool fault_due() noexcept {
    return faults != nullptr && __atomic_add_fetch(&faults->passed, 1U, __ATOMIC_RELAXED) == faults->at;
}
#endif

} // namespace ct::internal
