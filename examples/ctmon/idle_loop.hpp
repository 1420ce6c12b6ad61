// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include "log/scratch.hpp"
#include "monitor/loop.hpp"

namespace ctmon {

/// Waits for what is due, and gives memory back when there is nothing to do for a while: an idle monitor sleeps, and is
/// small.
class IdleLoop {
public:
    IdleLoop(ct::internal::Loop& loop, ct::internal::ScratchPool& scratches) : loop_(loop), scratches_(scratches) {}
    /// Blocks until something was dispatched, or memory was given back.
    void turn();

private:
    void shrink() noexcept;

    ct::internal::Loop& loop_;
    ct::internal::ScratchPool& scratches_;
    bool small_ = false;
};

} // namespace ctmon
