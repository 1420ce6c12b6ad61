// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <linux/sched.h>

#include "child/child_plan.hpp"

namespace ct::internal::child {

/// Makes the calling process the one that the handshake is about: its exec or death is seen by the parent.
void adopt_handshake(Handshake& handshake) noexcept;

/// Has this process killed when the parent's thread ends. \returns -ESRCH if the parent has ended already
long die_with_parent(const Handshake& handshake) noexcept;

/// Tells the parent that a new phase has begun.
void announce(Handshake& handshake, Handshake::Phase phase) noexcept;

/// Waits until the parent has done what it owes the child at this \p moment.
long await_parent(Handshake& handshake, Await moment) noexcept;

/// Tells the parent that nothing more will come; for a helper that has failed.
void give_up(Handshake& handshake) noexcept;

/// Performs \p steps in order, from \p first on. Returns only when none of them is Op::Exec: true, or false if one
/// failed, which then stands in the handshake.
bool perform_steps(const StepList& steps, Handshake& handshake, std::uint32_t first = 0) noexcept;

/// The whole life of a child up to exec: entry for clone_onto_stack(), \p plan is a `const ChildPlan*`.
void run_child(void* plan) noexcept;

/// A helper joins namespaces, which only a child of its own then is in completely, and makes that child.
struct HelperPlan {
    StepList steps; ///< Joins, in the host's descriptor table.
    clone_args clone;
    ChildPlan child;
};

/// Entry for clone_onto_stack(), \p plan is a `HelperPlan*`.
void run_helper(void* plan) noexcept;

} // namespace ct::internal::child
