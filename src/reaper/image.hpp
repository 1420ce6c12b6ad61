// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include "base/unique_fd.hpp"

namespace ct::internal {

/// The reaper's program in a file that exists only in memory and that nobody, root inside a container included, can
/// change. \throws Error
[[nodiscard]] UniqueFd reaper_image();

} // namespace ct::internal
