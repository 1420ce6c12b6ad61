// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>

#include "child/child_ops.hpp"
#include "child/clone.hpp"
#include "child/raw_syscall.hpp"

namespace ct::internal::child {

namespace {

constexpr std::size_t StackSize = 16384;
constexpr int WaitForAll = 0x40000000; // __WALL

struct Command {
    const CommandArgs& args;
    long umask;
    long error; ///< Why it could not be executed.
};

/// The command's process until it executes its program, while this one waits.
void execute_command(void* argument) noexcept {
    Command& command = *static_cast<Command*>(argument);
    raw_syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
    raw_syscall(SYS_umask, command.umask);
    long error = command.args.directory == nullptr ? 0 : raw_syscall(SYS_chdir, command.args.directory);
    if (error >= 0) error = unblock_signals();
    if (error >= 0) error = raw_syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC);
    if (error >= 0) {
        error = -ENOENT;
        for (const char* const* path = command.args.candidates; *path != nullptr; ++path) {
            const long result = raw_syscall(SYS_execve, *path, command.args.argv, command.args.envp);
            // As execvp(3) does: look on, but do not forget what could not be executed.
            if (result != -ENOENT && result != -ENOTDIR) error = result;
            if (result != -ENOENT && result != -ENOTDIR && result != -EACCES) break;
        }
    }
    command.error = error;
    for (;;) raw_syscall(SYS_exit_group, 127);
}

/// \param status  as waitpid(2) has it
long judge(Context& context, std::uint32_t status) noexcept {
    context.handshake.candidate = status;
    return status == 0 ? 0 : -ECANCELED;
}

} // namespace

long run_command(Context& context, const CommandArgs& args) noexcept {
    alignas(16) std::byte stack[StackSize];
    Command command{args, context.umask, 0};
    clone_args request;
    auto* const words = reinterpret_cast<std::uint64_t*>(&request);
    for (std::size_t i = 0; i < sizeof request / sizeof *words; ++i) words[i] = 0;
    request.flags = CLONE_VM | CLONE_VFORK;
    request.exit_signal = SIGCHLD;
    request.stack = reinterpret_cast<std::uintptr_t>(stack);
    request.stack_size = sizeof stack;
    const long pid = clone_onto_stack(&request, execute_command, &command);
    if (pid < 0) return pid;
    int status = 0;
    long waited;
    do {
        waited = raw_syscall(SYS_wait4, pid, &status, WaitForAll, nullptr);
    } while (waited == -EINTR);
    if (command.error < 0) return command.error;
    return waited < 0 ? waited : judge(context, static_cast<std::uint32_t>(status));
}

long run_callable(Context& context, const CallableArgs& args) noexcept {
    raw_syscall(SYS_umask, context.umask);
    const int status = args.call(args.callable);
    context.umask = raw_syscall(SYS_umask, 0);
    if (context.home_fd >= 0) raw_syscall(SYS_fchdir, context.home_fd);
    return judge(context, (static_cast<std::uint32_t>(status) & 0xffU) << 8U);
}

} // namespace ct::internal::child
