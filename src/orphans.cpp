// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "orphans.hpp"

#include <new>

#include "launch/exit_status.hpp"

namespace ct::internal {

void Orphans::add(UniqueFd pidfd) noexcept {
    const std::lock_guard lock(mutex_);
    try {
        pidfds_.push_back(std::move(pidfd));
    } catch (const std::bad_alloc&) {
        // A zombie until the host process ends, then.
    }
}

void Orphans::sweep() noexcept {
    const std::lock_guard lock(mutex_);
    std::erase_if(pidfds_, [](const UniqueFd& pidfd) {
        if (!wait_until_ended(pidfd.get(), std::chrono::nanoseconds(0))) return false;
        (void)reap(pidfd.get());
        return true;
    });
}

} // namespace ct::internal
