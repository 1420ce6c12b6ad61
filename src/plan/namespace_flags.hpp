// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>

#include <ct/spec.hpp>

namespace ct::internal {

/// The CLONE_NEW* flag of a kind.
[[nodiscard]] std::uint64_t namespace_flag(Namespace kind) noexcept;

/// The flags of all kinds that the specification makes or joins.
[[nodiscard]] std::uint64_t namespace_flags(const Spec& spec) noexcept;
/// Whether it joins any.
[[nodiscard]] bool joins_namespaces(const Spec& spec) noexcept;

} // namespace ct::internal
