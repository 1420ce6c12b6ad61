// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "child/command.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/prctl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>

#include <cerrno>
#include <csignal>

#include "child/child_ops.hpp"
#include "child/clone.hpp"
#include "child/raw_syscall.hpp"

namespace ct::internal::child {

namespace {

constexpr int AllChildren = 0x40000000; // __WALL
constexpr int NoHang = 1;               // WNOHANG
constexpr std::int64_t Second = 1'000'000'000;

/// Of the program's process: moves what it gets to where it belongs, and closes all else.
long take_streams(const Command& command) noexcept {
    int last = 2;
    for (const std::int32_t fd : command.streams) last = fd > last ? fd : last;
    long error = raw_syscall(SYS_close_range, last + 1, ~0U, CLOSE_RANGE_UNSHARE);
    for (int fd = 0; fd < 3 && error >= 0; ++fd) {
        if (command.streams[fd] >= 0) error = raw_syscall(SYS_dup3, command.streams[fd], fd, 0);
    }
    return error < 0 ? error : raw_syscall(SYS_close_range, 3, ~0U, 0);
}

long execute_one(const Command& command) noexcept {
    long error = -ENOENT;
    for (const char* const* path = command.candidates; *path != nullptr; ++path) {
        const long result = raw_syscall(SYS_execve, *path, command.argv, command.envp);
        // As execvp(3) does: look on, but do not forget what could not be executed.
        if (result != -ENOENT && result != -ENOTDIR) error = result;
        if (result != -ENOENT && result != -ENOTDIR && result != -EACCES) break;
    }
    return error;
}

/// The program's process until it executes its program, while the supervisor waits.
void execute(void* argument) noexcept {
    Command& command = *static_cast<Command*>(argument);
    long error = raw_syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
    if (error >= 0 && command.new_session) error = raw_syscall(SYS_setsid);
    if (error >= 0 && command.umask >= 0) error = raw_syscall(SYS_umask, command.umask);
    if (error >= 0 && command.directory != nullptr) error = raw_syscall(SYS_chdir, command.directory);
    if (error >= 0) error = take_streams(command);
    if (error >= 0) error = reset_signals();
    if (error >= 0) error = unblock_signals();
    if (error >= 0) error = execute_one(command);
    command.error = static_cast<std::int32_t>(-error);
    for (;;) raw_syscall(SYS_exit_group, 127);
}

std::int64_t now() noexcept {
    timespec time{};
    raw_syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
    return time.tv_sec * Second + time.tv_nsec;
}

/// \returns false at the end of the stream, or after an error
bool read_text(Command& command) noexcept {
    if (command.text_length == sizeof command.text) {
        __builtin_memmove(command.text, command.text + Command::TextSize, Command::TextSize);
        command.text_length = Command::TextSize;
    }
    const long got = raw_syscall(SYS_read, command.errors, command.text + command.text_length,
                                 sizeof command.text - command.text_length);
    if (got > 0) command.text_length += static_cast<std::uint32_t>(got);
    return got > 0 || got == -EAGAIN || got == -EINTR;
}

/// What was there at the end; what a daemon still writes is not waited for.
void read_rest(Command& command) noexcept {
    for (int turn = 0; turn < 256; ++turn) {
        const std::uint32_t before = command.text_length;
        if (!read_text(command) || (command.text_length == before && before < sizeof command.text)) return;
    }
}

/// Reaps what has ended. \returns whether children are left
bool reap_ended(Command& command, long pid, bool all) noexcept {
    for (;;) {
        std::int32_t status = 0;
        const long ended = raw_syscall(SYS_wait4, all ? -1 : pid, &status, AllChildren | NoHang, nullptr);
        if (ended == pid) {
            command.status = status;
            command.awaited = true;
        }
        if (ended == -EINTR || (ended > 0 && all)) continue;
        return ended == 0;
    }
}

void kill_with_group(long pid) noexcept {
    const long group = raw_syscall(SYS_getpgid, pid);
    raw_syscall(SYS_kill, pid, SIGKILL);
    // Who is below has made its own session, or is in that of the program: never the supervisor's.
    if (group > 1 && group != raw_syscall(SYS_getpgid, 0)) raw_syscall(SYS_kill, -group, SIGKILL);
}

/// Of this process, as long as they are not reaped.
void kill_children() noexcept {
    const long list = raw_syscall(SYS_openat, AT_FDCWD, "/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    if (list < 0) return; // a kernel or a host without it
    char text[512];
    long pid = 0;
    for (long length; (length = raw_syscall(SYS_read, list, text, sizeof text)) > 0;) {
        for (long at = 0; at < length; ++at) {
            if (text[at] >= '0' && text[at] <= '9') {
                pid = pid * 10 + (text[at] - '0');
            } else if (pid > 0) {
                kill_with_group(pid);
                pid = 0;
            }
        }
    }
    raw_syscall(SYS_close, list);
}

/// Those whose parents are killed become children of a subreaper, one generation after the other; those that nothing
/// can end at once are left.
void end_all(Command& command, long pid) noexcept {
    kill_with_group(pid);
    for (int round = 0; round < 2000 && reap_ended(command, pid, command.ends_orphans); ++round) {
        if (command.ends_orphans) kill_children();
        const timespec moment{0, 500'000};
        raw_syscall(SYS_nanosleep, &moment, nullptr);
    }
}

void supervise(Command& command, long pid) noexcept {
    const std::int64_t deadline = command.time_limit == 0 ? INT64_MAX : now() + command.time_limit;
    std::int32_t errors = command.errors;
    for (;;) {
        pollfd fds[3]{{command.pidfd, POLLIN, 0}, {errors, POLLIN, 0}, {command.host_pidfd, POLLIN, 0}};
        const std::int64_t left = command.time_limit == 0 ? 0 : deadline - now();
        timespec limit{left > 0 ? left / Second : 0, left > 0 ? left % Second : 0};
        const long ready = raw_syscall(SYS_ppoll, fds, 3, command.time_limit == 0 ? nullptr : &limit, nullptr, 0);
        if (ready > 0 && fds[1].revents != 0 && !read_text(command)) errors = -1;
        if (ready > 0 && (fds[0].revents & POLLIN) != 0) break;
        const bool orphaned = ready > 0 && fds[2].revents != 0;
        command.late = command.time_limit != 0 && now() >= deadline;
        if (!orphaned && !command.late && (ready >= 0 || ready == -EINTR)) continue;
        end_all(command, pid);
        break;
    }
    (void)reap_ended(command, pid, false);
    if (errors >= 0) read_rest(command);
}

} // namespace

void run(Command& command) noexcept {
    clone_args request;
    __builtin_memset(&request, 0, sizeof request);
    request.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD;
    if (command.shares_descriptors) request.flags |= CLONE_FILES;
    request.exit_signal = SIGCHLD;
    request.pidfd = reinterpret_cast<std::uintptr_t>(&command.pidfd);
    request.stack = reinterpret_cast<std::uintptr_t>(command.stack);
    request.stack_size = command.stack_size;
    const long pid = clone_onto_stack(&request, execute, &command);
    if (pid < 0) {
        command.error = static_cast<std::int32_t>(-pid);
        return;
    }
    supervise(command, pid);
    raw_syscall(SYS_close, command.pidfd);
    command.pidfd = -1;
}

} // namespace ct::internal::child
