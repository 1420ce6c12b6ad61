// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <mutex>
#include <vector>

#include "base/unique_fd.hpp"

namespace ct::internal {

/// A small block of low descriptor numbers, reserved when the session opens.
///
/// A child copies the host's descriptor table up to the highest number that it needs. In a host with 15 000
/// descriptors a new pipe has number 15 000, and the copy costs as much as all the rest of a start. So descriptors for
/// a child are first duplicated to a reserved number. When all are in use the high number has to do.
class LowFds {
public:
    /// \throws Error if /dev/null cannot be opened
    LowFds();
    LowFds(const LowFds&) = delete;
    LowFds& operator=(const LowFds&) = delete;
    ~LowFds();

    /// /dev/null, open for reading and writing, at a low number.
    [[nodiscard]] int null() const noexcept { return null_.get(); }

    /// Descriptors for one child.
    class Lease {
    public:
        explicit Lease(LowFds& owner) : owner_(owner) {}
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        ~Lease();

        /// A number at which \p fd is open until the lease ends: a low one, or \p fd itself.
        [[nodiscard]] int low(int fd);

    private:
        LowFds& owner_;
        std::vector<int> slots_;
    };

private:
    UniqueFd null_;
    std::mutex mutex_;
    std::vector<int> free_; ///< Reserved numbers; each holds a duplicate of null_.
};

} // namespace ct::internal
