// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/syscall.h>

#include "child/raw_syscall.hpp"

namespace ct::internal::child {

/// Closes the descriptor at the end of the scope.
class ScopedFd {
public:
    explicit ScopedFd(long fd) noexcept : fd_(fd) {}
    ScopedFd(const ScopedFd&) = delete;
    ScopedFd& operator=(const ScopedFd&) = delete;
    ~ScopedFd() {
        if (fd_ >= 0) raw_syscall(SYS_close, fd_);
    }
    [[nodiscard]] long get() const noexcept { return fd_; }
    [[nodiscard]] long release() noexcept {
        const long fd = fd_;
        fd_ = -1;
        return fd;
    }

private:
    long fd_;
};

} // namespace ct::internal::child
