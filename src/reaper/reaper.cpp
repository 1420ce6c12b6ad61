// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

/// The first process of a container with Init::Reaper: a program of its own without any library, started from memory.
///
/// reaper PID: PID is its child that the container is about. All signals are blocked when it starts. Descriptor
/// StatusFd gets the wait status of that child.

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <csignal>

#include "child/raw_syscall.hpp"
#include "reaper/reaper_fds.hpp"

namespace {

using ct::internal::child::raw_syscall;
using namespace ct::internal;

/// The beginning of the kernel's siginfo_t, and its size.
struct SignalInfo {
    int number;
    int error;
    int code;
    char rest[116];
};

long parse_number(const char* text) noexcept {
    long value = 0;
    for (; *text >= '0' && *text <= '9'; ++text) value = 10 * value + (*text - '0');
    return value;
}

[[noreturn]] void end(int status) noexcept {
    raw_syscall(SYS_write, StatusFd, &status, sizeof status);
    // A first process cannot kill itself; the whole status went through the pipe.
    const int code = (status & 0x7f) == 0 ? status >> 8 & 0xff : 128 + (status & 0x7f);
    for (;;) raw_syscall(SYS_exit_group, code);
}

/// All that have ended, whoever they were.
void reap(long main_pid) noexcept {
    for (;;) {
        int status = 0;
        const long pid = raw_syscall(SYS_wait4, -1, &status, WNOHANG | __WALL, nullptr);
        if (pid == main_pid) end(status);
        if (pid <= 0) return;
    }
}

} // namespace

extern "C" [[noreturn]] void reaper_main(const long* stack) noexcept {
    raw_syscall(SYS_close, ProgramFd);
    raw_syscall(SYS_prctl, PR_SET_NAME, "reaper", 0, 0, 0);
    const auto* const argv = reinterpret_cast<const char* const*>(stack + 1);
    const long main_pid = parse_number(argv[1]);
    for (;;) {
        reap(main_pid);
        const unsigned long all = ~0UL;
        SignalInfo info;
        const long number = raw_syscall(SYS_rt_sigtimedwait, &all, &info, nullptr, sizeof all);
        // What the kernel sends by itself, as a terminal does, the child gets as well if it is meant for it.
        if (number > 0 && number != SIGCHLD && info.code <= 0) raw_syscall(SYS_kill, main_pid, number);
    }
}

// The kernel enters a program with its arguments on the stack.
#if defined(__x86_64__)
asm(".globl _start\n_start: xor %ebp, %ebp\nmov %rsp, %rdi\nand $-16, %rsp\ncall reaper_main\nhlt");
#else
asm(".globl _start\n_start: mov x29, xzr\nmov x0, sp\nbl reaper_main\nbrk #0");
#endif
