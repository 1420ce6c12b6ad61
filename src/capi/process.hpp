// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <mutex>
#include <optional>

#include <ct/process.hpp>

#include "capi/handles.hpp"

namespace ct::capi {

/// One that was started, or the first one of a container, which is another one after each start.
class Process : public Object {
public:
    enum class Owner { Caller, Container };
    explicit Process(Owner owner) : owner_(owner) {}

    [[nodiscard]] Owner owner() const noexcept { return owner_; }
    void set(ct::Process process);
    /// What waitpid(2) tells, or -1. \throws Failure with LCTERR_BADCTSTATE if it was waited for
    int wait();
    /// The same with a time limit; empty when it has passed first.
    std::optional<int> wait_for(std::chrono::nanoseconds limit);
    void signal(int number);
    /// \returns a descriptor of the caller's
    [[nodiscard]] int pidfd();
    /// Waits if nobody has.
    void wait_if_needed();
    [[nodiscard]] pid_t pid();
    /// The host's end of a pipe, or a duplicate of that of the terminal. \returns a descriptor of the caller's
    [[nodiscard]] int take_stream(int number);
    void resize_terminal(TerminalSize size);

private:
    [[nodiscard]] ct::Process present();
    [[nodiscard]] int become_waited_for(const ct::Process& process, const ExitStatus& status);

    const Owner owner_;
    std::mutex mutex_;
    std::optional<ct::Process> process_; ///< None once it was waited for.
    pid_t pid_ = -1;
};

} // namespace ct::capi
