// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "capi/container.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>

#include <ct/error.hpp>
#include <ct/export.hpp>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "capi/guard.hpp"
#include "capi/session.hpp"

namespace ct::capi {

namespace {

constexpr std::chrono::hours Forever{24 * 365};

/// It goes on by itself, under the name that it has; without a process there is nothing that could.
void let_go(ct::Container& container, bool held) {
    if (held) {
        container.kill();
        return;
    }
    try {
        if (container.state() == State::Paused) container.thaw(Forever);
        container.detach();
    } catch (const Error& error) {
        if (error.code() != Errc::InvalidState) throw; // else it has just ended
    }
}

/// None if it runs without: a process that was loaded need not be in a group of the container's.
std::optional<std::string> group_of(const ct::Container& container, Controller controller) {
    try {
        return container.cgroup_path(controller);
    } catch (const Error& error) {
        if (error.code() == Errc::InvalidState) return std::nullopt;
        throw;
    }
}

} // namespace

Container::Container(std::weak_ptr<Session> session, ct::Container container)
    : session_(std::move(session)), container_(std::move(container)) {
    add_handle<ct_process_t>(init_);
}

void Container::check_stopped() const {
    require(state_ == CT_STOPPED && !starting_, LCTERR_BADCTSTATE, "the container is not stopped");
}

void Container::check_running() const {
    require(state_ == CT_RUNNING, LCTERR_BADCTSTATE, "the container is not running");
}

ct_process_t Container::run(const Config& config, const std::function<ct::Process()>& begin) {
    try {
        return become_running(begin(), config);
    } catch (...) {
        const std::lock_guard lock(mutex_);
        starting_ = false;
        throw;
    }
}

ct_process_t Container::become_running(ct::Process init, const Config& config) {
    ct::Container container = object();
    std::map<Controller, std::string> groups;
    // One that has ended again takes its groups along only when it is waited for; then there is nothing to read.
    if (container.running()) {
        for (const Controller controller : config.controllers) {
            if (auto directory = group_of(container, controller)) groups[controller] = std::move(*directory);
        }
    }
    const bool frozen = config.base.cgroup.born_frozen && container.state() == State::Paused;
    OnClose closed = OnClose::Detach;
    {
        const std::lock_guard lock(mutex_);
        starting_ = false;
        if (!closed_) {
            init_->set(std::move(init));
            state_ = frozen ? CT_PAUSED : CT_RUNNING;
            held_ = config.taskless;
            groups_ = std::move(groups);
            ++run_;
            return static_cast<ct_process_t>(init_->handle);
        }
        closed = *closed_;
    }
    // Nobody has it any more.
    if (closed == OnClose::Kill) {
        container.kill();
    } else {
        let_go(container, config.taskless);
    }
    throw Failure(LCTERR_INVARG, "the container was destroyed while it started");
}

ct_process_t Container::load(pid_t pid) {
    Config config;
    bool held = false;
    {
        const std::lock_guard lock(mutex_);
        require(!starting_, LCTERR_BADCTSTATE, "the container is being started");
        starting_ = true;
        config = config_;
        held = held_;
    }
    config.taskless = false;
    return run(config, [&] { return adopt(pid, config, held); });
}

ct::Process Container::adopt(pid_t pid, const Config& config, bool held) {
    ct::Container present = object();
    const auto session = session_.lock();
    const bool runs = session && present.running();
    // As long as it is not sure that there is such a process, what runs stays what it is.
    ct::Container loaded = runs ? session->create(present.name()) : present;
    loaded.set_spec(config.spec());
    if (runs) {
        const std::lock_guard lock(mutex_);
        for (const auto& [point, handler] : hooks_) loaded.add_hook(point, handler);
    }
    ct::Process init = loaded.adopt(pid);
    if (runs) {
        try {
            let_go(present, held);
        } catch (...) {
            loaded.detach();
            throw;
        }
        const std::lock_guard lock(mutex_);
        container_ = loaded;
        for (const auto& [what, set] : handlers_) set(container_, true);
    }
    return init;
}

void Container::kill() {
    bool possible = false;
    {
        const std::lock_guard lock(mutex_);
        check_running();
        possible = config_.makes(CLONE_NEWPID) || config_.killable;
        require(possible || held_, 1, "the container has neither a new pid namespace nor LIBCT_OPT_KILLABLE");
    }
    // One that has ended, perhaps just now, needs no killing; one that is held is over with its namespaces.
    try {
        ct::Container container = object();
        if (container.running()) container.kill();
    } catch (const Error& error) {
        if (error.code() != Errc::InvalidState) throw;
    }
    require(possible, 1, "the container has no process that can be killed");
}

void Container::wait() {
    unsigned run = 0;
    bool held = false;
    {
        const std::lock_guard lock(mutex_);
        check_running();
        run = run_;
        held = held_;
    }
    ct::Container container = object();
    if (held) {
        init_->wait_if_needed();
        if (container.running()) (void)container.stop(std::chrono::nanoseconds(0), SIGKILL);
    } else {
        (void)container.wait(); // which also moves its output
        init_->wait_if_needed();
    }
    const std::lock_guard lock(mutex_);
    if (run_ != run) return;
    state_ = CT_STOPPED;
    groups_.clear();
}

void Container::switch_to() {
    {
        const std::lock_guard lock(mutex_);
        check_running();
        require(!config_.makes(CLONE_NEWPID), LCTERR_INVARG, "a thread cannot move to another pid namespace");
    }
    object().switch_to();
}

void Container::check_freezer() const {
    const auto& list = config_.controllers;
    require(std::find(list.begin(), list.end(), Controller::Freezer) != list.end(), EINVAL, "there is no freezer");
}

// Whoever freezes may find that the container has ended, and so run its hooks, which may ask for its state.

void Container::pause() {
    {
        const std::lock_guard lock(mutex_);
        check_freezer();
        if (state_ == CT_PAUSED) return;
    }
    object().freeze(Forever);
    become_paused(true);
}

void Container::resume() {
    bool stopped = false;
    {
        const std::lock_guard lock(mutex_);
        check_freezer();
        stopped = state_ == CT_STOPPED;
    }
    // One that was killed meanwhile is to be waited for.
    ct::Container container = object();
    if (stopped || container.running()) container.thaw(Forever);
    become_paused(false);
}

void Container::become_paused(bool paused) {
    const std::lock_guard lock(mutex_);
    if (state_ != CT_STOPPED) state_ = paused ? CT_PAUSED : CT_RUNNING;
}

void Container::write_now(const ControllerValue& value) {
    try {
        object().set_controller_value(value.controller, value.file, value.value);
    } catch (const Error& error) {
        throw Failure(LCTERR_CGCONFIG, error);
    }
}

int Container::read(Controller controller, const std::string& file, void* buffer, std::size_t size) {
    require(file.find('/') == std::string::npos, LCTERR_INVARG, "a control file has a name, and no path");
    std::string directory;
    {
        const std::lock_guard lock(mutex_);
        require(state_ != CT_STOPPED, LCTERR_BADCTSTATE, "the container is stopped");
        const auto known = groups_.find(controller);
        directory = known == groups_.end() ? container_.cgroup_path(controller) : known->second;
    }
    const auto fd = internal::sys::open(internal::concat(directory, '/', file), O_RDONLY, Stage::Cgroup);
    const ssize_t length = ::read(fd.get(), buffer, std::min<std::size_t>(size, 1U << 30U));
    if (length < 0) throw internal::sys::error(errno, Stage::Cgroup, "read", internal::concat(directory, '/', file));
    return static_cast<int>(length);
}

std::vector<pid_t> Container::processes() {
    {
        const std::lock_guard lock(mutex_);
        const bool killable = config_.killable && !config_.makes(CLONE_NEWPID);
        require(killable || !config_.controllers.empty(), LCTERR_INVARG, "the container has no control groups");
    }
    return object().processes();
}

void Container::set_handler(const std::string& what, SetHandler set, bool present) {
    const std::lock_guard lock(mutex_);
    with_codes([&] { set(container_, present); });
    if (present) {
        handlers_[what] = std::move(set);
    } else {
        handlers_.erase(what);
    }
}

void Container::leave_session() const noexcept {
    if (const auto session = session_.lock()) session->detach(handle);
}

void Container::close(OnClose running) noexcept {
    (void)guard([&] {
        const std::lock_guard lock(mutex_);
        closed_ = running;
        for (const auto& device : config_.net_devices) forget(*device);
        for (const auto& route : config_.routes) forget(*route);
        remove_object(init_->handle);
        remove_object(handle);
        for (const auto& [what, set] : handlers_) (void)guard([&] { set(container_, false); });
        handlers_.clear();
        // The name is free then; one that is held without a process goes with the session.
        const bool started_here = state_ != CT_STOPPED && !opened_;
        if (running == OnClose::Detach && started_here && !held_ && container_.running()) container_.detach();
    });
}

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT ct_handler_t libct_container_create(libct_session_t s, const char* name) {
    return guard_handle([&] {
        const auto session = get(s);
        require(name != nullptr, LCTERR_INVARG, "the container has no name");
        try {
            auto container = std::make_shared<Container>(session, session->create(name));
            const auto added = add_handle<ct_handler_t>(container);
            session->attach(added);
            return added;
        } catch (const ct::Error& error) {
            if (error.code() == ct::Errc::InvalidConfig) throw Failure(LCTERR_INVARG, error);
            throw;
        }
    });
}

CT_EXPORT void libct_container_close(ct_handler_t ct) {
    libct_container_destroy(ct);
}

CT_EXPORT void libct_container_destroy(ct_handler_t ct) {
    (void)guard([&] {
        const auto container = get(ct);
        container->leave_session();
        container->close(ct::OnClose::Detach);
    });
}

CT_EXPORT enum ct_state libct_container_state(ct_handler_t ct) {
    ct_state state = CT_ERROR;
    (void)guard([&] { state = get(ct)->state(); });
    return state;
}

CT_EXPORT ct_process_t libct_container_load(ct_handler_t ct, pid_t pid) {
    return guard_handle([&] { return get(ct)->load(pid); });
}

CT_EXPORT int libct_container_kill(ct_handler_t ct) {
    return guard([&] { get(ct)->kill(); });
}

CT_EXPORT int libct_container_wait(ct_handler_t ct) {
    return guard([&] { get(ct)->wait(); });
}

CT_EXPORT int libct_container_switch(ct_handler_t ct) {
    return guard([&] { get(ct)->switch_to(); });
}

CT_EXPORT int libct_container_pause(ct_handler_t ct) {
    return guard([&] { get(ct)->pause(); });
}

CT_EXPORT int libct_container_resume(ct_handler_t ct) {
    return guard([&] { get(ct)->resume(); });
}

} // extern "C"
