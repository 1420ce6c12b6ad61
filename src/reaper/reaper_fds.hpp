// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

namespace ct::internal {

/// The descriptors with which the reaper starts, besides /dev/null as 0, 1 and 2.
inline constexpr int StatusFd = 3;
inline constexpr int ProgramFd = 4; ///< Itself.

} // namespace ct::internal
