// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string_view>

#include <ct/error.hpp>

#include "base/unique_fd.hpp"
#include "child/handshake.hpp"

namespace ct::internal {

/// The child while it waits for the parent in Op::AwaitParent.
struct WaitingChild {
    pid_t pid;
    int pidfd;
    const Handshake& handshake;

    /// A duplicate of the descriptor that a step has left in that slot of Handshake::offered.
    /// \throws Error; EPERM if the host may not ptrace the child
    [[nodiscard]] UniqueFd take(std::size_t slot, Stage stage, std::string_view action) const;
};

} // namespace ct::internal
