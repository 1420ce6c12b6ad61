// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// The cheapest program there is: without a C library, so that hardly anything but the start itself is measured.
// Ends at once with status 0; with an argument it stays until it is killed.

#include <sys/syscall.h>

#if defined(__x86_64__)
__asm__(".globl _start\n_start: mov %rsp, %rdi\n\tcall run\n\thlt");

static long call(long number, long argument) {
    register long r10 __asm__("r10") = 0;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(argument), "S"(0), "d"(0), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: mov x0, sp\n\tbl run\n\tbrk #0");

static long call(long number, long argument) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = argument;
    register long x1 __asm__("x1") = 0;
    register long x2 __asm__("x2") = 0;
    register long x3 __asm__("x3") = 0;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}
#endif

__attribute__((noreturn, used)) static void run(const long* stack) {
    const long argument_count = stack[0];
    while (argument_count > 1) {
        call(SYS_ppoll, 0); // no descriptors, no time limit
    }
    for (;;) {
        call(SYS_exit_group, 0);
    }
}
