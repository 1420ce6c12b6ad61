// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "host.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace ct::bench {
namespace {

[[noreturn]] void throw_errno(const char* what) {
    throw std::system_error(errno, std::system_category(), what);
}

void touch_memory(std::size_t bytes) {
    if (bytes == 0) return;
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw_errno("mmap");
    // The worst case: many page table entries, which is what a fork has to copy.
    if (madvise(memory, bytes, MADV_NOHUGEPAGE) != 0) throw_errno("madvise");
    for (std::size_t offset = 0; offset < bytes; offset += 4096) {
        static_cast<volatile char*>(memory)[offset] = 1;
    }
}

void open_fds(unsigned count) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) throw_errno("open '/dev/null'");
    for (unsigned i = 1; i < count; ++i) {
        if (fcntl(null, F_DUPFD_CLOEXEC, 3) < 0) throw_errno("fcntl F_DUPFD_CLOEXEC");
    }
}

/// The last one, which usually has the least to do with interrupts.
void pin_to_one_cpu() {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) throw_errno("sched_getaffinity");
    std::size_t last = CPU_SETSIZE - 1;
    while (!CPU_ISSET(last, &allowed)) --last;
    CPU_ZERO(&allowed);
    CPU_SET(last, &allowed);
    if (sched_setaffinity(0, sizeof allowed, &allowed) != 0) throw_errno("sched_setaffinity");
}

void report(int socket, std::int64_t number) {
    if (send(socket, &number, sizeof number, MSG_NOSIGNAL) != sizeof number) throw_errno("send");
}

/// Until the benchmark closes its end.
void serve(int socket, const std::function<Host::Work()>& prepare) {
    using Clock = std::chrono::steady_clock;
    cpu_set_t all;
    if (sched_getaffinity(0, sizeof all, &all) != 0) throw_errno("sched_getaffinity");
    pin_to_one_cpu();
    const Host::Work work = prepare();
    if (work.count != 1 && sched_setaffinity(0, sizeof all, &all) != 0) throw_errno("sched_setaffinity");
    report(socket, 0);
    char command = 0;
    while (read(socket, &command, 1) == 1) {
        const auto begin = Clock::now();
        work.action();
        const auto time = std::chrono::nanoseconds(Clock::now() - begin) / work.count;
        if (work.afterwards) work.afterwards();
        report(socket, time.count());
    }
}

} // namespace

void grow(const Size& size) {
    touch_memory(size.touched);
    open_fds(size.fds);
    for (unsigned i = 1; i < size.threads; ++i) {
        std::thread([] {
            for (;;) pause();
        }).detach();
    }
}

Host::Host(const std::function<Work()>& prepare) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw_errno("socketpair");
    pid_ = fork();
    if (pid_ < 0) throw_errno("fork");
    if (pid_ == 0) {
        int status = 0;
        try {
            // Nothing else stays open: neither the other hosts' sockets, nor what would count as this host's
            // descriptors.
            if (dup3(ends[1], 3, O_CLOEXEC) < 0 && errno != EINVAL) throw_errno("dup3");
            close_range(4, ~0U, 0);
            serve(3, prepare);
        } catch (const std::exception& error) {
            std::fprintf(stderr, "host: %s\n", error.what());
            status = 1;
        }
        _exit(status);
    }
    close(ends[1]);
    socket_ = ends[0];
    try {
        (void)receive(); // ready
    } catch (...) {
        close(socket_);
        waitpid(pid_, nullptr, 0);
        throw;
    }
}

Host::~Host() {
    close(socket_);
    waitpid(pid_, nullptr, 0);
}

std::chrono::nanoseconds Host::run() {
    if (send(socket_, "", 1, MSG_NOSIGNAL) != 1) throw_errno("send");
    return receive();
}

std::chrono::nanoseconds Host::receive() const {
    std::int64_t number = 0;
    if (read(socket_, &number, sizeof number) != sizeof number) throw std::runtime_error("the host process has failed");
    return std::chrono::nanoseconds(number);
}

} // namespace ct::bench
