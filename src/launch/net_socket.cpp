// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/net_socket.hpp"

#include <linux/sched.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <optional>

#include "base/signals_blocked.hpp"
#include "base/sys.hpp"
#include "child/clone.hpp"
#include "child/net_socket.hpp"
#include "launch/memory_guard.hpp"

namespace ct::internal {

namespace {

constexpr std::string_view Action = "open a socket in the network namespace";

/// \returns the descriptor, or -errno
int try_open(int net, int user) {
    // With the user namespace the process gets other credentials, and others there might look into it.
    const auto guard = user >= 0 ? std::optional<MemoryGuard>(std::in_place) : std::nullopt;
    child::NetSocketPlan plan{net, user, SOCK_RAW | SOCK_CLOEXEC, -ECHILD};
    alignas(16) std::array<std::byte, 8192> stack; // this thread waits, and needs none of its own meanwhile
    clone_args args{};
    args.flags = CLONE_VM | CLONE_FILES | CLONE_VFORK | CLONE_CLEAR_SIGHAND;
    args.stack = reinterpret_cast<std::uintptr_t>(stack.data());
    args.stack_size = stack.size();
    const SignalsBlocked blocked;
    const long pid = child::clone_onto_stack(&args, child::run_net_socket, &plan);
    if (pid < 0) return static_cast<int>(pid);
    while (::waitpid(static_cast<pid_t>(pid), nullptr, __WALL) < 0 && errno == EINTR) continue;
    return plan.result;
}

} // namespace

UniqueFd open_netlink_in(int net, int user) {
    sys::fault_point(Stage::Network, Action);
    int result = try_open(net, -1);
    if (result == -EPERM && user >= 0) result = try_open(net, user);
    if (result == -ECHILD) throw Error(Errc::ChildDied, Stage::Network, Action);
    if (result < 0) {
        throw sys::error(-result, Stage::Network, Action, {},
                         result == -EPERM ? "needs CAP_SYS_ADMIN in the user namespace that owns it" : "");
    }
    return sys::above_stdio(UniqueFd(result), Stage::Network, Action);
}

} // namespace ct::internal
