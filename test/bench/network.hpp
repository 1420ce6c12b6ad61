// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include "host.hpp"
#include "workloads.hpp"

namespace ct::bench {

// Each starts the bundle's /true, which stays, in new network and pid namespaces with a veth: port of a bridge,
// address, default route. What has been started is taken down afterwards, which is not measured: the kernel waits some
// 30 ms then. The host process has a network namespace of its own.

Host::Work start_networked(const Bundle& bundle);
Host::Work start_networked_with_floor(const Bundle& bundle);
/// The same, from the start to the end of everything.
Host::Work run_networked(const Bundle& bundle);
Host::Work run_networked_with_floor(const Bundle& bundle);
/// By hand: ip(8) makes a named namespace and what is in it, one command for each. Without a container.
Host::Work start_networked_with_ip(const Bundle& bundle);
/// So many starts at a time, each by a thread of its own.
Host::Work start_networked_at_once(const Bundle& bundle, int count);

} // namespace ct::bench
