// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <ct/bridge.hpp>

namespace ct::internal {

/// Whether nobody in the calling thread's network namespace listens on these ports.
/// \param ipv6  whether it is for that family
/// \throws Error with EADDRINUSE; EADDRNOTAVAIL for an address that is none of the host's
void check_host_ports(const PublishedPort& port, bool ipv6);

} // namespace ct::internal
