// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "child/tool.hpp"

#include <linux/prctl.h>
#include <sys/syscall.h>

#include "child/raw_syscall.hpp"

namespace ct::internal::child {

void run_keeper(void* argument) noexcept {
    Command& command = *static_cast<Command*>(argument);
    command.ends_orphans = raw_syscall(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) >= 0;
    run(command);
    for (;;) raw_syscall(SYS_exit_group, 127);
}

} // namespace ct::internal::child
