// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>

#include <ct/namespaces.hpp>

namespace ct::internal {

/// The CLONE_NEW* flag of a kind.
[[nodiscard]] std::uint64_t namespace_flag(Namespace kind) noexcept;

} // namespace ct::internal
