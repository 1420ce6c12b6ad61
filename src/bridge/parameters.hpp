// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>

#include "net/socket.hpp"
#include "state/network_record.hpp"

/// Files of /proc/sys in the calling thread's network namespace, each given from "net/" on.
namespace ct::internal {

/// Whether it says 0. One that is not there yet will.
[[nodiscard]] bool is_off(const std::string& file);
/// What there is to know in order to switch it back. \param socket  of that namespace
[[nodiscard]] SwitchedOn look_at_parameter(const std::string& file, NetlinkSocket& socket);
void switch_on(const std::string& file);
/// With what the kernel changes along with it. One that is gone needs nothing.
void switch_back(const SwitchedOn& parameter);

} // namespace ct::internal
