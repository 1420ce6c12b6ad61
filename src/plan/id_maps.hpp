// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <ct/spec.hpp>

#include "plan/compile.hpp"

namespace ct::internal {

/// Whether a map of the new user namespace is more than the kernel lets this caller write, so that newuidmap(1) or
/// newgidmap(1) has to.
[[nodiscard]] bool uses_map_helpers(const Spec& spec, const HostFacts& host);

} // namespace ct::internal
