// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <ct/process.hpp>
#include <ct/spec.hpp>

namespace ct::internal {

/// \throws Error for what another process could not use, such as descriptors; \p process may be null
void check_savable(const Spec& spec, const ProcessSpec* process);

} // namespace ct::internal
