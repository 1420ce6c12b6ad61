// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

namespace ct::internal {

/// Hides the host's memory from everybody without CAP_SYS_PTRACE as long as children share it that others may look
/// into, and afterwards restores the dumpable flag (PR_SET_DUMPABLE), which the kernel may have cleared by itself when
/// such a child changed its credentials. Starts of the whole process are counted, so that none restores the flag while
/// another child is still exposed.
class MemoryGuard {
public:
    MemoryGuard() noexcept;
    MemoryGuard(const MemoryGuard&) = delete;
    MemoryGuard& operator=(const MemoryGuard&) = delete;
    ~MemoryGuard();
};

} // namespace ct::internal
