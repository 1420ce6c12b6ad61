// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/frozen_birth.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include "base/concat.hpp"
#include "base/signals_blocked.hpp"
#include "base/sys.hpp"
#include "cgroup/control_file.hpp"
#include "cgroup/freezer.hpp"
#include "child/clone.hpp"
#include "child/tracer.hpp"
#include "launch/exit_status.hpp"

namespace ct::internal {

namespace {

constexpr std::chrono::seconds Patience{10};

} // namespace

/// In memory of its own, that lasts as long as the tracer.
struct FrozenBirth::Tracer {
    static constexpr std::size_t StackSize = std::size_t{16} * 1024;
    child::TracerPlan plan{};
    UniqueFd file;
    UniqueFd pidfd;
    alignas(16) std::array<std::byte, StackSize> stack;

    /// Also if somebody has stopped it.
    void await_end() const {
        while (!wait_until_ended(pidfd.get(), std::chrono::milliseconds(100))) {
            if (is_stopped(pidfd.get())) ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGCONT, nullptr, 0);
        }
        (void)reap(pidfd.get());
    }
};

FrozenBirth::FrozenBirth(std::function<std::shared_ptr<const Groups>()> groups, const ProcessSpec& process,
                         bool callable)
    : find_groups_(std::move(groups)), moment_(!callable         ? Await::SetUp
                                               : process.seccomp ? Await::Filter
                                                                 : Await::Freeze),
      programs_(process.init == Init::Reaper ? 2 : 1) {}

FrozenBirth::~FrozenBirth() {
    if (!tracer_ || !tracer_->pidfd) return;
    ::syscall(SYS_pidfd_send_signal, tracer_->pidfd.get(), SIGKILL, nullptr, 0);
    (void)reap(tracer_->pidfd.get());
}

void FrozenBirth::add_to(Plan& plan) {
    plan.parent_tasks.push_back({moment_, [this](const WaitingChild& child) {
                                     groups_ = find_groups_();
                                     group_ = &freezing_group(*groups_);
                                     if (moment_ == Await::SetUp) {
                                         trace(child);
                                         return;
                                     }
                                     write_control(*group_, freeze_file(*group_).name, freeze_file(*group_).freeze);
                                     await_frozen(*group_, Patience);
                                 }});
}

void FrozenBirth::trace(const WaitingChild& child) {
    const FreezeFile& file = freeze_file(*group_);
    sys::fault_point(Stage::Cgroup, "trace the process until it is frozen");
    tracer_ = std::make_unique<Tracer>();
    const std::string path = concat(group_->path, "/", file.name);
    tracer_->file = UniqueFd(::openat(group_->directory.get(), file.name, O_WRONLY | O_CLOEXEC));
    if (!tracer_->file) throw sys::error(errno, Stage::Cgroup, "open", path);
    child::TracerPlan& plan = tracer_->plan;
    plan.tracee = child.pid;
    plan.programs = programs_;
    plan.file = tracer_->file.get();
    plan.text = file.freeze;
    plan.length = std::strlen(file.freeze);
    clone_args clone{};
    int pidfd = -1;
    clone.flags = CLONE_VM | CLONE_FILES | CLONE_CLEAR_SIGHAND | CLONE_PIDFD;
    clone.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
    clone.stack = reinterpret_cast<std::uintptr_t>(tracer_->stack.data());
    clone.stack_size = tracer_->stack.size();
    long pid;
    {
        const SignalsBlocked blocked;
        pid = child::clone_onto_stack(&clone, child::run_tracer, &plan);
    }
    if (pid < 0) throw sys::error(static_cast<int>(-pid), Stage::Launch, "make a tracer");
    tracer_->pidfd = sys::above_stdio(UniqueFd(pidfd), Stage::Launch, "duplicate a pidfd");
    while (__atomic_load_n(&plan.attached, __ATOMIC_ACQUIRE) == 0) {
        const timespec limit{0, 100'000'000};
        ::syscall(SYS_futex, &plan.attached, FUTEX_WAIT, 0, &limit, nullptr, 0);
        if (wait_until_ended(tracer_->pidfd.get(), std::chrono::nanoseconds(0))) break;
        if (is_stopped(tracer_->pidfd.get()))
            ::syscall(SYS_pidfd_send_signal, tracer_->pidfd.get(), SIGCONT, nullptr, 0);
    }
    if (plan.attached == 0) throw Error(Errc::ChildDied, Stage::Launch, "trace the process until it is frozen");
    if (plan.error != 0) {
        throw sys::error(plan.error, Stage::Launch, "trace the process until it is frozen", {},
                         "born_frozen takes the right to ptrace(2) the new process: CAP_SYS_PTRACE, where another "
                         "user, joined namespaces or Yama stand in the way");
    }
}

void FrozenBirth::finish() {
    if (moment_ != Await::SetUp) return;
    tracer_->await_end();
    tracer_->pidfd.reset();
    const child::TracerPlan& plan = tracer_->plan;
    if (plan.error != 0) {
        throw sys::error(plan.error, Stage::Cgroup, concat("write \"", plan.text, "\" to"),
                         concat(group_->path, "/", freeze_file(*group_).name));
    }
    if (plan.frozen == 0) {
        throw Error(Errc::ChildDied, Stage::Launch, "freeze the program before it runs", {},
                    "it was killed, or its tracer was");
    }
    await_frozen(*group_, Patience);
}

} // namespace ct::internal
