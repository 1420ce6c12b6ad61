// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <linux/sched.h>
#include <sys/syscall.h>

#include "child/raw_syscall.hpp"

namespace ct::internal::child {

/// The process is born in that group of version 2; -1 means the caller's.
inline void set_group(clone_args& args, int group) noexcept {
    if (group < 0) return;
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<unsigned>(group);
}

/// clone3(2) for a child that runs `entry(argument)` on the stack that \p args names and never returns.
/// \returns the child's pid, or -errno
inline long clone_onto_stack(clone_args* args, void (*entry)(void*), void* argument) noexcept {
#if defined(__x86_64__)
    long result;
    register void (*run)(void*) asm("r12") = entry;
    register void* with asm("r13") = argument;
    asm volatile("syscall\n\t"
                 "test %%rax, %%rax\n\t"
                 "jnz 1f\n\t"
                 "xor %%ebp, %%ebp\n\t" // the outermost frame, for unwinders
                 "mov %%r13, %%rdi\n\t"
                 "call *%%r12\n\t"
                 "hlt\n"
                 "1:"
                 : "=a"(result)
                 : "a"(SYS_clone3), "D"(args), "S"(sizeof *args), "r"(run), "r"(with)
                 : "rcx", "r11", "memory");
    return result;
#else
    register long x8 asm("x8") = SYS_clone3;
    register long x0 asm("x0") = reinterpret_cast<long>(args);
    register long x1 asm("x1") = sizeof *args;
    register void (*run)(void*) asm("x20") = entry;
    register void* with asm("x21") = argument;
    asm volatile("svc 0\n\t"
                 "cbnz x0, 1f\n\t"
                 "mov x29, xzr\n\t"
                 "mov x0, x21\n\t"
                 "blr x20\n\t"
                 "brk #0\n"
                 "1:"
                 : "+r"(x0)
                 : "r"(x8), "r"(x1), "r"(run), "r"(with)
                 : "memory", "x30");
    return x0;
#endif
}

/// clone3(2) for a process that hands itself over: the child goes on in its place, on the same stack (and, with
/// CLONE_VM, in the same memory), while the caller ends at once, without touching memory any more.
/// \returns 0 in the child; -errno in the caller, which lives on then
inline long clone_and_vanish(clone_args* args) noexcept {
#if defined(__x86_64__)
    long result;
    asm volatile("syscall\n\t"
                 "test %%rax, %%rax\n\t"
                 "jle 1f\n\t"
                 "2: mov %[exit], %%eax\n\t"
                 "xor %%edi, %%edi\n\t"
                 "syscall\n\t"
                 "jmp 2b\n"
                 "1:"
                 : "=a"(result)
                 : "a"(SYS_clone3), "D"(args), "S"(sizeof *args), [exit] "i"(SYS_exit_group)
                 : "rcx", "r11", "memory");
    return result;
#else
    register long x8 asm("x8") = SYS_clone3;
    register long x0 asm("x0") = reinterpret_cast<long>(args);
    register long x1 asm("x1") = sizeof *args;
    asm volatile("svc 0\n\t"
                 "cmp x0, #0\n\t"
                 "b.le 1f\n\t"
                 "2: mov x8, %[exit]\n\t"
                 "mov x0, xzr\n\t"
                 "svc 0\n\t"
                 "b 2b\n"
                 "1:"
                 : "+r"(x0), "+r"(x8)
                 : "r"(x1), [exit] "i"(SYS_exit_group)
                 : "memory", "cc");
    return x0;
#endif
}

} // namespace ct::internal::child
