// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// The part of container_core.hpp that makes processes.
#include "container_core.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/concat.hpp"
#include "base/rollback.hpp"
#include "base/sys.hpp"
#include "cgroup/freezer.hpp"
#include "cgroup/starvation.hpp"
#include "config/attach.hpp"
#include "config/log.hpp"
#include "config/validate.hpp"
#include "launch/exit_status.hpp"
#include "launch/frozen_birth.hpp"
#include "launch/mount_trees.hpp"
#include "monitor/seccomp_watch.hpp"
#include "plan/namespace_flags.hpp"
#include "run_watch.hpp"

namespace ct::internal {

void ContainerCore::begin_start(std::string_view action) {
    (void)life();
    std::unique_lock lock(mutex_);
    check_stopped(lock, action);
    if (session_->closed())
        throw Error(Errc::InvalidState, Stage::Configure, concat(subject(), ": ", action), {}, "its session is closed");
    if (removed_)
        throw Error(Errc::InvalidState, Stage::Configure, concat(subject(), ": ", action), {}, "it was removed");
    hooks_begun_ = false;
    change_state(State::Starting);
}

std::shared_ptr<ProcessCore> ContainerCore::start(const ProcessSpec& process, const std::function<int()>& callable) {
    record_events();
    begin_start("start");
    run_times_ = {std::chrono::steady_clock::now(), std::chrono::system_clock::now()};
    std::shared_ptr<ProcessCore> init;
    try {
        init = with_subject(subject(), [&] { return launch_first(process, callable); });
    } catch (...) {
        fail_start();
        throw;
    }
    run_times_.start.total = std::chrono::steady_clock::now() - run_times_.begin;
    const auto hooks = begin_poststart_hooks(); // before anybody can notice the end of the run
    Rollback forget;
    if (hooks) forget.add([&] { set_own_hook_run(nullptr); });
    publish(init, nullptr, "start");
    finish_poststart_hooks(hooks);
    return init;
}

void ContainerCore::publish(std::shared_ptr<ProcessCore> init, std::shared_ptr<const Joins> held,
                            std::string_view action) {
    // Registered before anybody can see it run, and notice its end.
    starter_ = ::getpid();
    const bool kept = session_->keep(shared_from_this());
    const bool has_init = init != nullptr;
    {
        const std::lock_guard lock(mutex_);
        if (const auto owner = pid_owner_.lock(); owner && has_init) owner->add(init);
        init_ = std::move(init);
        adopted_ = false;
        held_ = std::move(held);
        enter_target_ = {init_ ? init_->pidfd() : -1, static_cast<unsigned>(namespace_flags(*spec_)), -1, {}};
        change_state(State::Running);
        if (kept && has_init) tell_start();
    }
    changed_.notify_all();
    write_records();
    if (kept) {
        try {
            with_subject(subject(), [&] { watch_run(GroupWatch::From::Beginning); });
        } catch (...) {
            close(OnClose::Kill); // rather than a container of which its owner hears nothing
            throw;
        }
        return;
    }
    close(OnClose::Kill);
    throw Error(Errc::InvalidState, Stage::Launch, concat(subject(), ": ", action), {},
                "its session was closed meanwhile");
}

ContainerCore::Prepared ContainerCore::prepare(const Spec& spec, const std::vector<std::string>& command) {
    session_->leftovers.sweep();
    {
        const std::lock_guard lock(mutex_);
        session_->leftovers.take_all(*entered_);
        entered_ = std::make_shared<Entered>();
    }
    HostSide::Announce announce;
    if (registration_) {
        registration_->claim({.spec = spec_,
                              .command = command,
                              .on_close = session_->on_close(),
                              .log = log_targets(),
                              .attach_socket = attach_socket(),
                              .records_events = session_->records_events()});
        announce = [this](const HostMount& mount) { registration_->announce(mount); };
    }
    HostSide host_side(spec, announce, warning(), session_->network, name_);
    Prepared prepared{host_side.files_root(), host_side.take_image(), {},
                      host_side.bound(),      host_side.links(),      host_side.nics()};
    if (const auto& bridges = host_side.bridges()) {
        prepared.bridges = bridges;
        prepared.completed = spec;
        prepared.completed->network = bridges->network();
    }
    if (prepared.image) {
        // Only for the time of the start: a descriptor of the image's would keep the loop device.
        prepared.image_root.reset(::openat(prepared.image.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (prepared.files_root < 0) prepared.files_root = prepared.image_root.get();
    }
    {
        const std::lock_guard lock(mutex_);
        host_side_ = std::move(host_side);
    }
    prepare_groups(spec);
    prepare_watch(spec);
    return prepared;
}

void ContainerCore::plan_birth(Plan& plan, const Prepared& prepared) {
    const std::shared_ptr<HostLinks>& links = prepared.links;
    // The child goes on once the record tells who it is: if this process dies, its successor can end it.
    if (registration_) {
        plan.parent_tasks.push_back(
            {Await::Birth, [this, links, root = prepared.files_root](const WaitingChild& child) {
                 registration_->born(child.pid, root, links ? links->planned() : std::vector<HostLink>{});
             }});
    }
    if (links) {
        plan.parent_tasks.push_back({Await::Birth, [links, bridges = prepared.bridges](const WaitingChild& child) {
                                         links->create({child.pid});
                                         if (bridges) bridges->set_started();
                                     }});
    }
    if (prepared.nics) {
        plan.parent_tasks.push_back({Await::Birth, [this, nics = prepared.nics](const WaitingChild& child) {
                                         nics->move_in(open_namespace_of(Namespace::Net, child.pid, child.pidfd),
                                                       [this](const std::vector<NicState>& states, int net) {
                                                           if (!registration_) return;
                                                           registration_->announce_nics(states, nic_pin());
                                                           pin_for_nics(nic_pin(), net);
                                                       });
                                     }});
    }
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
    if (role == Role::First && is_logged()) {
        log_violations(found, process);
        if (const auto attachable = this->attachable(); attachable && attachable->input)
            input_violations(found, process);
        if (session_->on_close() == OnClose::Detach) {
            found.push_back("the session logs the output, and so cannot let the container outlive it: OnClose::Detach");
        }
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
                                    StartThread* thread, Role role, std::span<const FilesRoot> bound) {
    std::shared_ptr<Loop> loop;
    if (plan.filter && plan.filter->notifies) loop = session_->loop();
    const auto groups = this->groups();
    if (plan.needs_vfork && groups) plan.starvation = std::make_shared<Starvation>(groups);
    const bool enters = role == Role::Entering;
    Launched launched = launch({plan, files_root, callable, thread, bound, groups.get(), enters}, session_->areas);
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
        if (groups) thaw_for_kill(*groups, launched.pid);
        (void)reap(launched.pidfd.get());
        throw;
    }
    return launched;
}

std::shared_ptr<ProcessCore> ContainerCore::launch_first(const ProcessSpec& given,
                                                         const std::function<int()>& callable) {
    const Spec& spec = *spec_; // constant while starting
    const auto runs = callable ? Runs::Callable : Runs::Program;
    check_process("start", spec, given, runs, Role::First);
    check_borrowed_fds(spec, given);
    Rollback undo;
    const std::shared_ptr<Output> output = open_output();
    std::optional<ProcessSpec> logged;
    if (output) {
        logged = pipes_for_output(given);
        if (output->takes_input()) logged = pipe_for_input(*std::move(logged));
        undo.add([output] { output->abandon(); });
    }
    const ProcessSpec& process = logged ? *logged : given;
    const Joins joins = open_joins(spec);
    Prepared prepared = prepare(spec, process.argv);
    Streams streams(process, session_->low_fds, stream_owner(spec, process));
    if (writes_proc(process) || needs_proc(spec)) streams.lend_proc();
    if (process.init == Init::Reaper) streams.add_reaper(session_->reaper_image());
    lend_trees(streams, spec, session_->areas);
    if (prepared.image) streams.lend_area(std::move(prepared.image));
    streams.set_joins(joins.list());
    const Membership membership = this->membership(Role::First);
    streams.set_groups(group_layout(membership, spec));
    const std::shared_ptr<const HookTable> hooks = hooks_; // constant like the specification
    Plan plan;
    plan_birth(plan, prepared);
    plan_created_hooks(plan);
    add_group_tasks(plan, spec);
    const std::shared_ptr<StartThread> thread = session_->start_thread();
    std::optional<FrozenBirth> frozen;
    if (spec.cgroup.born_frozen) frozen.emplace([this] { return groups(); }, process, callable != nullptr).add_to(plan);
    compile_start(plan, prepared.planned(spec), process, streams.layout(), host_facts(thread.get()),
                  callable != nullptr, *hooks);
    HostEnds ends = streams.take_host_ends();
    if (output) output->connect(ends, events()->loop()); // and with events dispatch() takes notice of the end
    const auto planned = std::chrono::steady_clock::now();
    Launched launched = launch_plan(plan, prepared.files_root, callable, thread.get(), Role::First, prepared.bound);
    StartTimes& times = run_times_.start;
    times.prepare = planned - run_times_.begin;
    times.birth = launched.made - planned;
    times.set_up = std::chrono::steady_clock::now() - launched.made;
    run_times_.pid = launched.pid;
    keep_upper(plan);
    auto init = std::make_shared<ProcessCore>(name_, std::move(launched), std::move(ends),
                                              has_namespace(spec, Namespace::Pid) ? entered_ : nullptr);
    try {
        if (frozen) frozen->finish();
    } catch (...) {
        give_up(init);
        throw;
    }
    if (registration_) check_running_record(init);
    if (thread && process.parent_death_signal != 0) thread->watch(ProcessCore::pidfd_of(init));
    undo.dismiss();
    if (output) output->started();
    std::shared_ptr<Output> replaced = output;
    const std::lock_guard lock(mutex_);
    output_.swap(replaced);
    return init;
}

std::shared_ptr<ProcessCore> ContainerCore::enter(const ProcessSpec& process, const std::function<int()>& callable,
                                                  Tell whom) {
    const std::shared_ptr<ProcessCore> init = running_init("enter");
    if (is_paused()) throw wrong_state("enter", "running", State::Paused); // the process would be frozen at its birth
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
        Membership membership = this->membership(Role::Entering);
        if (init && spec->cgroup.mount == CgroupMount::Writable) membership.follow(init->pid());
        Plan plan;
        add_attach_task(plan, membership);
        streams.set_groups(membership.layout());
        UniqueFd cgroup_namespace;
        if (init && (target.namespaces & namespaces_after_groups(streams.layout().groups)) != 0) {
            cgroup_namespace = open_namespace_of(Namespace::Cgroup, init->pid(), init->pidfd());
            target.cgroup_namespace = cgroup_namespace.get();
        }
        const std::shared_ptr<StartThread> thread = session_->start_thread();
        compile_enter(plan, *spec, target, process, streams.layout(), host_facts(thread.get()), callable != nullptr);
        Launched launched = launch_plan(plan, -1, callable, thread.get(), Role::Entering);
        auto entering = std::make_shared<ProcessCore>(name_, std::move(launched), streams.take_host_ends(), nullptr);
        if (thread && process.parent_death_signal != 0) thread->watch(ProcessCore::pidfd_of(entering));
        entered->add(entering);
        if (pid_owner) pid_owner->add(entering);
        if (const auto watch = run_watch(); watch && whom == Tell::Handler) watch->watch_entered(entering);
        return entering;
    });
}

} // namespace ct::internal
