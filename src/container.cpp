// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <ct/container.hpp>

#include <unistd.h>

#include "base/concat.hpp"
#include "config/subordinate_ids.hpp"
#include "config/sysctls.hpp"
#include "config/validate.hpp"
#include "container_core.hpp"

namespace ct {

std::string_view to_string(State state) noexcept {
    switch (state) {
    case State::Stopped: return "stopped";
    case State::Starting: return "starting";
    case State::Running: return "running";
    case State::Paused: return "paused";
    case State::Stopping: return "stopping";
    }
    return "unknown";
}

Container::Container(std::shared_ptr<internal::ContainerCore> core) noexcept : core_(std::move(core)) {}
Container::Container(const Container&) noexcept = default;
Container::Container(Container&&) noexcept = default;
Container& Container::operator=(const Container&) noexcept = default;
Container& Container::operator=(Container&&) noexcept = default;
Container::~Container() = default;

const std::string& Container::name() const noexcept {
    return core_->name();
}

State Container::state() const {
    return core_->state();
}

bool Container::running() const {
    const State state = core_->state();
    return state != State::Stopped && state != State::Starting;
}

Spec Container::spec() const {
    return core_->spec();
}

Container& Container::set_spec(Spec spec) {
    core_->set_spec(std::move(spec));
    return *this;
}

Container& Container::add_namespaces(std::initializer_list<Namespace> kinds) {
    core_->configure([&](Spec& spec) {
        for (const Namespace kind : kinds) spec.namespaces[kind] = NewNamespace{};
    });
    return *this;
}

Container& Container::add_namespace(Namespace kind) {
    return add_namespaces({kind});
}

Container& Container::join_namespace(Namespace kind, std::string path) {
    core_->configure([&](Spec& spec) {
        const NamespaceSource source = NamespacePath{std::move(path)};
        internal::check_source(kind, source);
        spec.namespaces[kind] = source;
    });
    return *this;
}

Container& Container::join_namespace(Namespace kind, int fd) {
    core_->configure([&](Spec& spec) {
        const NamespaceSource source = NamespaceFd{fd};
        internal::check_source(kind, source);
        spec.namespaces[kind] = source;
    });
    return *this;
}

Container& Container::join_namespace(Namespace kind, const Container& other) {
    if (!core_->shares_session_with(*other.core_)) {
        throw Error::invalid_config(internal::concat("container '", name(), "'"),
                                    {internal::concat("container '", other.name(), "' belongs to another session")});
    }
    core_->configure([&](Spec& spec) { spec.namespaces[kind] = NamespaceOf{other.name()}; });
    return *this;
}

Container& Container::share_host(Namespace kind) {
    core_->configure([&](Spec& spec) { spec.namespaces.erase(kind); });
    return *this;
}

Container& Container::add_uid_map(IdRange range) {
    core_->configure([&](Spec& spec) {
        internal::check_id_range("uid map", range);
        spec.uid_map.push_back(range);
    });
    return *this;
}

Container& Container::add_gid_map(IdRange range) {
    core_->configure([&](Spec& spec) {
        internal::check_id_range("gid map", range);
        spec.gid_map.push_back(range);
    });
    return *this;
}

Container& Container::map_root_to_caller() {
    return add_uid_map({0, ::geteuid(), 1}).add_gid_map({0, ::getegid(), 1});
}

Container& Container::map_subordinate_ids() {
    core_->configure([&](Spec& spec) {
        const auto append = [](std::vector<IdRange>& map, const std::vector<IdRange>& ranges) {
            map.insert(map.end(), ranges.begin(), ranges.end());
        };
        const auto uids = internal::subordinate_map_of_caller("/etc/subuid", ::geteuid());
        append(spec.gid_map, internal::subordinate_map_of_caller("/etc/subgid", ::getegid()));
        append(spec.uid_map, uids);
    });
    return *this;
}

Container& Container::set_setgroups(SetGroups policy) {
    core_->configure([&](Spec& spec) { spec.setgroups = policy; });
    return *this;
}

Container& Container::set_hostname(std::string name) {
    core_->configure([&](Spec& spec) {
        internal::check_host_name("host name", name);
        spec.hostname = std::move(name);
    });
    return *this;
}

Container& Container::set_domainname(std::string name) {
    core_->configure([&](Spec& spec) {
        internal::check_host_name("domain name", name);
        spec.domainname = std::move(name);
    });
    return *this;
}

Container& Container::set_time_offsets(TimeOffsets offsets) {
    core_->configure([&](Spec& spec) { spec.time_offsets = offsets; });
    return *this;
}

Container& Container::set_sysctl(std::string name, std::string value) {
    core_->configure([&](Spec& spec) {
        internal::check_sysctl(name, value);
        spec.sysctls[std::move(name)] = std::move(value);
    });
    return *this;
}

Container& Container::set_root(Root root) {
    core_->configure([&](Spec& spec) {
        internal::check_root(root);
        spec.root = std::move(root);
    });
    return *this;
}

Container& Container::set_private(PrivateArea area) {
    core_->configure([&](Spec& spec) {
        internal::check_private_area(area);
        spec.private_area = std::move(area);
    });
    return *this;
}

Container& Container::clear_private() {
    core_->configure([&](Spec& spec) { spec.private_area.reset(); });
    return *this;
}

Container& Container::add_mount(Mount mount) {
    core_->configure([&](Spec& spec) {
        internal::check_mount(mount);
        spec.mounts.push_back(std::move(mount));
    });
    return *this;
}

Container& Container::add_mount(Mount mount, MountHooks hooks) {
    core_->add_mount(std::move(mount), std::move(hooks));
    return *this;
}

Container& Container::set_proc_mode(ProcMode mode) {
    core_->configure([&](Spec& spec) { spec.proc_mode = mode; });
    return *this;
}

Container& Container::add_device(Device device) {
    core_->configure([&](Spec& spec) {
        internal::check_device(device);
        spec.devices.push_back(std::move(device));
    });
    return *this;
}

Container& Container::set_cgroup(Cgroup cgroup) {
    core_->configure([&](Spec& spec) {
        internal::check_cgroup(cgroup);
        spec.cgroup = std::move(cgroup);
    });
    return *this;
}

Container& Container::add_controller(Controller controller) {
    core_->configure([&](Spec& spec) {
        internal::check_cgroup({.controllers = {controller}});
        std::vector<Controller>& controllers = spec.cgroup.controllers;
        if (std::find(controllers.begin(), controllers.end(), controller) == controllers.end()) {
            controllers.push_back(controller);
        }
    });
    return *this;
}

Container& Container::set_controller_value(Controller controller, std::string file, std::string value) {
    core_->set_controller_value({controller, std::move(file), std::move(value)});
    return *this;
}

std::string Container::controller_value(Controller controller, const std::string& file) const {
    return core_->controller_value(controller, file);
}

std::string Container::cgroup_path(Controller controller) const {
    return core_->cgroup_path(controller);
}

Container& Container::add_masked_path(std::string path) {
    core_->configure([&](Spec& spec) {
        internal::check_inner_path("masked path", path);
        spec.masked_paths.push_back(std::move(path));
    });
    return *this;
}

Container& Container::add_read_only_path(std::string path) {
    core_->configure([&](Spec& spec) {
        internal::check_inner_path("read-only path", path);
        spec.read_only_paths.push_back(std::move(path));
    });
    return *this;
}

Container& Container::add_default_masks() {
    core_->configure([](Spec& spec) { ct::add_default_masks(spec); });
    return *this;
}

Container& Container::set_limits(Limits limits) {
    core_->configure([&](Spec& spec) {
        internal::check_limits(limits);
        spec.cgroup.limits = std::move(limits);
    });
    return *this;
}

Container& Container::add_default_mounts() {
    core_->configure([](Spec& spec) { spec.default_mounts = true; });
    return *this;
}

Container& Container::add_default_devices() {
    core_->configure([](Spec& spec) { spec.default_devices = true; });
    return *this;
}

Container& Container::set_process(ProcessSpec process) {
    core_->set_process(std::move(process));
    return *this;
}

std::optional<ProcessSpec> Container::process() const {
    const auto process = core_->process();
    return process ? std::optional(*process) : std::nullopt;
}

Process Container::start() {
    const auto process = core_->process();
    if (!process) {
        throw Error(Errc::InvalidState, Stage::Configure, internal::concat("container '", name(), "': start"), {},
                    "no process was set");
    }
    return Process(core_->start(*process, nullptr));
}

Container& Container::on_seccomp(SeccompHandler handler) {
    core_->on_seccomp(std::move(handler));
    return *this;
}

Container& Container::set_log(Log log) {
    core_->set_log(std::move(log));
    return *this;
}

Container& Container::clear_log() {
    core_->set_log(std::nullopt);
    return *this;
}

std::optional<Log> Container::log() const {
    return core_->log();
}

Container& Container::on_output(OutputHandler handler) {
    core_->on_output(std::move(handler));
    return *this;
}

Container& Container::on_log(RecordHandler handler) {
    core_->on_output(std::move(handler));
    return *this;
}

Container& Container::add_sink(std::shared_ptr<LogSink> sink) {
    core_->add_sink(std::move(sink));
    return *this;
}

void Container::reopen_log() {
    core_->reopen_log();
}

LogStats Container::log_stats() const {
    return core_->log_stats();
}

Process Container::start(ProcessSpec process) {
    return Process(core_->start(process, nullptr));
}

Process Container::start(ProcessSpec process, std::function<int()> main) {
    return Process(core_->start(process, main));
}

std::vector<Change> Container::changes() const {
    return core_->changes();
}

void Container::commit(const std::string& directory) const {
    core_->commit(directory);
}

void Container::discard() {
    core_->discard();
}

Process Container::enter(ProcessSpec process) {
    return enter(std::move(process), nullptr);
}

Process Container::enter(ProcessSpec process, std::function<int()> main) {
    auto entered = core_->enter(process, main);
    internal::ProcessCore* const handle = entered.get();
    // The container keeps the process until it is reaped; its streams close with the last handle.
    const auto release = [entered = std::move(entered)](internal::ProcessCore* core) { core->close_streams(); };
    return Process(std::shared_ptr<internal::ProcessCore>(handle, release));
}

Process Container::init() const {
    return Process(core_->init());
}

ExitStatus Container::wait() {
    return *core_->wait(std::nullopt);
}

std::optional<ExitStatus> Container::wait_for(std::chrono::nanoseconds limit) {
    return core_->wait(limit);
}

void Container::update(const Limits& limits) {
    core_->update(limits);
}

void Container::mount(const Mount& mount) {
    core_->mount(mount);
}

void Container::unmount(const std::string& target) {
    core_->unmount(target);
}

void Container::signal(int number) {
    core_->signal(number);
}

void Container::kill() {
    core_->kill();
}

void Container::freeze(std::chrono::nanoseconds limit) {
    core_->freeze(limit);
}

void Container::thaw(std::chrono::nanoseconds limit) {
    core_->thaw(limit);
}

void Container::hold() {
    core_->hold();
}

Process Container::adopt(pid_t pid) {
    return Process(core_->adopt_as_specified(pid));
}

std::string Container::pin(std::string directory) {
    return core_->pin(std::move(directory));
}

void Container::unpin(std::string directory) {
    core_->unpin(std::move(directory));
}

void Container::pin_network(const std::string& name) {
    core_->pin_network(name);
}

void Container::switch_to() {
    core_->switch_to();
}

int Container::namespace_fd(Namespace kind) {
    return core_->namespace_fd(kind).release();
}

std::vector<pid_t> Container::processes() {
    return core_->processes();
}

Stats Container::stats() const {
    return core_->stats();
}

ContainerInfo Container::info() const {
    return core_->info();
}

Container& Container::save() {
    core_->save();
    return *this;
}

void Container::remove(Remove how) {
    core_->remove(how);
}

void Container::detach() {
    core_->detach();
}

ExitStatus Container::stop(std::chrono::nanoseconds grace, int number) {
    return core_->stop(grace, number);
}

} // namespace ct
