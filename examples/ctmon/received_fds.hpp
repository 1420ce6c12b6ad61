// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/socket.h>

#include <cstring>
#include <vector>

#include "base/unique_fd.hpp"

namespace ctmon {

/// The descriptors that came with a message.
inline std::vector<ct::internal::UniqueFd> take_descriptors(msghdr& message) {
    std::vector<ct::internal::UniqueFd> all;
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        for (std::size_t at = CMSG_LEN(0); at + sizeof(int) <= part->cmsg_len; at += sizeof(int)) {
            int fd = -1;
            std::memcpy(&fd, reinterpret_cast<const char*>(part) + at, sizeof fd);
            all.emplace_back(fd);
        }
    }
    return all;
}

} // namespace ctmon
