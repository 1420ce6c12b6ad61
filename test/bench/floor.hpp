// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <cstddef>

/// What libct is measured against: programs written by hand for one purpose only, which make the system calls that
/// the purpose needs in the cheapest way known, and know neither specifications nor errors to explain.
///
/// Not for use from several threads at once.
namespace ct::bench::floor {

class Veth;

/// A container with a root, the usual mounts and devices, and a host name.
struct Container {
    int namespaces = 0;         ///< CLONE_NEW*; mount, pid and uts among them.
    const char* root = nullptr; ///< Null: that of the host, and the other three neither.
    const char* hostname = "bench";
    const char* const* argv = nullptr;
    const char* const* groups = nullptr; ///< Directories of cgroups of version 1 to make for it; ends with a null.
    const char* group = nullptr;         ///< The same of version 2.
    Veth* veth = nullptr;                ///< Its network; needs CLONE_NEWNET.
};

struct Process {
    pid_t pid = -1;
    int pidfd = -1;
};

/// A stack that new processes borrow until they execute their program.
class Stack {
public:
    Stack();
    Stack(const Stack&) = delete;
    Stack& operator=(const Stack&) = delete;
    ~Stack();

    [[nodiscard]] void* top() const noexcept;

private:
    static constexpr std::size_t Size = 64 * 1024;
    void* memory_;
};

/// Starts the container's first process; it has executed its program when this returns.
[[nodiscard]] Process start(const Container& container, const Stack& stack);

/// Runs one more process in the container whose first process is \p init; on two stacks, since the process that
/// enters the namespaces is another one than that which runs in them.
[[nodiscard]] Process enter(const Container& container, const Process& init, const Stack& stack, const Stack& inner);

/// Removes the groups of a container whose processes have ended.
void remove_groups(const Container& container);

/// Waits for the end of the process and closes its pidfd. \throws std::runtime_error unless it exited with 0.
void wait(Process process);

/// Kills and reaps.
void kill(Process process);

} // namespace ct::bench::floor
