// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <ct/container.hpp>

#include "host_side.hpp"
#include "plan/compile.hpp"
#include "process_core.hpp"
#include "session_core.hpp"

namespace ct::internal {

/// A container's specification and, while it runs, its first process and what has to be undone on the host at its end.
class ContainerCore : public std::enable_shared_from_this<ContainerCore> {
public:
    ContainerCore(std::shared_ptr<SessionCore> session, std::string name, Spec spec);
    ContainerCore(const ContainerCore&) = delete;
    ContainerCore& operator=(const ContainerCore&) = delete;
    ~ContainerCore();

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// Takes notice of an end that nobody waited for.
    [[nodiscard]] State state();
    [[nodiscard]] Spec spec() const;

    /// Lets \p edit change the specification. \throws Error unless stopped
    void configure(const std::function<void(Spec&)>& edit);

    void set_spec(Spec spec);
    void add_mount(Mount mount, MountHooks hooks);

    std::shared_ptr<ProcessCore> start(const ProcessSpec& process, const std::function<int()>& callable);
    std::shared_ptr<ProcessCore> enter(const ProcessSpec& process, const std::function<int()>& callable);
    void adopt(pid_t pid);

    // live_mount.cpp
    void mount(const Mount& mount);
    void unmount(const std::string& target);

    [[nodiscard]] std::shared_ptr<ProcessCore> init() const;
    std::optional<ExitStatus> wait(std::optional<std::chrono::nanoseconds> limit);
    void signal(int number);
    ExitStatus stop(std::chrono::nanoseconds grace, int number);
    /// For the end of the session; leaves adopted containers alone.
    void close(OnClose policy) noexcept;

private:
    std::shared_ptr<ProcessCore> launch_first(const ProcessSpec& process, const std::function<int()>& callable);
    struct Visit;
    /// What is needed to change the mounts of the running container.
    [[nodiscard]] Visit visit(std::string_view action, const std::string& target);
    void begin_start();
    /// Takes down the host's side after the end of \p init, unless another thread does so.
    void finish(const std::shared_ptr<ProcessCore>& init);
    void take_down_host_side();
    void become_stopped();
    [[nodiscard]] std::shared_ptr<ProcessCore> running_init(std::string_view action);
    [[nodiscard]] Error wrong_state(std::string_view action, std::string_view wanted, State state) const;
    [[nodiscard]] std::string subject() const;

    const std::shared_ptr<SessionCore> session_;
    const std::string name_;
    mutable std::mutex mutex_; ///< Guards what follows; never held over a system call that blocks.
    std::condition_variable changed_;
    State state_ = State::Stopped;
    std::shared_ptr<const Spec> spec_;                                             ///< Replaced only while stopped.
    std::shared_ptr<const HookTable> hooks_ = std::make_shared<const HookTable>(); ///< Replaced in the same way.
    bool adopted_ = false;
    std::shared_ptr<ProcessCore> init_;
    std::shared_ptr<Entered> entered_ = std::make_shared<Entered>(); ///< Of the present or last run.
    EnterTarget enter_target_{};                                     ///< Without the root, which enter() duplicates.
    HostSide host_side_;
};

} // namespace ct::internal
