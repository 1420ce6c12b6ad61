// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/launch.hpp"

#include <linux/sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include "base/signals_blocked.hpp"
#include "base/sys.hpp"
#include "cgroup/freezer.hpp"
#include "cgroup/starvation.hpp"
#include "child/child_main.hpp"
#include "child/clone.hpp"
#include "launch/callable.hpp"
#include "launch/exit_status.hpp"
#include "launch/failure.hpp"
#include "launch/memory_guard.hpp"
#include "launch/start_thread.hpp"

namespace ct::internal {

namespace {

long futex(std::uint32_t* word, int operation, std::uint32_t value, const timespec* limit = nullptr) {
    return ::syscall(SYS_futex, word, operation, value, limit, nullptr, 0);
}

/// The kernel gives a pidfd the lowest number, which in a host that closed its standard streams is one of those.
UniqueFd kept_pidfd(int pidfd) {
    UniqueFd fd(pidfd);
    if (pidfd < 0 || pidfd > 2) return fd;
    return sys::duplicate(pidfd, Stage::Launch, "duplicate a pidfd");
}

clone_args clone_request(const Plan& plan, std::span<std::byte> stack) {
    clone_args args{};
    args.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND | CLONE_FILES;
    if (plan.shares_memory) args.flags |= CLONE_VM;
    // exit_signal 0: a child that fails before exec is invisible to the host's own waiting; exec makes it SIGCHLD.
    args.stack = reinterpret_cast<std::uintptr_t>(stack.data());
    args.stack_size = stack.size();
    return args;
}

/// One launch under way.
class Launch {
public:
    Launch(const LaunchRequest& request, std::unique_ptr<LaunchArea> area, int host_pidfd)
        : request_(request), plan_(request.plan), area_(std::move(area)), handshake_(area_->handshake()) {
        handshake_ = Handshake{};
        handshake_.word = Handshake::Unborn;
        handshake_.child_pidfd = -1;
        handshake_.reaper_child_pidfd = -1;
        for (std::int32_t& fd : handshake_.offered) fd = -1;
        handshake_.host_pidfd = host_pidfd;
        // The reaper waits meanwhile, and is not deep in its stack.
        handshake_.reaper_child_stack = area_->child_stack().data();
        handshake_.reaper_child_stack_size = area_->child_stack().size() / 2;
    }

    Launched run() {
        const std::optional<MemoryGuard> guard = plan_.hides_memory && plan_.shares_memory && !plan_.copies_host
                                                     ? std::optional<MemoryGuard>(std::in_place)
                                                     : std::nullopt;
        try {
            if (request_.thread != nullptr) {
                request_.thread->run([this] { make_process(); });
            } else {
                make_process();
            }
            launched_.made = std::chrono::steady_clock::now();
            watch();
            return result();
        } catch (...) {
            discard();
            throw;
        }
    }

    std::unique_ptr<LaunchArea> take_area() { return std::move(area_); }

private:
    void make_process() {
        sys::fault_point(Stage::Launch, "make a process");
        const SignalsBlocked blocked;
        if (plan_.copies_host) {
            fork_host();
        } else if (plan_.joins.empty() && !plan_.needs_vfork) {
            clone_child();
        } else {
            clone_helper();
        }
    }

    void clone_child() {
        child_ = {plan_.steps.list(), &handshake_};
        clone_args args = clone_request(plan_, area_->child_stack());
        int pidfd = -1;
        args.flags |= plan_.new_namespaces;
        child::set_group(args, plan_.group);
        args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
        const long pid = child::clone_onto_stack(&args, child::run_child, &child_);
        if (pid < 0) throw clone_error(static_cast<int>(-pid), plan_);
        launched_.pid = static_cast<pid_t>(pid);
        launched_.pidfd = kept_pidfd(pidfd);
    }

    /// A helper joins the namespaces and makes the child there, as a child of this process. Or it only stands between:
    /// this thread could not serve a vfork child of its own.
    void clone_helper() {
        helper_plan_.steps = plan_.joins.list();
        helper_plan_.child = {plan_.steps.list(), &handshake_};
        helper_plan_.clone = clone_request(plan_, area_->child_stack());
        helper_plan_.clone.flags |= plan_.new_namespaces | CLONE_PARENT | CLONE_PARENT_SETTID;
        if (plan_.needs_vfork) helper_plan_.clone.flags |= CLONE_VFORK;
        child::set_group(helper_plan_.clone, plan_.group);
        helper_plan_.clone.pidfd = reinterpret_cast<std::uintptr_t>(&handshake_.child_pidfd);
        helper_plan_.clone.parent_tid = reinterpret_cast<std::uintptr_t>(&handshake_.child_pid);
        clone_args args = clone_request(plan_, area_->helper_stack());
        int pidfd = -1;
        args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
        const long pid = child::clone_onto_stack(&args, child::run_helper, &helper_plan_);
        if (pid < 0) throw clone_error(static_cast<int>(-pid), plan_);
        helper_ = kept_pidfd(pidfd);
    }

    /// Only fork(2) gives a copy in which malloc(3) and the like work, whatever the host's other threads are doing.
    void fork_host() {
        const pid_t pid = ::fork();
        if (pid < 0) throw sys::error(errno, Stage::Launch, "fork");
        if (pid == 0) run_callable(plan_, handshake_, request_.callable);
        helper_ = kept_pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        if (helper_ || errno == ESRCH) return; // ESRCH: the host's own waitpid(-1) was faster
        const int error = errno;
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        throw sys::error(error, Stage::Launch, "open a pidfd");
    }

    /// Serves the child until its set-up is over, in one way or another.
    void watch() {
        for (;;) {
            const std::uint32_t word = __atomic_load_n(&handshake_.word, __ATOMIC_ACQUIRE);
            if (word == Handshake::Gone) return;
            const bool born = (word & FUTEX_TID_MASK) != 0;
            const std::uint32_t phase = __atomic_load_n(&handshake_.phase, __ATOMIC_ACQUIRE);
            if (born && phase == Handshake::Ready) return;
            if (born && phase == Handshake::Awaiting) {
                serve(static_cast<Await>(handshake_.await));
                continue;
            }
            if (born && phase == Handshake::Filtering) {
                if (!serve_filter()) return;
                continue;
            }
            // A process killed before it could register is the one death that the kernel does not announce here; nor
            // does it announce that somebody has stopped one.
            const timespec moment{0, born ? 100'000'000 : 20'000'000};
            if (futex(&handshake_.word, FUTEX_WAIT, word, &moment) < 0 && errno == ETIMEDOUT) {
                if (!born && stillborn()) return;
                wake_stopped();
                if (plan_.starvation && plan_.starvation->goes_on()) {
                    throw sys::error(ENOMEM, Stage::Cgroup, "set up the process", {},
                                     "its memory cgroup leaves it too little");
                }
                check_groups(word);
                check_progress();
            }
        }
    }

    /// \throws Error if the child does not get on because it is in a frozen group
    void check_groups(std::uint32_t word) {
        if (request_.groups == nullptr || !is_frozen(*request_.groups)) return;
        // Unless it has got on just now, and been frozen then.
        if (__atomic_load_n(&handshake_.word, __ATOMIC_ACQUIRE) != word) return;
        throw Error(Errc::InvalidState, Stage::Cgroup, "make a process in the cgroup",
                    freezing_group(*request_.groups).path, "it is frozen: the container is paused, or a group above");
    }

    /// Wakes processes of this launch that others have stopped: whoever shares a pid namespace or a user with them may
    /// do that, and SIGSTOP cannot be blocked. \throws Error if it happens again and again
    void wake_stopped() {
        find_child();
        bool woken = false;
        for (const int pidfd : {launched_.pidfd.get(), helper_.get()}) {
            if (pidfd < 0 || !is_stopped(pidfd)) continue;
            ::syscall(SYS_pidfd_send_signal, pidfd, SIGCONT, nullptr, 0);
            woken = true;
        }
        constexpr int most = 30; // 3 seconds
        if (!woken || ++times_woken_ < most) return;
        throw sys::error(ETIMEDOUT, Stage::Launch, "set up the process", {},
                         "another process that may signal it keeps stopping it");
    }

    /// \throws Error if a process that enters a container has been at the same place for too long: whoever may divide
    /// the container's groups can put it into a frozen one. A start may wait for a slow mount.
    void check_progress() {
        using Clock = std::chrono::steady_clock;
        if (!request_.enters) return;
        const auto now = Clock::now();
        const std::array place{__atomic_load_n(&handshake_.steps_of, __ATOMIC_RELAXED),
                               __atomic_load_n(&handshake_.step, __ATOMIC_RELAXED),
                               __atomic_load_n(&handshake_.phase, __ATOMIC_RELAXED)};
        // A longer time between two looks is one in which this process was stopped itself.
        const auto passed = std::min<Clock::duration>(now - last_look_, std::chrono::seconds(1));
        idle_ = place == last_place_ ? idle_ + passed : Clock::duration(0);
        last_look_ = now;
        last_place_ = place;
        if (idle_ < enter_patience) return;
        throw sys::error(ETIMEDOUT, Stage::Enter, "set up the process", {},
                         "something in the container keeps it from going on, such as a frozen cgroup");
    }

    bool stillborn() {
        find_child();
        const int pidfd = launched_.pidfd ? launched_.pidfd.get() : helper_.get();
        const bool ended = pidfd < 0 || wait_until_ended(pidfd, std::chrono::nanoseconds(0));
        // It may have registered between the look at the word and its end, or made the child just now.
        find_child();
        return ended && __atomic_load_n(&handshake_.word, __ATOMIC_ACQUIRE) == Handshake::Unborn &&
               (!launched_.pidfd || pidfd == launched_.pidfd.get());
    }

    /// What the parent owes the child.
    void serve(Await moment) {
        find_child();
        if (moment == Await::Created) take_created();
        const WaitingChild child{launched_.pid, launched_.pidfd.get(), handshake_};
        for (const Plan::ParentTask& task : plan_.parent_tasks) {
            if (task.moment == moment) task.run(child);
        }
        // Nothing follows the filter of a callable: it runs then, and could say so only by a system call.
        const auto& steps = plan_.steps.steps();
        const bool ready = moment == Await::Freeze || (moment == Await::Filter && steps.back().op == Op::Seccomp);
        __atomic_store_n(&handshake_.phase, ready ? Handshake::Ready : Handshake::Working, __ATOMIC_RELEASE);
        __atomic_fetch_add(&handshake_.go, 1U, __ATOMIC_RELEASE);
        futex(&handshake_.go, FUTEX_WAKE, 1);
    }

    /// What the child has created up to now.
    void take_created() {
        const std::uint32_t count = std::min(handshake_.created_count, Handshake::MaxCreated);
        created_.insert(created_.end(), handshake_.created, handshake_.created + count);
        __atomic_store_n(&handshake_.created_count, 0U, __ATOMIC_RELEASE);
    }

    /// Waits for a child that installs a filter, and cannot wake anybody then. \returns false if it failed or died
    bool serve_filter() {
        find_child();
        const int pidfd = launched_.pidfd.get();
        for (unsigned looks = 1; __atomic_load_n(&handshake_.filtered, __ATOMIC_ACQUIRE) == 0; ++looks) {
            // The end of the process is the one thing that is always noticed.
            if (wait_until_ended(pidfd, std::chrono::microseconds(20))) return false;
            if (looks % 1000 != 0) continue;
            wake_stopped();
            check_progress();
        }
        serve(Await::Filter);
        return true;
    }

    /// The child that a helper has made.
    void find_child() {
        const auto pid = __atomic_load_n(&handshake_.child_pid, __ATOMIC_ACQUIRE);
        if (launched_.pidfd || pid <= 0) return;
        launched_.pid = pid;
        if (plan_.copies_host) {
            launched_.pidfd = kept_pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        } else {
            launched_.pidfd = kept_pidfd(handshake_.child_pidfd);
        }
    }

    Launched result() {
        sys::fault_point(Stage::Launch, "look at the process");
        find_child();
        if (launched_.pid > 0 && !launched_.pidfd) throw sys::error(errno, Stage::Launch, "open a pidfd");
        const auto error = __atomic_load_n(&handshake_.error, __ATOMIC_ACQUIRE);
        if (error != 0) throw step_error(plan_, handshake_);
        const bool ready = handshake_.phase == Handshake::Ready;
        const auto& steps = plan_.steps.steps();
        const bool executed = at_exec() && __atomic_load_n(&handshake_.word, __ATOMIC_ACQUIRE) == Handshake::Gone;
        if (!ready && !executed) {
            const int pidfd = launched_.pidfd ? launched_.pidfd.get() : helper_.get();
            throw death_error(plan_, handshake_, pidfd < 0 ? ExitStatus{} : reap(pidfd));
        }
        reap_helper();
        if (!steps.empty() && steps.back().op == Op::Finish) {
            (void)reap(launched_.pidfd.get());
            return {};
        }
        return std::move(launched_);
    }

    /// Whether the last step was the one that executes a program: the reaper's own, if there is one.
    [[nodiscard]] bool at_exec() const {
        const bool has_reaper = !plan_.reaper.empty();
        const auto& steps = (has_reaper ? plan_.reaper : plan_.steps).steps();
        return handshake_.steps_of == (has_reaper ? Handshake::OfReaper : Handshake::OfChild) &&
               handshake_.step < steps.size() && steps[handshake_.step].op == (has_reaper ? Op::ExecReaper : Op::Exec);
    }

    /// It has nothing left to do; if somebody has stopped it, it is killed.
    void reap_helper() noexcept {
        if (helper_) {
            if (!wait_until_ended(helper_.get(), std::chrono::milliseconds(100)) && is_stopped(helper_.get())) {
                ::syscall(SYS_pidfd_send_signal, helper_.get(), SIGKILL, nullptr, 0);
            }
            (void)reap(helper_.get());
        }
        helper_.reset();
    }

    void end_child() noexcept {
        // Others in the container may put it into a frozen group again.
        do {
            ::syscall(SYS_pidfd_send_signal, launched_.pidfd.get(), SIGKILL, nullptr, 0);
            if (request_.groups != nullptr) thaw_for_kill(*request_.groups, launched_.pid);
        } while (!wait_until_ended(launched_.pidfd.get(), std::chrono::milliseconds(100)));
        (void)reap(launched_.pidfd.get());
    }

    /// After an error: nobody and nothing is left.
    void discard() noexcept {
        if (plan_.starvation) plan_.starvation->relieve();
        // The OOM killer spares the child of vfork, and with it this process, only as long as the helper waits for it.
        find_child();
        const bool ended = plan_.needs_vfork && launched_.pidfd.get() >= 0;
        if (ended) end_child();
        // If the helper was about to make the child, it has either done so, or never will.
        if (plan_.needs_vfork && helper_) ::syscall(SYS_pidfd_send_signal, helper_.get(), SIGKILL, nullptr, 0);
        reap_helper();
        find_child();
        if (!ended && launched_.pidfd) {
            end_child();
        } else if (!ended && launched_.pid > 0) {
            ::kill(launched_.pid, SIGKILL);
            ::waitpid(launched_.pid, nullptr, __WALL);
        }
        try {
            take_created();
            remove_created(plan_, created_, request_.root_lock, request_.bound);
        } catch (const std::bad_alloc&) {
            return; // what was created stays
        }
    }

    const LaunchRequest& request_;
    const Plan& plan_;
    std::unique_ptr<LaunchArea> area_;
    Handshake& handshake_;
    ChildPlan child_{};
    child::HelperPlan helper_plan_{};
    UniqueFd helper_;
    Launched launched_{};
    int times_woken_ = 0;
    std::array<std::uint32_t, 3> last_place_{}; ///< See check_progress().
    std::chrono::steady_clock::time_point last_look_;
    std::chrono::steady_clock::duration idle_{};
    std::vector<CreatedEntry> created_;
};

} // namespace

Launched launch(const LaunchRequest& request, AreaPool& areas) {
    const bool shared_by_threads = request.plan.shares_memory && !request.plan.copies_host;
    Launch launch(request,
                  shared_by_threads ? areas.take() : std::make_unique<LaunchArea>(LaunchArea::Sharing::Processes),
                  areas.host_pidfd());
    Launched launched = launch.run();
    // After a failure the area is unmapped: only a child that is certainly gone may leave its stack to the next one.
    if (shared_by_threads) areas.give_back(launch.take_area());
    return launched;
}

} // namespace ct::internal
