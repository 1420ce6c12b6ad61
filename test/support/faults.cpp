// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "support/faults.hpp"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <utility>

#include "base/fault.hpp"

namespace ct::test {

using internal::Faults;

SharedFaults::SharedFaults() {
    void* const memory = ::mmap(nullptr, sizeof(Faults), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    internal::faults = new (memory) Faults;
}

SharedFaults::~SharedFaults() {
    ::munmap(std::exchange(internal::faults, nullptr), sizeof(Faults));
}

void SharedFaults::set(std::uint32_t at, int error) {
    *internal::faults = {.at = at, .error = error};
}

std::uint32_t SharedFaults::passed() {
    return __atomic_load_n(&internal::faults->passed, __ATOMIC_ACQUIRE);
}

void SharedFaults::go() {
    __atomic_store_n(&internal::faults->go, 1U, __ATOMIC_RELEASE);
}

void SharedFaults::clear() {
    *internal::faults = {};
}

int SharedFaults::kill_at(std::uint32_t at, const std::function<void()>& host) {
    set(at);
    const pid_t pid = ::fork();
    if (pid == 0) {
        try {
            host();
            ::_exit(0);
        } catch (const std::exception& error) {
            std::fprintf(stderr, "%s\n", error.what());
            ::_exit(1);
        }
    }
    int status = 0;
    while (::waitpid(pid, &status, WNOHANG) == 0) {
        if (passed() < at) continue;
        ::kill(pid, SIGKILL);
        ::waitpid(pid, &status, 0);
        break;
    }
    go(); // for its children that have got there
    return status;
}

} // namespace ct::test
