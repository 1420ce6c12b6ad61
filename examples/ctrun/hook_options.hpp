// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <ct/ct.hpp>

#include "adder.hpp"

namespace ctrun {

void add_hook_options(Adder& add, ct::Spec& spec);

} // namespace ctrun
