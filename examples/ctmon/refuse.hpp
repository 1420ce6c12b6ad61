// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include "base/concat.hpp"
#include "options.hpp"

namespace ctmon {

/// Refuses a command line for what it means, not for how it is written.
template <typename... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
    throw Refused(ct::internal::concat("[conmon:e]: ", parts...));
}

} // namespace ctmon
