// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include "child/command.hpp"

namespace ct::internal::child {

/// The whole life of the keeper of a host's program: entry for clone_onto_stack(), \p command is a `Command*`. The
/// keeper, a process in the host's memory and descriptor table, makes and awaits the program: so the host has no child
/// that its own waiting or SIGCHLD handler would see.
void run_keeper(void* command) noexcept;

} // namespace ct::internal::child
