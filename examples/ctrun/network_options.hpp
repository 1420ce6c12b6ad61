// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <ct/ct.hpp>

#include "adder.hpp"

namespace ctrun {

/// The container's network.
void add_network_options(Adder& add, ct::Spec& spec);

} // namespace ctrun
