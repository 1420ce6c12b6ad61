// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "container_core.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/concat.hpp"
#include "base/subject.hpp"
#include "base/sys.hpp"
#include "base/time_limit.hpp"
#include "cgroup/controllers.hpp"
#include "cgroup/freezer.hpp"
#include "cgroup/parents.hpp"
#include "config/validate.hpp"
#include "plan/namespace_flags.hpp"

namespace ct::internal {

namespace {

constexpr std::array AllNamespaces{Namespace::Mount, Namespace::Pid,  Namespace::Net,    Namespace::Uts,
                                   Namespace::Ipc,   Namespace::User, Namespace::Cgroup, Namespace::Time};

bool same_file(const std::string& a, const std::string& b) {
    struct stat first {};
    struct stat second {};
    return ::stat(a.c_str(), &first) == 0 && ::stat(b.c_str(), &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

} // namespace

ContainerCore::ContainerCore(std::shared_ptr<SessionCore> session, std::string name, Spec spec)
    : session_(std::move(session)), name_(std::move(name)),
      registration_(session_->store ? std::make_unique<Registration>(*session_->store, name_) : nullptr),
      spec_(std::make_shared<const Spec>(std::move(spec))) {}

ContainerCore::~ContainerCore() {
    if (registration_ && session_->is_in_its_process()) session_->log_errors([&] { registration_->release(); });
    session_->leftovers.take_all(*entered_);
    session_->release(name_);
}

std::string ContainerCore::nic_pin() const {
    return registration_ ? concat(session_->store->path_of(name_), "/nics") : std::string();
}

std::string ContainerCore::subject() const {
    return concat("container '", name_, "'");
}

Error ContainerCore::wrong_state(std::string_view action, std::string_view wanted, State state) const {
    return {Errc::InvalidState,
            Stage::Configure,
            concat(subject(), ": ", action),
            {},
            concat("it is ", to_string(state), " and has to be ", wanted)};
}

State ContainerCore::state() {
    look_at_end(Removal::Later);
    const State now = look(Removal::Later);
    return now == State::Running && is_paused() ? State::Paused : now;
}

State ContainerCore::life() {
    look_at_end(Removal::Wait);
    return look(Removal::Wait);
}

State ContainerCore::look(Removal how) {
    std::shared_ptr<ProcessCore> init;
    std::shared_ptr<Output> output;
    if (registration_) read_news();
    if (const auto hooks = hook_run()) (void)hooks->go_on();
    {
        const std::lock_guard lock(mutex_);
        if (state_ != State::Running || held_) return state_;
        init = init_;
        output = output_;
    }
    const bool ended = init->wait(std::chrono::nanoseconds(0)).has_value();
    if (ended && (!output || output->end(Output::Call::SinksOnly))) finish(init, how);
    const std::lock_guard lock(mutex_);
    return state_;
}

Spec ContainerCore::spec() const {
    const std::lock_guard lock(mutex_);
    return *spec_;
}

void ContainerCore::check_stopped(std::unique_lock<std::mutex>& lock, std::string_view action) const {
    State now = state_;
    if (now == State::Stopped) return;
    lock.unlock();
    if (now == State::Running && is_paused()) now = State::Paused;
    throw wrong_state(action, "stopped", now);
}

void ContainerCore::configure(const std::function<void(Spec&)>& edit) {
    (void)life();
    std::unique_lock lock(mutex_);
    check_stopped(lock, "change the specification");
    auto changed = std::make_shared<Spec>(*spec_);
    with_subject(subject(), [&] { edit(*changed); });
    spec_ = std::move(changed);
}

void ContainerCore::set_spec(Spec spec) {
    configure([&](Spec& present) {
        check_spec(spec);
        present = std::move(spec);
        hooks_ = std::make_shared<const HookTable>();
    });
}

void ContainerCore::add_mount(Mount mount, MountHooks hooks) {
    configure([&](Spec& spec) {
        check_mount(mount);
        check_hooks(mount, hooks);
        auto table = std::make_shared<HookTable>(*hooks_);
        const auto same = [&](const Mount& other) { return other.target == mount.target; };
        const auto before = std::count_if(spec.mounts.begin(), spec.mounts.end(), same);
        (*table)[{mount.target, before}] = std::move(hooks);
        spec.mounts.push_back(std::move(mount));
        hooks_ = std::move(table);
    });
}

void ContainerCore::on_seccomp(SeccompHandler handler) {
    auto next = handler ? std::make_shared<const SeccompHandler>(std::move(handler)) : nullptr;
    const std::lock_guard lock(mutex_);
    on_seccomp_.swap(next); // the old one is released after the lock
}

void ContainerCore::adopt(pid_t pid) {
    const std::string action = concat(subject(), ": adopt process ", pid);
    UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!pidfd) throw sys::error(errno, Stage::Enter, action);
    attach(pid, std::move(pidfd), std::nullopt, action);
    if (registration_) with_subject(subject(), [&] { registration_->adopted(pid, spec_); });
    adopter_ = true;
}

std::shared_ptr<ProcessCore> ContainerCore::adopt_as_specified(pid_t pid) {
    const std::string action = concat(subject(), ": adopt process ", pid);
    begin_start("adopt");
    std::shared_ptr<ProcessCore> init;
    try {
        const std::shared_ptr<const Spec> spec = spec_; // constant while starting
        UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        if (!pidfd) throw sys::error(errno, Stage::Enter, action);
        std::shared_ptr<const Groups> groups;
        if (uses_groups(spec->cgroup)) {
            GroupParents& parents = session_->group_parents();
            groups = std::make_shared<const Groups>(with_subject(subject(), [&] {
                return open_groups_of(
                    parents, place_groups(parents, name_, spec->cgroup, makes_namespace(*spec, Namespace::Pid)), pid);
            }));
        }
        if (registration_) registration_->claim({.spec = spec, .command = {}, .on_close = session_->on_close()});
        attach(pid, std::move(pidfd), *spec, action, State::Starting);
        const std::lock_guard lock(mutex_);
        groups_ = std::move(groups);
        init = init_;
    } catch (...) {
        fail_start();
        throw;
    }
    changed_.notify_all();
    if (registration_) with_subject(subject(), [&] { registration_->adopted(pid, spec_); });
    adopter_ = true;
    return init;
}

/// \param spec  what it was started with, if that is known
void ContainerCore::attach(pid_t pid, UniqueFd pidfd, std::optional<Spec> spec, std::string_view action, State from) {
    const std::string proc = concat("/proc/", pid);
    Spec found;
    for (const Namespace kind : AllNamespaces) {
        const std::string file = concat("/ns/", to_string(kind));
        if (!same_file(proc + file, "/proc/self" + file)) found.namespaces[kind] = NamespacePath{proc + file};
    }
    UniqueFd chroot;
    if (!found.namespaces.contains(Namespace::Mount) && !same_file(proc + "/root", "/proc/self/root")) {
        chroot = sys::open(proc + "/root", O_PATH | O_DIRECTORY, Stage::Enter, action);
    }
    // What was read belongs to this process only if it is still there.
    if (::syscall(SYS_pidfd_send_signal, pidfd.get(), 0, nullptr, 0) < 0 && errno == ESRCH) {
        throw sys::error(ESRCH, Stage::Enter, action);
    }
    {
        const std::lock_guard lock(mutex_);
        if (state_ != from) return;
        adopted_ = true;
        starter_ = ::getpid();
        init_ = std::make_shared<ProcessCore>(name_, Launched{pid, std::move(pidfd), true}, HostEnds{}, entered_);
        enter_target_ = {init_->pidfd(), static_cast<unsigned>(namespace_flags(found)), -1};
        output_.reset(); // of a run of its own
        spec_ = std::make_shared<const Spec>(spec ? std::move(*spec) : std::move(found));
        host_side_ = HostSide::adopted(std::move(chroot));
        run_times_ = {std::chrono::steady_clock::now(), std::chrono::system_clock::now(), pid};
        change_state(State::Running);
    }
    stop_recording();
    (void)session_->keep(shared_from_this());
}

std::shared_ptr<ProcessCore> ContainerCore::init() const {
    const std::lock_guard lock(mutex_);
    if (!init_)
        throw Error(Errc::InvalidState, Stage::Wait, concat(subject(), ": first process"), {},
                    "it was never started, or is held without one");
    return init_;
}

std::shared_ptr<ProcessCore> ContainerCore::running_init(std::string_view action) {
    const State now = life();
    const std::lock_guard lock(mutex_);
    if (now != State::Running || state_ != State::Running) throw wrong_state(action, "running", now);
    return init_;
}

void ContainerCore::change_state(State to) {
    const State from = std::exchange(state_, to);
    if (events_) {
        events_->post<&EventHandlers::state>([name = name_, from, to] { return StateEvent{name, from, to}; });
    }
}

bool ContainerCore::await_start(std::optional<std::chrono::nanoseconds> limit) {
    std::unique_lock lock(mutex_);
    const auto over = [&] { return state_ != State::Starting && !awaits_poststart_hooks(); };
    if (limit) return changed_.wait_for(lock, *limit, over);
    changed_.wait(lock, over);
    return true;
}

std::optional<ExitStatus> ContainerCore::earlier_exit() const {
    const std::lock_guard lock(mutex_);
    return init_ || held_ ? std::nullopt : last_exit_;
}

std::optional<ExitStatus> ContainerCore::wait(std::optional<std::chrono::nanoseconds> limit) {
    const TimeLimit time(limit);
    const bool only_looks = limit && limit->count() <= 0;
    if (!only_looks) check_not_in_hook("wait");
    if (!await_start(time.left())) return std::nullopt;
    if (const auto earlier = earlier_exit()) return earlier;
    return await_run(init(), time.left());
}

std::optional<ExitStatus> ContainerCore::await_run(const std::shared_ptr<ProcessCore>& process,
                                                   std::optional<std::chrono::nanoseconds> limit) {
    const TimeLimit time(limit);
    const bool only_looks = limit && limit->count() <= 0;
    std::shared_ptr<Output> output;
    {
        const std::lock_guard lock(mutex_);
        if (init_ == process) output = output_;
    }
    if (!only_looks) check_not_in_handler("wait");
    const std::optional<ExitStatus> status = process->wait(time.left(), only_looks ? nullptr : output.get());
    if (!status || !deliver_output(output, time.left())) return std::nullopt;
    finish(process, limit ? Removal::Later : Removal::Wait);
    if (!await_end(process, time.left())) return std::nullopt; // another thread, or the loop, may be taking it down
    if (adopted_ && registration_ && !limit) registration_->await_owner();
    return status;
}

void ContainerCore::signal(int number) {
    const std::shared_ptr<ProcessCore> process = running_init("signal");
    if (process) {
        (void)process->signal(number);
    } else {
        (void)init(); // says why not
    }
}

ExitStatus ContainerCore::stop(std::chrono::nanoseconds grace, int number) {
    check_not_in_handler("stop");
    check_not_in_hook("stop");
    (void)await_start(std::nullopt);
    std::shared_ptr<ProcessCore> process;
    {
        const std::lock_guard lock(mutex_);
        process = init_;
    }
    if (!process) {
        end_held(grace, number);
        return earlier_exit().value_or(ExitStatus{});
    }
    if (process->signal(number)) {
        // Frozen, it could not heed the signal.
        if (const auto groups = this->groups()) begin_thaw(*groups);
        if (!await_run(process, grace)) kill_until_ended(process);
    }
    return *await_run(process, std::nullopt); // also for whoever else logs its output
}

void ContainerCore::close(OnClose policy) noexcept {
    session_->log_errors([&] {
        if (life() != State::Running) {
            std::shared_ptr<ProcessCore> last;
            {
                const std::lock_guard lock(mutex_);
                last = init_;
            }
            (void)await_end(last); // the loop would take it down, which nobody will ask to
            return;
        }
        if (adopted_ && !adopter_) return;
        if (close_held(policy)) return;
        if (adopted_ || policy == OnClose::Detach) {
            detach();
            return;
        }
        const std::shared_ptr<ProcessCore> process = init();
        kill_until_ended(process);
        (void)await_start(std::nullopt); // of which poststart hooks may be left
        if (const auto output = this->output()) output->end_now();
        finish(process, Removal::Wait);
        (void)await_end(process);
    });
}

} // namespace ct::internal
