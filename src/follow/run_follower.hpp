// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>

#include "base/unique_fd.hpp"
#include "state/store.hpp"

namespace ct::internal {

/// Tells when the run of a container is over that somebody else looks after.
class RunFollower {
public:
    enum class Status {
        Live,
        Ended,
        Orphaned, ///< Whoever looks after it is gone, but the container goes on.
    };

    /// \throws Error
    RunFollower(const Store& store, const StoredRecord& present);

    [[nodiscard]] Status status();
    /// Readable when status() may have changed.
    [[nodiscard]] int changes() const noexcept { return watch_.get(); }
    /// Readable when whoever looks after it is gone; none if that is so already.
    [[nodiscard]] int owner() const noexcept { return owner_.get(); }

private:
    [[nodiscard]] Status look() const;

    const Store& store_;
    const Record record_;
    UniqueFd watch_;
    UniqueFd owner_;
    Status status_ = Status::Live;
};

} // namespace ct::internal
