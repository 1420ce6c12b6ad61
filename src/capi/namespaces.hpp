// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <ct/namespaces.hpp>

namespace ct::capi {

/// Of a CLONE_NEW* flag. \throws Failure with LCTERR_NONS if it is none
[[nodiscard]] Namespace kind_of(int flag);

} // namespace ct::capi
