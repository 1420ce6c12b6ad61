// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/low_fds.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/sys.hpp"

namespace ct::internal {

namespace {

constexpr std::size_t Reserved = 15;
constexpr int LowEnough = 256; ///< Below this a copied table costs next to nothing.

} // namespace

LowFds::LowFds() : null_(sys::open("/dev/null", O_RDWR, Stage::Session)) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < LowEnough) return; // none to spare
    free_.reserve(Reserved);
    while (free_.size() < Reserved) {
        const int slot = ::fcntl(null_.get(), F_DUPFD_CLOEXEC, 3);
        if (slot < 0) break;
        if (slot >= LowEnough) {
            ::close(slot);
            break;
        }
        free_.push_back(slot);
    }
}

LowFds::~LowFds() {
    for (const int slot : free_) ::close(slot);
}

int LowFds::Lease::low(int fd) {
    if (fd < LowEnough) return fd;
    int slot;
    {
        const std::lock_guard lock(owner_.mutex_);
        if (owner_.free_.empty()) return fd;
        slot = owner_.free_.back();
        owner_.free_.pop_back();
    }
    slots_.push_back(slot);
    return ::dup3(fd, slot, O_CLOEXEC) < 0 ? fd : slot;
}

LowFds::Lease::~Lease() {
    for (const int slot : slots_) {
        // Only a placeholder again, so that it keeps no pipe open.
        ::dup3(owner_.null_.get(), slot, O_CLOEXEC);
    }
    const std::lock_guard lock(owner_.mutex_);
    owner_.free_.insert(owner_.free_.end(), slots_.begin(), slots_.end());
}

} // namespace ct::internal
