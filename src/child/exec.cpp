// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/syscall.h>

#include <cerrno>

#include "child/child_ops.hpp"
#include "child/raw_syscall.hpp"

namespace ct::internal::child {

namespace {

/// Why execve(2) said ENOENT or EACCES.
Handshake::ExecDetail explain(const char* path, long error) noexcept {
    struct statx status;
    const long found = raw_syscall(SYS_statx, AT_FDCWD, path, 0, STATX_TYPE | STATX_MODE, &status);
    if (found < 0) return Handshake::NoDetail;
    if (error == -ENOENT) return Handshake::MissingInterpreter;
    if ((status.stx_mode & 0170000U) == 0040000U) return Handshake::IsDirectory;
    return error == -EACCES ? Handshake::NotExecutable : Handshake::NoDetail;
}

/// The interpreter of a script whose first \p length bytes are in \p text, which has room for one more; cut out in
/// place. Null if it is no script.
const char* interpreter_of(char* text, long length) noexcept {
    if (length < 3 || text[0] != '#' || text[1] != '!') return nullptr;
    long begin = 2;
    while (begin < length && (text[begin] == ' ' || text[begin] == '\t')) ++begin;
    long end = begin;
    while (end < length && text[end] != ' ' && text[end] != '\t' && text[end] != '\n' && text[end] != '\0') ++end;
    text[end] = '\0';
    return text + begin;
}

/// Refuses the host's own program. Up to exec /proc/self/exe is the host's program, also for an image that has it as a
/// link or as the interpreter of a script; executed there, by the image's loader, it could be written to.
long check_program(const char* path, const HostProgram& host) noexcept {
    constexpr int MostInterpreters = 6; // the kernel follows five
    char text[256];                     // BINPRM_BUF_SIZE: the kernel looks no further
    for (int depth = 0; path != nullptr && depth < MostInterpreters; ++depth) {
        const long fd = raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        // Unreadable could be anything; of all else that is wrong execve(2) shall tell.
        if (fd < 0) return fd == -EACCES ? fd : 0;
        struct statx status;
        const long looked = raw_syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_INO | STATX_TYPE, &status);
        const bool is_host = looked >= 0 && status.stx_ino == host.inode && status.stx_dev_major == host.device_major &&
                             status.stx_dev_minor == host.device_minor;
        const bool regular = looked >= 0 && (status.stx_mode & 0170000U) == 0100000U;
        const long length = regular && !is_host ? raw_syscall(SYS_read, fd, text, sizeof text - 1) : 0;
        raw_syscall(SYS_close, fd);
        if (is_host) return -EPERM;
        path = interpreter_of(text, length);
    }
    return 0;
}

} // namespace

long find_program(Context& context, const ExecArgs& args) noexcept {
    Handshake& handshake = context.handshake;
    context.found_program = true;
    context.program_error = -ENOENT;
    handshake.candidate = 0;
    for (std::uint32_t i = 0; args.candidates[i] != nullptr; ++i) {
        const char* const path = args.candidates[i];
        const long refused = args.host_program != nullptr ? check_program(path, *args.host_program) : 0;
        struct statx status;
        long error = raw_syscall(SYS_statx, AT_FDCWD, path, 0, STATX_TYPE | STATX_MODE, &status);
        if (error == -ENOENT || error == -ENOTDIR) continue;
        if (error >= 0) error = raw_syscall(SYS_faccessat, AT_FDCWD, path, 1, 0); // X_OK
        if (error >= 0 && (status.stx_mode & 0170000U) == 0040000U) error = -EACCES;
        if (refused == -EPERM) error = refused;
        // As in execute(): the first that can be executed, or else the last that cannot.
        handshake.candidate = i;
        context.program_error = error < 0 ? error : 0;
        handshake.detail = refused == -EPERM  ? Handshake::HostProgram
                           : error == -EACCES ? explain(path, error)
                                              : Handshake::NoDetail;
        if (error != -EACCES) break;
    }
    return 0;
}

namespace {

/// After find_program(): no system call but the one.
long execute_found(const Context& context, const ExecArgs& args) noexcept {
    Handshake& handshake = context.handshake;
    if (context.program_error < 0) return context.program_error;
    const long error = raw_syscall(SYS_execve, args.candidates[handshake.candidate], args.argv, args.envp);
    if (error == -ENOENT) handshake.detail = Handshake::MissingInterpreter;
    if (error == -EACCES) handshake.detail = Handshake::NotExecutable;
    return error;
}

} // namespace

long execute(Context& context, const ExecArgs& args) noexcept {
    if (context.found_program) return execute_found(context, args);
    Handshake& handshake = context.handshake;
    const bool searching = args.candidates[0] != nullptr && args.candidates[1] != nullptr;
    long result = -ENOENT;
    for (std::uint32_t i = 0; args.candidates[i] != nullptr; ++i) {
        const long refused = args.host_program != nullptr ? check_program(args.candidates[i], *args.host_program) : 0;
        const long error = refused < 0 ? refused : raw_syscall(SYS_execve, args.candidates[i], args.argv, args.envp);
        Handshake::ExecDetail detail = Handshake::NoDetail;
        if (refused == -EPERM) detail = Handshake::HostProgram;
        if (error == -ENOENT || error == -EACCES) detail = explain(args.candidates[i], error);
        // As execvp(3) does: look on where there is nothing to execute, but do not forget what could not be executed.
        const bool nothing_here = (error == -ENOENT && detail == Handshake::NoDetail) || error == -ENOTDIR;
        if (nothing_here && searching) continue;
        handshake.detail = detail;
        handshake.candidate = i;
        result = error;
        if (!nothing_here && error != -EACCES) break;
    }
    return result;
}

long exec_reaper(const ExecReaperArgs& args) noexcept {
    const char* const environment[1] = {nullptr};
    return raw_syscall(SYS_execveat, args.fd, "", args.argv, environment, AT_EMPTY_PATH);
}

} // namespace ct::internal::child
