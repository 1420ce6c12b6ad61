// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include "base/unique_fd.hpp"

namespace ct::internal {

/// A socket of rtnetlink(7) in the network namespace \p net, made by a short-lived process: the calling thread stays
/// where it is.
/// \param user  the user namespace that owns \p net, in case that only its own root may enter it; or -1
/// \throws Error
[[nodiscard]] UniqueFd open_netlink_in(int net, int user = -1);

} // namespace ct::internal
