// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <utility>

namespace ct::bench {

/// What a host process has besides the thing that is measured.
struct Size {
    std::size_t touched = 0; ///< Bytes of memory in use, in 4 KiB pages.
    unsigned threads = 1;
    unsigned fds = 10; ///< In addition to the standard streams.
};

/// Makes this process as large as \p size says. Threads stay parked, memory in use and descriptors open.
void grow(const Size& size);

/// A host process: a child of the benchmark that performs an action each time it is told to, and times it.
///
/// Two hosts that take turns can be compared within one run, whatever else the machine does meanwhile, although one of
/// them has a gigabyte in use. All hosts run on one and the same CPU.
class Host {
public:
    using Action = std::function<void()>;
    /// What is measured, and what is not.
    struct Work {
        Work(Action measured, Action rest = {}, int parts = 1)
            : action(std::move(measured)), afterwards(std::move(rest)), count(parts) {}
        Action action;
        Action afterwards; ///< Puts everything back.
        int count;         ///< As many are done in one action, on all CPUs if not 1; the time of one is reported.
    };

    /// \p prepare runs in the new process and returns what is measured.
    /// \throws std::runtime_error if it threw; it has told why on standard error.
    explicit Host(const std::function<Work()>& prepare);
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;
    ~Host();

    /// Lets the host perform its action once.
    std::chrono::nanoseconds run();

private:
    [[nodiscard]] std::chrono::nanoseconds receive() const;

    pid_t pid_ = -1;
    int socket_ = -1;
};

} // namespace ct::bench
