// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string_view>

#include <ct/error.hpp>

namespace ct::internal {

/// A function of libsystemd, which is loaded by the first who needs one.
/// \throws Error with Errc::Unsupported; \p stage and \p action are as there
[[nodiscard]] void* find_in_libsystemd(const char* name, Stage stage, std::string_view action);

} // namespace ct::internal
