// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "container_core.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "area/dir_chain.hpp"
#include "base/concat.hpp"
#include "base/subject.hpp"
#include "base/sys.hpp"
#include "config/validate.hpp"
#include "launch/exit_status.hpp"
#include "launch/mount_trees.hpp"
#include "monitor/seccomp_watch.hpp"
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
    if (registration_) session_->log_errors([&] { registration_->release(); });
    session_->leftovers.take_all(*entered_);
    session_->release(name_);
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
    std::shared_ptr<ProcessCore> init;
    if (registration_) read_news();
    {
        const std::lock_guard lock(mutex_);
        if (state_ != State::Running || held_) return state_;
        init = init_;
    }
    if (init->wait(std::chrono::nanoseconds(0))) finish(init);
    const std::lock_guard lock(mutex_);
    return state_;
}

Spec ContainerCore::spec() const {
    const std::lock_guard lock(mutex_);
    return *spec_;
}

void ContainerCore::configure(const std::function<void(Spec&)>& edit) {
    (void)state();
    const std::lock_guard lock(mutex_);
    if (state_ != State::Stopped) throw wrong_state("change the specification", "stopped", state_);
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
        (*table)[mount.target] = std::move(hooks);
        spec.mounts.push_back(std::move(mount));
        hooks_ = std::move(table);
    });
}

void ContainerCore::on_seccomp(SeccompHandler handler) {
    auto next = handler ? std::make_shared<const SeccompHandler>(std::move(handler)) : nullptr;
    const std::lock_guard lock(mutex_);
    on_seccomp_.swap(next); // the old one is released after the lock
}

void ContainerCore::begin_start(std::string_view action) {
    (void)state();
    const std::lock_guard lock(mutex_);
    if (state_ != State::Stopped) throw wrong_state(action, "stopped", state_);
    if (session_->closed())
        throw Error(Errc::InvalidState, Stage::Configure, concat(subject(), ": ", action), {}, "its session is closed");
    if (removed_)
        throw Error(Errc::InvalidState, Stage::Configure, concat(subject(), ": ", action), {}, "it was removed");
    state_ = State::Starting;
}

std::shared_ptr<ProcessCore> ContainerCore::start(const ProcessSpec& process, const std::function<int()>& callable) {
    begin_start("start");
    std::shared_ptr<ProcessCore> init;
    try {
        init = with_subject(subject(), [&] { return launch_first(process, callable); });
    } catch (...) {
        take_down_host_side();
        fail_record();
        become_stopped();
        throw;
    }
    publish(init, nullptr, "start");
    return init;
}

void ContainerCore::publish(std::shared_ptr<ProcessCore> init, std::shared_ptr<const Joins> held,
                            std::string_view action) {
    // Registered before anybody can see it run, and notice its end.
    const bool kept = session_->keep(shared_from_this());
    {
        const std::lock_guard lock(mutex_);
        if (const auto owner = pid_owner_.lock(); owner && init) owner->add(init);
        init_ = std::move(init);
        adopted_ = false;
        held_ = std::move(held);
        enter_target_ = {init_ ? init_->pidfd() : -1, static_cast<unsigned>(namespace_flags(*spec_)), -1, {}};
        state_ = State::Running;
    }
    changed_.notify_all();
    if (kept) return;
    close(OnClose::Kill);
    throw Error(Errc::InvalidState, Stage::Launch, concat(subject(), ": ", action), {},
                "its session was closed meanwhile");
}

ContainerCore::Prepared ContainerCore::prepare(const Spec& spec, const std::vector<std::string>* command) {
    session_->leftovers.sweep();
    {
        const std::lock_guard lock(mutex_);
        session_->leftovers.take_all(*entered_);
        entered_ = std::make_shared<Entered>();
    }
    HostSide::Announce announce;
    if (registration_ && command != nullptr) {
        registration_->claim(spec_, *command, session_->on_close());
        announce = [this](const HostMount& mount) { registration_->announce(mount); };
    }
    HostSide host_side(spec, announce);
    Prepared prepared{host_side.files_root(), host_side.take_image(), {}, host_side.bound()};
    if (prepared.image) {
        // Only for the time of the start: a descriptor of the image's would keep the loop device.
        prepared.image_root.reset(::openat(prepared.image.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (prepared.files_root < 0) prepared.files_root = prepared.image_root.get();
    }
    const std::lock_guard lock(mutex_);
    host_side_ = std::move(host_side);
    return prepared;
}

void ContainerCore::keep_upper(Plan& plan) {
    if (!plan.upper) return;
    auto upper = std::make_shared<const UniqueFd>(std::move(plan.upper));
    const std::lock_guard lock(mutex_);
    upper_.swap(upper);
}

void ContainerCore::check_process(std::string_view action, const Spec& spec, const ProcessSpec& process, Runs runs,
                                  Role role) {
    auto found = violations(spec, process, runs, role);
    if (process.seccomp && has_action(*process.seccomp, SeccompAction::Kind::Notify)) {
        const std::lock_guard lock(mutex_);
        if (on_seccomp_ == nullptr) found.push_back("a seccomp filter that notifies needs a handler: on_seccomp()");
    }
    if (!found.empty()) throw Error::invalid_config(action, std::move(found));
}

HostFacts ContainerCore::host_facts(StartThread* thread) const {
    HostFacts facts;
    if (thread == nullptr) {
        facts = HostFacts::detect();
    } else {
        thread->run([&] { facts = HostFacts::detect(); });
    }
    facts.filters = &session_->filters;
    return facts;
}

Launched ContainerCore::launch_plan(Plan& plan, int files_root, const std::function<int()>& callable,
                                    StartThread* thread, std::span<const FilesRoot> bound) {
    std::shared_ptr<Loop> loop;
    if (plan.filter && plan.filter->notifies) loop = session_->loop();
    Launched launched = launch({plan, files_root, callable, thread, bound}, session_->areas);
    if (loop == nullptr) return launched;
    const auto find_handler = [self = weak_from_this()]() -> std::shared_ptr<const SeccompHandler> {
        const auto container = self.lock();
        if (container == nullptr) return nullptr;
        const std::lock_guard lock(container->mutex_);
        return container->on_seccomp_;
    };
    try {
        watch_listener(*loop, std::move(plan.listener), find_handler);
    } catch (...) {
        ::syscall(SYS_pidfd_send_signal, launched.pidfd.get(), SIGKILL, nullptr, 0);
        (void)reap(launched.pidfd.get());
        throw;
    }
    return launched;
}

std::shared_ptr<ProcessCore> ContainerCore::launch_first(const ProcessSpec& process,
                                                         const std::function<int()>& callable) {
    const Spec& spec = *spec_; // constant while starting
    const auto runs = callable ? Runs::Callable : Runs::Program;
    check_process("start", spec, process, runs, Role::First);
    check_borrowed_fds(spec, process);
    const Joins joins = open_joins(spec);
    Prepared prepared = prepare(spec, &process.argv);
    Streams streams(process, session_->low_fds, stream_owner(spec, process));
    if (writes_proc(process) || needs_proc(spec)) streams.lend_proc();
    if (process.init == Init::Reaper) streams.add_reaper(session_->reaper_image());
    lend_trees(streams, spec, session_->areas);
    if (prepared.image) streams.lend_area(std::move(prepared.image));
    streams.set_joins(joins.list());
    const std::shared_ptr<const HookTable> hooks = hooks_; // constant like the specification
    Plan plan;
    // The child goes on once the record tells who it is: if this process dies, its successor can end it.
    if (registration_) {
        plan.parent_tasks.push_back(
            {Await::Birth, [&](const WaitingChild& child) { registration_->born(child.pid, prepared.files_root); }});
    }
    const std::shared_ptr<StartThread> thread = session_->start_thread();
    compile_start(plan, spec, process, streams.layout(), host_facts(thread.get()), callable != nullptr, *hooks);
    Launched launched = launch_plan(plan, prepared.files_root, callable, thread.get(), prepared.bound);
    keep_upper(plan);
    auto init = std::make_shared<ProcessCore>(name_, std::move(launched), streams.take_host_ends(),
                                              has_namespace(spec, Namespace::Pid) ? entered_ : nullptr);
    if (registration_) check_running_record(init);
    if (thread && process.parent_death_signal != 0) thread->watch(ProcessCore::pidfd_of(init));
    return init;
}

std::shared_ptr<ProcessCore> ContainerCore::enter(const ProcessSpec& process, const std::function<int()>& callable) {
    const std::shared_ptr<ProcessCore> init = running_init("enter");
    EnterTarget target{};
    UniqueFd root;
    std::shared_ptr<const Spec> spec;
    std::shared_ptr<Entered> entered;
    std::shared_ptr<Entered> pid_owner;
    std::shared_ptr<const Joins> held;
    {
        // The container may end and take its host side down at any time.
        const std::lock_guard lock(mutex_);
        if (init_ != init || state_ != State::Running) throw wrong_state("enter", "running", state_);
        target = enter_target_;
        held = held_;
        if (held) target.held = held->list();
        spec = spec_;
        entered = entered_;
        pid_owner = pid_owner_.lock();
        if (host_side_.chroot() >= 0) root = sys::duplicate(host_side_.chroot(), Stage::Enter, "duplicate the root");
        target.root_fd = root.get();
    }
    return with_subject(subject(), [&] {
        const auto runs = callable ? Runs::Callable : Runs::Program;
        check_process("enter", *spec, process, runs, Role::Entering);
        check_borrowed_fds({}, process);
        entered->sweep();
        Streams streams(process, session_->low_fds, stream_owner(*spec, process));
        if (writes_proc(process)) streams.lend_proc();
        Plan plan;
        const std::shared_ptr<StartThread> thread = session_->start_thread();
        compile_enter(plan, *spec, target, process, streams.layout(), host_facts(thread.get()), callable != nullptr);
        Launched launched = launch_plan(plan, -1, callable, thread.get());
        auto entering = std::make_shared<ProcessCore>(name_, std::move(launched), streams.take_host_ends(), nullptr);
        if (thread && process.parent_death_signal != 0) thread->watch(ProcessCore::pidfd_of(entering));
        entered->add(entering);
        if (pid_owner) pid_owner->add(entering);
        return entering;
    });
}

void ContainerCore::adopt(pid_t pid) {
    const std::string action = concat(subject(), ": adopt process ", pid);
    UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!pidfd) throw sys::error(errno, Stage::Enter, action);
    attach(pid, std::move(pidfd), std::nullopt, action);
    if (registration_) with_subject(subject(), [&] { registration_->adopted(pid, spec_); });
    adopter_ = true;
}

/// \param spec  what it was started with, if that is known
void ContainerCore::attach(pid_t pid, UniqueFd pidfd, std::optional<Spec> spec, std::string_view action) {
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
        if (state_ != State::Stopped) return;
        adopted_ = true;
        init_ = std::make_shared<ProcessCore>(name_, Launched{pid, std::move(pidfd), true}, HostEnds{}, entered_);
        enter_target_ = {init_->pidfd(), static_cast<unsigned>(namespace_flags(found)), -1};
        spec_ = std::make_shared<const Spec>(spec ? std::move(*spec) : std::move(found));
        host_side_ = HostSide::adopted(std::move(chroot));
        state_ = State::Running;
    }
    (void)session_->keep(shared_from_this());
}

std::optional<OverlayView> ContainerCore::overlay(std::string_view action) const {
    std::shared_ptr<const Spec> spec;
    std::shared_ptr<const UniqueFd> upper;
    {
        const std::lock_guard lock(mutex_);
        spec = spec_;
        upper = upper_;
    }
    const auto* const area = spec->private_area ? std::get_if<OverlayArea>(&*spec->private_area) : nullptr;
    if (area == nullptr || !spec->root) {
        throw Error(Errc::InvalidState, Stage::Configure, action, {}, "its private area is no overlay");
    }
    if (area->upper.empty() && !upper) return std::nullopt;
    return open_overlay(*spec, upper ? upper->get() : -1);
}

std::vector<Change> ContainerCore::changes() const {
    return with_subject(subject(), [&] {
        const std::optional<OverlayView> view = overlay("list the changes");
        return view ? list_changes(*view) : std::vector<Change>{};
    });
}

void ContainerCore::commit(const std::string& directory) const {
    with_subject(subject(), [&] {
        const std::optional<OverlayView> view = overlay("commit the changes");
        if (!view) {
            throw Error(Errc::InvalidState, Stage::Configure, "commit the changes to", directory,
                        "it was never started, or its changes were discarded");
        }
        copy_upper(*view, directory);
    });
}

void ContainerCore::discard() {
    (void)state();
    {
        const std::lock_guard lock(mutex_);
        if (state_ != State::Stopped) throw wrong_state("discard the changes", "stopped", state_);
        state_ = State::Stopping; // nobody starts it meanwhile
    }
    const std::shared_ptr<ContainerCore> stopped(this, [](ContainerCore* core) { core->become_stopped(); });
    with_subject(subject(), [&] {
        std::optional<OverlayView> view = overlay("discard the changes");
        if (!view) return;
        const auto& area = std::get<OverlayArea>(*spec_->private_area);
        if (area.upper.empty()) {
            std::shared_ptr<const UniqueFd> ended; // outlives the lock
            const std::lock_guard lock(mutex_);
            upper_.swap(ended);
            return;
        }
        const UniqueFd upper = sys::open(area.upper, O_RDONLY | O_DIRECTORY, Stage::Root, "open the upper directory");
        lock_upper(area, upper.get());
        remove_contents(upper.get(), area.upper);
    });
}

std::shared_ptr<ProcessCore> ContainerCore::init() const {
    const std::lock_guard lock(mutex_);
    if (!init_)
        throw Error(Errc::InvalidState, Stage::Wait, concat(subject(), ": first process"), {},
                    "it was never started, or is held without one");
    return init_;
}

std::shared_ptr<ProcessCore> ContainerCore::running_init(std::string_view action) {
    const State now = state();
    const std::lock_guard lock(mutex_);
    if (now != State::Running || state_ != State::Running) throw wrong_state(action, "running", now);
    return init_;
}

void ContainerCore::finish(const std::shared_ptr<ProcessCore>& init) {
    {
        const std::lock_guard lock(mutex_);
        if (init_ != init || state_ != State::Running) return;
        state_ = State::Stopping;
        last_exit_ = init->wait(std::chrono::nanoseconds(0));
    }
    take_down_host_side();
    if (registration_) session_->log_errors([&] { registration_->ended(last_exit_.value_or(ExitStatus{})); });
    const auto self = shared_from_this(); // the session's may be the last reference
    session_->forget(*this);
    become_stopped();
}

void ContainerCore::take_down_host_side() {
    HostSide ended; // outlives the lock: unmounting may block
    const std::lock_guard lock(mutex_);
    ended = std::exchange(host_side_, HostSide());
}

void ContainerCore::become_stopped() {
    {
        const std::lock_guard lock(mutex_);
        state_ = State::Stopped;
    }
    changed_.notify_all();
}

std::optional<ExitStatus> ContainerCore::wait(std::optional<std::chrono::nanoseconds> limit) {
    const std::shared_ptr<ProcessCore> process = init();
    const std::optional<ExitStatus> status = process->wait(limit);
    if (!status) return std::nullopt;
    finish(process);
    // Another thread may be taking it down.
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return init_ != process || state_ != State::Stopping; });
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
    std::shared_ptr<ProcessCore> process;
    {
        const std::lock_guard lock(mutex_);
        process = init_;
    }
    if (!process) {
        end_held(grace, number);
        return {};
    }
    if (process->signal(number)) {
        if (const auto status = wait(grace)) return *status;
        (void)process->signal(SIGKILL);
    }
    return *wait(std::nullopt);
}

void ContainerCore::close(OnClose policy) noexcept {
    session_->log_errors([&] {
        if (state() != State::Running) return;
        if (adopted_ && !adopter_) return;
        if (close_held(policy)) return;
        if (adopted_ || policy == OnClose::Detach) {
            detach();
            return;
        }
        const std::shared_ptr<ProcessCore> process = init();
        (void)process->signal(SIGKILL);
        (void)process->wait(std::nullopt);
        finish(process);
    });
}

} // namespace ct::internal
