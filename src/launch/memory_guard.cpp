// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/memory_guard.hpp"

#include <sys/prctl.h>

#include <mutex>

namespace ct::internal {

namespace {

struct Shared {
    std::mutex mutex;
    unsigned guards = 0;
    int dumpable = 0; ///< What the first guard found.
};

Shared& shared() {
    static Shared instance;
    return instance;
}

} // namespace

MemoryGuard::MemoryGuard() noexcept {
    Shared& state = shared();
    const std::lock_guard lock(state.mutex);
    if (state.guards++ > 0) return;
    state.dumpable = ::prctl(PR_GET_DUMPABLE);
    ::prctl(PR_SET_DUMPABLE, 0);
}

MemoryGuard::~MemoryGuard() {
    Shared& state = shared();
    const std::lock_guard lock(state.mutex);
    // 2 (readable by root only) cannot be set; whoever had it is left with the stricter 0.
    if (--state.guards == 0 && state.dumpable == 1) ::prctl(PR_SET_DUMPABLE, 1);
}

} // namespace ct::internal
