// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <csignal>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "base/time_limit.hpp"
#include "cgroup/freezer.hpp"
#include "config/validate.hpp"
#include "container_core.hpp"
#include "launch/mount_trees.hpp"

/// Containers without a first process.
namespace ct::internal {

void ContainerCore::hold() {
    record_events();
    begin_start("hold");
    std::shared_ptr<const Joins> held;
    try {
        held = with_subject(subject(), [&] { return launch_held(); });
    } catch (...) {
        fail_start();
        throw;
    }
    publish(nullptr, std::move(held), "hold");
}

std::shared_ptr<const Joins> ContainerCore::launch_held() {
    const Spec& spec = *spec_; // constant while starting
    if (auto found = held_violations(spec); !found.empty()) throw Error::invalid_config("hold", std::move(found));
    const ProcessSpec nobody{.stdio = {Stdio::Null, Stdio::Null, Stdio::Null}};
    check_borrowed_fds(spec, nobody);
    if (wants_scope(spec)) {
        throw Error(Errc::Unsupported, Stage::Cgroup, "hold it in a scope of systemd", {},
                    "a scope ends with its last process; use CgroupManager::Cgroupfs");
    }
    const Joins joins = open_joins(spec);
    Prepared prepared = prepare(spec, nobody.argv);
    Streams streams(nobody, session_->low_fds);
    streams.set_joins(joins.list());
    const Membership membership = this->membership(Role::First);
    streams.set_groups(group_layout(membership, spec));
    if (needs_proc(spec)) streams.lend_proc();
    lend_trees(streams, spec, session_->areas);
    if (prepared.image) streams.lend_area(std::move(prepared.image));

    const std::shared_ptr<const HookTable> hooks = hooks_; // constant like the specification

    const auto held = std::make_shared<Joins>();
    Plan plan;
    plan_birth(plan, prepared);
    plan_created_hooks(plan);
    add_group_tasks(plan, spec);
    const std::shared_ptr<StartThread> thread = session_->start_thread();
    compile_hold(plan, prepared.planned(spec), streams.layout(), host_facts(thread.get()), *hooks);
    plan.parent_tasks.push_back(
        {Await::SetUp, [&](const WaitingChild& child) {
             for (const auto& [kind, source] : spec.namespaces) {
                 const int joined = joins.find(kind);
                 held->add(kind,
                           joined >= 0 ? sys::duplicate(joined, Stage::Namespaces, "duplicate a namespace")
                                       : open_namespace_of(kind, child.pid, child.pidfd),
                           concat("container ", name_));
             }
         }});
    const std::function<int()> none;
    const auto groups = this->groups();
    (void)launch({plan, prepared.files_root, none, thread.get(), prepared.bound, groups.get()}, session_->areas);
    keep_upper(plan);
    held->put_in_order();
    if (registration_) registration_->held();
    return held;
}

void ContainerCore::kill() {
    const bool held = [&] {
        const std::lock_guard lock(mutex_);
        return held_ != nullptr;
    }();
    if (held) {
        end_held(std::nullopt, SIGKILL);
        return;
    }
    const std::shared_ptr<ProcessCore> init = running_init("kill");
    const auto groups = this->groups();
    const Group* const freezer = groups ? groups->find(Controller::Freezer) : nullptr;
    if (freezer != nullptr && freezer->hierarchy->version == 1) {
        kill_until_ended(init); // who was about to freeze them may still do so
    } else {
        kill_all(init);
    }
}

void ContainerCore::end_held(std::optional<std::chrono::nanoseconds> grace, int number) {
    std::shared_ptr<const Joins> held;
    std::shared_ptr<Entered> entered;
    {
        const std::lock_guard lock(mutex_);
        held = held_;
        entered = entered_;
    }
    if (!held) {
        if (grace) (void)await_end(nullptr); // of which another thread may take care
        return;
    }
    const auto processes = entered->all();
    for (const auto& process : processes) (void)process->signal(number);
    const auto groups = this->groups();
    if (number == SIGKILL) {
        kill_all(nullptr);
    } else if (groups) {
        begin_thaw(*groups);
    }
    if (grace) {
        const TimeLimit time(grace);
        for (const auto& process : processes) {
            if (process->wait(time.left())) continue;
            kill_until_ended(process);
        }
        entered->sweep();
    }
    finish_held(held);
    if (grace) (void)await_end(nullptr);
}

bool ContainerCore::close_held(OnClose policy) {
    std::shared_ptr<const Joins> held;
    {
        const std::lock_guard lock(mutex_);
        held = held_;
    }
    if (!held) return false;
    if (policy == OnClose::Detach) {
        finish_held(held); // who has entered goes on
    } else {
        end_held(std::chrono::nanoseconds(0), SIGKILL);
    }
    return true;
}

} // namespace ct::internal
