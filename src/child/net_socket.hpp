// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>

namespace ct::internal::child {

/// A process in the host's memory and descriptor table that makes a socket in another network namespace and ends: the
/// socket is the host's then, none of whose threads has ever left its own namespace.
struct NetSocketPlan {
    int net;             ///< The network namespace.
    int user;            ///< The user namespace to join before it, or -1.
    int type;            ///< Of the socket, with flags.
    std::int32_t result; ///< Outcome: the descriptor, or -errno.
};

/// The whole life of that process: entry for clone_onto_stack(), \p plan is a `NetSocketPlan*`.
void run_net_socket(void* plan) noexcept;

} // namespace ct::internal::child
