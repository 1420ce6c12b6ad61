// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <vector>

#include "plan/compile.hpp"

namespace ct::internal {

/// Moves the calling thread into the namespaces, and into the root directory \p root if that is not -1.
/// \throws Error; the thread is then where it was, unless the hint says otherwise
void switch_thread(const std::vector<NamespaceJoin>& joins, int root);

} // namespace ct::internal
