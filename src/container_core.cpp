// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "container_core.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/concat.hpp"
#include "base/subject.hpp"
#include "base/sys.hpp"
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
    : session_(std::move(session)), name_(std::move(name)), spec_(std::make_shared<const Spec>(std::move(spec))) {}

ContainerCore::~ContainerCore() {
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

void ContainerCore::begin_start(std::string_view action) {
    (void)state();
    const std::lock_guard lock(mutex_);
    if (state_ != State::Stopped) throw wrong_state(action, "stopped", state_);
    if (session_->closed())
        throw Error(Errc::InvalidState, Stage::Configure, concat(subject(), ": ", action), {}, "its session is closed");
    state_ = State::Starting;
}

std::shared_ptr<ProcessCore> ContainerCore::start(const ProcessSpec& process, const std::function<int()>& callable) {
    begin_start("start");
    std::shared_ptr<ProcessCore> init;
    try {
        init = with_subject(subject(), [&] { return launch_first(process, callable); });
    } catch (...) {
        take_down_host_side();
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

int ContainerCore::prepare(const Spec& spec) {
    session_->leftovers.sweep();
    {
        const std::lock_guard lock(mutex_);
        session_->leftovers.take_all(*entered_);
        entered_ = std::make_shared<Entered>();
    }
    HostSide host_side(spec);
    const int files_root = host_side.files_root();
    const std::lock_guard lock(mutex_);
    host_side_ = std::move(host_side);
    return files_root;
}

std::shared_ptr<ProcessCore> ContainerCore::launch_first(const ProcessSpec& process,
                                                         const std::function<int()>& callable) {
    const Spec& spec = *spec_; // constant while starting
    const auto runs = callable ? Runs::Callable : Runs::Program;
    if (auto found = violations(spec, process, runs, Role::First); !found.empty()) {
        throw Error::invalid_config("start", std::move(found));
    }
    check_borrowed_fds(spec, process);
    const Joins joins = open_joins(spec);
    const int files_root = prepare(spec);
    Streams streams(process, session_->low_fds, host_user(spec, process));
    if (process.init == Init::Reaper) streams.add_reaper(session_->reaper_image());
    streams.set_joins(joins.list());
    if (needs_proc(spec)) streams.lend_proc();
    Plan plan;
    compile_start(plan, spec, process, streams.layout(), HostFacts::detect(), callable != nullptr);
    Launched launched = launch({plan, files_root, callable}, session_->areas);
    return std::make_shared<ProcessCore>(name_, std::move(launched), streams.take_host_ends(),
                                         has_namespace(spec, Namespace::Pid) ? entered_ : nullptr);
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
        if (auto found = violations(*spec, process, runs, Role::Entering); !found.empty()) {
            throw Error::invalid_config("enter", std::move(found));
        }
        check_borrowed_fds({}, process);
        entered->sweep();
        Streams streams(process, session_->low_fds, host_user(*spec, process));
        Plan plan;
        compile_enter(plan, *spec, target, process, streams.layout(), HostFacts::detect(), callable != nullptr);
        Launched launched = launch({plan, -1, callable}, session_->areas);
        auto entering = std::make_shared<ProcessCore>(name_, std::move(launched), streams.take_host_ends(), nullptr);
        entered->add(entering);
        if (pid_owner) pid_owner->add(entering);
        return entering;
    });
}

void ContainerCore::adopt(pid_t pid) {
    const std::string action = concat(subject(), ": adopt process ", pid);
    Launched launched{pid, UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)))};
    if (!launched.pidfd) throw sys::error(errno, Stage::Enter, action);
    const std::string proc = concat("/proc/", pid);
    Spec spec;
    for (const Namespace kind : AllNamespaces) {
        const std::string file = concat("/ns/", to_string(kind));
        if (!same_file(proc + file, "/proc/self" + file)) spec.namespaces[kind] = NamespacePath{proc + file};
    }
    UniqueFd chroot;
    if (!spec.namespaces.contains(Namespace::Mount) && !same_file(proc + "/root", "/proc/self/root")) {
        chroot = sys::open(proc + "/root", O_PATH | O_DIRECTORY, Stage::Enter, action);
    }
    // What was read belongs to this process only if it is still there.
    if (::syscall(SYS_pidfd_send_signal, launched.pidfd.get(), 0, nullptr, 0) < 0 && errno == ESRCH) {
        throw sys::error(ESRCH, Stage::Enter, action);
    }
    {
        const std::lock_guard lock(mutex_);
        adopted_ = true;
        init_ = std::make_shared<ProcessCore>(name_, std::move(launched), HostEnds{}, entered_);
        enter_target_ = {init_->pidfd(), static_cast<unsigned>(namespace_flags(spec)), -1};
        spec_ = std::make_shared<const Spec>(std::move(spec));
        host_side_ = HostSide::adopted(std::move(chroot));
        state_ = State::Running;
    }
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
    }
    take_down_host_side();
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
    if (adopted_ || policy == OnClose::Detach) return;
    try {
        end_held(std::chrono::nanoseconds(0), SIGKILL);
        std::shared_ptr<ProcessCore> process;
        {
            const std::lock_guard lock(mutex_);
            process = init_;
        }
        if (!process) return;
        (void)process->signal(SIGKILL);
        (void)process->wait(std::nullopt);
        finish(process);
    } catch (const std::exception& error) {
        session_->log(LogLevel::Warning, error.what());
    }
}

} // namespace ct::internal
