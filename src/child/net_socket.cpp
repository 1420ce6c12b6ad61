// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "child/net_socket.hpp"

#include <linux/netlink.h>
#include <linux/sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "child/raw_syscall.hpp"

namespace ct::internal::child {

namespace {

long open_socket(const NetSocketPlan& plan) noexcept {
    if (plan.user >= 0) {
        const long error = raw_syscall(SYS_setns, plan.user, CLONE_NEWUSER);
        if (error < 0) return error;
    }
    const long error = raw_syscall(SYS_setns, plan.net, CLONE_NEWNET);
    if (error < 0) return error;
    return raw_syscall(SYS_socket, AF_NETLINK, plan.type, NETLINK_ROUTE);
}

} // namespace

void run_net_socket(void* argument) noexcept {
    auto& plan = *static_cast<NetSocketPlan*>(argument);
    plan.result = static_cast<std::int32_t>(open_socket(plan));
    for (;;) raw_syscall(SYS_exit_group, 0);
}

} // namespace ct::internal::child
