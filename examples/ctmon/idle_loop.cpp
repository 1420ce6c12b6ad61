// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "idle_loop.hpp"

#include <link.h>
#include <malloc.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace ctmon {

namespace {

constexpr int Patience = 1000; ///< Milliseconds.

/// Unmaps the pages of the program that were read: they stay in the page cache, and come back when they are needed.
int forget_program(dl_phdr_info* program, std::size_t, void*) {
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    for (int i = 0; i < program->dlpi_phnum; ++i) {
        const auto& segment = program->dlpi_phdr[i];
        if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
        const std::uintptr_t begin = (program->dlpi_addr + segment.p_vaddr) & ~(page - 1);
        const std::uintptr_t end = program->dlpi_addr + segment.p_vaddr + segment.p_memsz;
        (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED); // NOLINT: an address
    }
    return 0;
}

} // namespace

void IdleLoop::shrink() noexcept {
    scratches_.trim();
    (void)::malloc_trim(0);
    (void)::dl_iterate_phdr(forget_program, nullptr);
    small_ = true;
}

void IdleLoop::turn() {
    pollfd ready{loop_.fd(), POLLIN, 0};
    if (::poll(&ready, 1, small_ ? -1 : Patience) > 0) {
        small_ = false;
        loop_.dispatch();
    } else if (!small_) {
        shrink();
    }
}

} // namespace ctmon
