// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include "base/unique_fd.hpp"
#include "messages.hpp"
#include "monitor.hpp"
#include "options.hpp"

/// How the process that a client starts becomes a monitor in the background.
namespace ctmon {

/// The descriptor whose number the environment variable \p name has, close-on-exec; empty if there is no such variable.
/// \throws Refused
[[nodiscard]] ct::internal::UniqueFd descriptor_from(const char* name);

/// Waits until the client has written something to \p start, or has closed it. \throws Refused
void await_client(int start);

/// What the processes of this one get back: taken before it is changed.
[[nodiscard]] Inherited take_inherited();

/// Ignores SIGPIPE, ends by SIGTERM, and is the last one to be killed when memory is short.
void become_robust();

/// Goes on in the background. The process in the foreground writes the pid file, and ends with 0; or, if it cannot,
/// with 1, and nothing is left.
void go_to_background(const Options& options, const Messages& messages);

/// The reports' pipes of the environment. \throws Refused
[[nodiscard]] ClientPipes open_client_pipes(const Options& options, ct::internal::UniqueFd start);

/// /dev/null in place of the standard streams.
void drop_stdio();

/// Its own session, and the parent of orphans.
void become_supervisor();

/// Closes what was inherited for the runtime's sake.
void close_foreign_descriptors() noexcept;

} // namespace ctmon
