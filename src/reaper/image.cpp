// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "reaper/image.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "base/concat.hpp"
#include "base/sys.hpp"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

extern "C" const char ct_reaper_begin[];
extern "C" const char ct_reaper_end[];

namespace ct::internal {

UniqueFd reaper_image() {
    constexpr const char* action = "make the reaper's program in memory";
    sys::fault_point(Stage::Launch, action);
    constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    UniqueFd fd(::memfd_create("reaper", flags | MFD_EXEC));
    if (!fd && errno == EINVAL) fd.reset(::memfd_create("reaper", flags)); // before Linux 6.3
    if (!fd) {
        throw sys::error(errno, Stage::Launch, action, {},
                         errno == EACCES ? "the sysctl vm.memfd_noexec forbids programs in memory" : "");
    }
    for (const char* at = ct_reaper_begin; at < ct_reaper_end;) {
        const ssize_t written = ::write(fd.get(), at, static_cast<std::size_t>(ct_reaper_end - at));
        if (written < 0) throw sys::error(errno, Stage::Launch, action);
        at += written;
    }
    constexpr int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    if (::fcntl(fd.get(), F_ADD_SEALS, seals) < 0) throw sys::error(errno, Stage::Launch, action);
    // A program that is open for writing is not executed (ETXTBSY).
    return sys::open(concat("/proc/self/fd/", fd.get()), O_RDONLY, Stage::Launch, action);
}

} // namespace ct::internal
