// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cerrno>
#include <initializer_list>
#include <system_error>
#include <vector>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

namespace ct::test {

/// What mounts were made with from Linux 5.2 on, and changed with from 5.12 on.
inline constexpr std::initializer_list<int> NewMountCalls{SYS_open_tree, SYS_move_mount, SYS_fsopen,       SYS_fsconfig,
                                                          SYS_fsmount,   SYS_fspick,     SYS_mount_setattr};

/// Makes system calls fail with \p error from now on, as on an old kernel (ENOSYS) or under somebody's filter (EPERM).
/// For this process for good, and for all that come from it: only for passes_in_child().
inline void lose_calls(std::initializer_list<int> calls, unsigned error) {
    std::vector<sock_filter> filter;
    filter.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0)); // seccomp_data::nr
    for (const int call : calls) {
        filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 1));
        filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error));
    }
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        throw std::system_error{errno, std::system_category(), "set a seccomp filter"};
    }
}

} // namespace ct::test
