// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>

#include <ct/ct.hpp>

#include "adder.hpp"

namespace ctrun {

/// "KIND[:KEY=VALUE,...]": adds a device, and its routes. \throws std::invalid_argument
void parse_network(ct::Network& network, const std::string& text);
/// "DESTINATION[,via=ADDRESS][,dev=DEVICE]..."
ct::Route parse_route(const std::string& text);
/// The container's network.
void add_network_options(Adder& add, ct::Spec& spec);

} // namespace ctrun
