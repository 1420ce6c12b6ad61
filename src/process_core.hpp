// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <ct/process.hpp>

#include "entered.hpp"
#include "launch/exit_status.hpp"
#include "launch/launch.hpp"
#include "launch/streams.hpp"

namespace ct::internal {

/// A process, from its start until its status was collected. Reaped at most once; its pid is forgotten at that moment.
class ProcessCore {
public:
    ProcessCore(std::string container, Launched launched, HostEnds ends, std::shared_ptr<Entered> others);
    ProcessCore(const ProcessCore&) = delete;
    ProcessCore& operator=(const ProcessCore&) = delete;

    [[nodiscard]] const std::string& container() const noexcept { return container_; }
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] int pidfd() const noexcept { return pidfd_.get(); }
    /// The descriptor, as long as somebody has \p process.
    static std::shared_ptr<const UniqueFd> pidfd_of(const std::shared_ptr<ProcessCore>& process) noexcept {
        return {process, &process->pidfd_};
    }
    [[nodiscard]] int stream(int number) const noexcept;
    [[nodiscard]] int release_stream(int number) noexcept;
    [[nodiscard]] int terminal() const noexcept;
    void close_streams() noexcept;

    /// Empty if \p limit has passed first.
    std::optional<ExitStatus> wait(std::optional<std::chrono::nanoseconds> limit, Meanwhile* meanwhile = nullptr);
    /// \returns whether there still was a process
    bool signal(int number) const;

    /// \param told  of the status, once, by whoever finds it out; must neither throw nor use this object
    void on_end(std::function<void(pid_t pid, const ExitStatus&)> told);
    /// What it and those that it has waited for have used; empty as long as it was not reaped, or by somebody else.
    [[nodiscard]] std::optional<rusage> usage() const;

private:
    const std::string container_;
    std::atomic<pid_t> pid_;
    const UniqueFd pidfd_;
    const bool adopted_;
    const std::shared_ptr<Entered> others_; ///< Which have to be reaped before this one can end; or none.
    const UniqueFd status_pipe_;            ///< From the reaper, if there is one.
    mutable std::mutex mutex_;              ///< Guards what follows.
    HostEnds ends_;
    std::optional<ExitStatus> status_;
    std::optional<rusage> usage_;
    std::function<void(pid_t pid, const ExitStatus&)> on_end_;
};

} // namespace ct::internal
