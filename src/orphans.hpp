// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <mutex>
#include <vector>

#include "base/unique_fd.hpp"

namespace ct::internal {

/// Processes whose handles are gone before they were waited for: reaped at the next occasion, so that no zombie stays.
class Orphans {
public:
    void add(UniqueFd pidfd) noexcept;
    /// Reaps those that have ended; never blocks.
    void sweep() noexcept;

private:
    std::mutex mutex_;
    std::vector<UniqueFd> pidfds_;
};

} // namespace ct::internal
