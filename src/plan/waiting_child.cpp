// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "plan/waiting_child.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/sys.hpp"

namespace ct::internal {

UniqueFd WaitingChild::take(std::size_t slot, Stage stage, std::string_view action) const {
    const int offered = slot < Handshake::MaxOffered ? handshake.offered[slot] : -1;
    UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd, offered, 0)));
    if (!fd) throw sys::error(errno, stage, action);
    return sys::above_stdio(std::move(fd), stage, action);
}

} // namespace ct::internal
