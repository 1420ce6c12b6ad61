// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <ct/network_state.hpp>

#include "net/socket.hpp"

namespace ct::internal {

/// Everything in the network namespace of \p socket. \throws Error
[[nodiscard]] NetworkState read_network(NetlinkSocket& socket);

} // namespace ct::internal
