// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstddef>

#include "child/child_ops.hpp"
#include "child/raw_syscall.hpp"

/// What the operations on files have in common.
namespace ct::internal::child {

inline constexpr int AtRecursive = 0x8000; // AT_RECURSIVE, from <linux/fcntl.h>, which <fcntl.h> excludes

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

private:
    long fd_;
};

/// Opens \p path with \p root as "/": neither ".." nor a symbolic link, nor a rename under way, leads out of it.
long open_in(long root, const char* path, std::uint64_t flags) noexcept;

/// Opens a mount's target inside the root, creating what is missing of it.
long open_target(Context& context, const char* target, bool is_file) noexcept;

long set_attributes(long tree, std::uint64_t attributes, bool recursive) noexcept;

/// A copy of the tree at \p source, mounted nowhere yet.
long copied_tree(const char* source, bool recursive) noexcept;

long attach(long tree, long target) noexcept;

} // namespace ct::internal::child
