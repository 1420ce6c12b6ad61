// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/syscall.h>

#include <cerrno>
#include <initializer_list>

#include "child/child_ops.hpp"
#include "child/command.hpp"
#include "child/raw_syscall.hpp"
#include "child/scoped_fd.hpp"

namespace ct::internal::child {

namespace {

constexpr std::size_t StackSize = 16384;

/// \param status  as waitpid(2) has it
long judge(Context& context, std::uint32_t status) noexcept {
    context.handshake.candidate = status;
    return status == 0 ? 0 : -ECANCELED;
}

/// \p fd, or a duplicate of it if it is one of the standard streams.
long above_streams(long fd) noexcept {
    if (fd < 0 || fd > 2) return fd;
    const long copy = raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
    raw_syscall(SYS_close, fd);
    return copy;
}

long write_all(long fd, const char* text, std::size_t length) noexcept {
    for (std::size_t done = 0; done < length;) {
        const long written = raw_syscall(SYS_write, fd, text + done, length - done);
        if (written < 0 && written != -EINTR) return written;
        if (written > 0) done += static_cast<std::size_t>(written);
    }
    return 0;
}

/// \returns a file with the container's state, and the pid of this process as it sees itself
long open_state(const CommandArgs& args) noexcept {
    const long fd = above_streams(raw_syscall(SYS_memfd_create, "hook-state", MFD_CLOEXEC));
    if (fd < 0) return fd;
    char number[24];
    write_number(number, raw_syscall(SYS_getpid));
    long error = write_all(fd, args.state, args.state_length);
    if (error >= 0) error = write_all(fd, number, __builtin_strlen(number));
    if (error >= 0) error = write_all(fd, "}\n", 2);
    if (error >= 0) error = raw_syscall(SYS_lseek, fd, 0, 0);
    if (error >= 0) return fd;
    raw_syscall(SYS_close, fd);
    return error;
}

/// The last of what it wrote to its standard error, for the parent's sentence.
void keep_text(Handshake& handshake, const Command& command) noexcept {
    const std::size_t room = sizeof handshake.message - 1;
    const std::size_t length = command.text_length < room ? command.text_length : room;
    __builtin_memcpy(handshake.message, command.text + command.text_length - length, length);
    handshake.message[length] = '\0';
}

long outcome(Context& context, const Command& command) noexcept {
    if (command.error != 0) return -command.error;
    long error = command.late ? -ETIMEDOUT : -ECHILD;
    if (command.awaited && !command.late) error = judge(context, static_cast<std::uint32_t>(command.status));
    if (error < 0) keep_text(context.handshake, command);
    return error;
}

/// With standard streams of its own.
long run_with_state(Context& context, const CommandArgs& args, Command& command) noexcept {
    const ScopedFd state(open_state(args));
    const ScopedFd output(above_streams(raw_syscall(SYS_openat, AT_FDCWD, "/dev/null", O_WRONLY | O_CLOEXEC)));
    int ends[2]{-1, -1};
    const long piped = raw_syscall(SYS_pipe2, ends, O_CLOEXEC | O_NONBLOCK);
    if (piped < 0) return piped;
    const ScopedFd errors(above_streams(ends[0]));
    const ScopedFd writer(above_streams(ends[1]));
    for (const ScopedFd* fd : {&state, &output, &errors, &writer}) {
        if (fd->get() < 0) return fd->get();
    }
    raw_syscall(SYS_fcntl, writer.get(), F_SETFL, 0); // only the reader must not block
    command.streams[0] = static_cast<std::int32_t>(state.get());
    command.streams[1] = static_cast<std::int32_t>(output.get());
    command.streams[2] = static_cast<std::int32_t>(writer.get());
    command.errors = static_cast<std::int32_t>(errors.get());
    command.new_session = true;
    command.time_limit = args.time_limit;
    command.host_pidfd = context.handshake.host_pidfd;
    run(command);
    return outcome(context, command);
}

} // namespace

long run_command(Context& context, const CommandArgs& args) noexcept {
    alignas(16) std::byte stack[StackSize];
    Command command{.candidates = args.candidates, .argv = args.argv, .envp = args.envp};
    command.directory = args.directory;
    command.umask = context.umask;
    command.stack = stack;
    command.stack_size = sizeof stack;
    if (args.state != nullptr) return run_with_state(context, args, command);
    run(command);
    return outcome(context, command);
}

long run_callable(Context& context, const CallableArgs& args) noexcept {
    raw_syscall(SYS_umask, context.umask);
    const int status = args.call(args.callable);
    context.umask = raw_syscall(SYS_umask, 0);
    if (context.home_fd >= 0) raw_syscall(SYS_fchdir, context.home_fd);
    return judge(context, (static_cast<std::uint32_t>(status) & 0xffU) << 8U);
}

} // namespace ct::internal::child
