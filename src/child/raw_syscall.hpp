// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

/// System calls for code that shares its address space with the host: no errno (it is the host thread's), no
/// cancellation, no PLT. The result is the kernel's: -errno on failure.
namespace ct::internal::child {

template <typename Arg>
[[gnu::always_inline]] inline long syscall_argument(Arg arg) noexcept {
    if constexpr (std::is_pointer_v<Arg>) {
        return reinterpret_cast<long>(arg);
    } else if constexpr (std::is_null_pointer_v<Arg>) {
        return 0;
    } else {
        return static_cast<long>(arg);
    }
}

#if defined(__x86_64__)

[[gnu::always_inline]] inline long syscall6(long number, long a, long b, long c, long d, long e, long f) noexcept {
    register long r10 asm("r10") = d;
    register long r8 asm("r8") = e;
    register long r9 asm("r9") = f;
    long result;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
}

#elif defined(__aarch64__)

[[gnu::always_inline]] inline long syscall6(long number, long a, long b, long c, long d, long e, long f) noexcept {
    register long x8 asm("x8") = number;
    register long x0 asm("x0") = a;
    register long x1 asm("x1") = b;
    register long x2 asm("x2") = c;
    register long x3 asm("x3") = d;
    register long x4 asm("x4") = e;
    register long x5 asm("x5") = f;
    asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}

#else
#error "libct supports x86_64 and aarch64"
#endif

template <typename... Args>
[[gnu::always_inline]] inline long raw_syscall(long number, Args... args) noexcept {
    static_assert(sizeof...(args) <= 6);
    const long values[7] = {syscall_argument(args)...};
    return syscall6(number, values[0], values[1], values[2], values[3], values[4], values[5]);
}

} // namespace ct::internal::child
