// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <ct/process.hpp>

namespace ct::internal {

/// Resizes the terminal that a process has as its standard streams, whose other end somebody else holds. The process is
/// not trusted: nothing but a pseudoterminal is opened, whatever its descriptors refer to.
/// \throws Error with Errc::InvalidState if it has none
void resize_terminal_of(pid_t pid, int pidfd, TerminalSize size);

} // namespace ct::internal
