// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// From a configuration to a start.
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <ios>

#include <boost/filesystem/operations.hpp>

#include <ct/error.hpp>
#include <ct/export.hpp>
#include <libct/libct-processes.h>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "capi/container.hpp"
#include "capi/guard.hpp"
#include "capi/namespaces.hpp"
#include "capi/process_desc.hpp"
#include "capi/structs.hpp"
#include "config/paths.hpp"

namespace ct::capi {

namespace {

constexpr std::array<std::pair<int, Namespace>, 6> Kinds{{{CLONE_NEWIPC, Namespace::Ipc},
                                                          {CLONE_NEWNET, Namespace::Net},
                                                          {CLONE_NEWNS, Namespace::Mount},
                                                          {CLONE_NEWPID, Namespace::Pid},
                                                          {CLONE_NEWUTS, Namespace::Uts},
                                                          {CLONE_NEWUSER, Namespace::User}}};

/// A path is relative to the working directory at the time of the start.
std::string absolute(const std::string& path) {
    return path.empty() ? path : boost::filesystem::absolute(path).string();
}

PrivateArea with_absolute_paths(PrivateArea area) {
    if (auto* const bind = std::get_if<BindDir>(&area)) bind->source = absolute(bind->source);
    if (auto* const image = std::get_if<ImageArea>(&area)) image->path = absolute(image->path);
    if (auto* const overlay = std::get_if<OverlayArea>(&area)) {
        for (std::string& lower : overlay->lower) lower = absolute(lower);
        overlay->upper = absolute(overlay->upper);
        overlay->work = absolute(overlay->work);
    }
    return area;
}

/// Without changing it. 0 if /proc is not there.
mode_t umask_of_caller() {
    std::ifstream status("/proc/thread-self/status");
    mode_t mask = 0;
    for (std::string word; status >> word;) {
        if (word != "Umask:") continue;
        status >> std::oct >> mask;
        break;
    }
    return mask;
}

Cgroup cgroup_of(const Config& config) {
    Cgroup cgroup = config.base.cgroup;
    cgroup.use_existing = true;
    for (const Controller controller : config.controllers) {
        auto& list = cgroup.controllers;
        if (std::find(list.begin(), list.end(), controller) == list.end()) list.push_back(controller);
    }
    cgroup.values.insert(cgroup.values.end(), config.values.begin(), config.values.end());
    if (config.killable && !config.makes(CLONE_NEWPID)) {
        cgroup.named_hierarchies = config.named_hierarchies;
        if (config.named_hierarchies.empty()) cgroup.own_group = true;
    }
    return cgroup;
}

Network network_of(const Config& config) {
    Network network = config.base.network;
    network.loopback_up = config.loopback_up;
    for (const auto& device : config.net_devices) network.devices.push_back(device->device());
    for (const auto& route : config.routes) network.routes.push_back(route->route());
    return network;
}

/// /proc of the new pid namespace or in the root.
bool wants_proc(const Config& config) {
    return config.auto_proc && (config.makes(CLONE_NEWPID) || config.has_root());
}

void add_mounts(const Config& config, ct::Container& container) {
    for (const MountRequest& request : config.mounts) {
        if (!config.has_root() && !request.always) continue;
        // What is mounted on /proc later would hide it.
        if (wants_proc(config) && internal::normal_path(request.mount.target) == "/proc") continue;
        Mount mount = request.mount;
        mount.stacked = true;
        if (mount.type.empty()) mount.source = absolute(mount.source);
        container.add_mount(std::move(mount), request.hooks);
    }
}

void add_cgroup_mounts(const Config& config, ct::Container& container) {
    require(config.makes(CLONE_NEWNS), 1, "mounting control groups needs a new mount namespace");
    const std::string& given = *config.cgroup_submount;
    const std::string place = given.starts_with('/') ? given : '/' + given;
    std::vector<std::pair<std::string, std::string>> groups;
    for (const Controller controller : config.controllers) {
        const std::string_view name = controller == Controller::Io ? "blkio" : to_string(controller);
        groups.emplace_back(container.cgroup_path(controller), internal::concat(place, '/', name));
    }
    container.add_mount({.source = "tmpfs", .target = place, .type = "tmpfs"});
    for (auto& [source, target] : groups) container.add_mount({.source = source, .target = std::move(target)});
}

void make_root_for_private_area(const Config& config) {
    if (config.root.empty() || !config.private_area) return;
    if (::mkdir(config.root.c_str(), 0755) < 0 && errno != EEXIST) {
        throw internal::sys::error(errno, Stage::Root, "make the root for the private area", config.root);
    }
}

/// The terminal that the first process takes; the descriptor is closed with the object.
internal::UniqueFd set_console(ProcessSpec& process, int console) {
    internal::UniqueFd opened;
    if (console == LIBCT_CONSOLE_FD) {
        opened = internal::sys::open("/dev/console", O_RDWR | O_NOCTTY, Stage::Stdio, "open the console");
        console = opened.get();
    }
    process.controlling_terminal = std::max(console, -1);
    return opened;
}

bool is_control_file(const Config& config, const std::string& name) {
    return std::any_of(config.values.begin(), config.values.end(),
                       [&](const ControllerValue& value) { return value.file == name; });
}

/// The code of what has failed; 0 if there is none for it.
int code_of(const Error& error, const Config& config) {
    if (error.code() == Errc::InvalidConfig) return 0;
    switch (error.stage()) {
    case Stage::Mounts: return LCTERR_CANTMOUNT;
    case Stage::Root: return config.private_area ? LCTERR_CANTMOUNT : 0;
    case Stage::Cgroup: {
        const std::string name = error.path().substr(error.path().rfind('/') + 1);
        if (name == "tasks" || name == "cgroup.procs") return LCTERR_CGATTACH;
        return is_control_file(config, name) ? LCTERR_CGCONFIG : LCTERR_CGCREATE;
    }
    default: return 0;
    }
}

} // namespace

Spec Config::spec() const {
    Spec spec = base;
    for (const auto& [flag, kind] : Kinds) {
        if (makes(flag)) spec.namespaces[kind] = NewNamespace{};
    }
    for (const auto& [flag, path] : nspaths) spec.namespaces[kind_of(flag)] = NamespacePath{absolute(path)};
    if (makes(CLONE_NEWUSER)) {
        spec.uid_map.insert(spec.uid_map.end(), uid_map.begin(), uid_map.end());
        spec.gid_map.insert(spec.gid_map.end(), gid_map.begin(), gid_map.end());
    }
    if (!hostname.empty()) spec.hostname = hostname;
    if (!domainname.empty()) spec.domainname = domainname;
    for (const auto& [name, value] : sysctls) spec.sysctls[name] = value;
    if (!root.empty()) spec.root = Root{.path = absolute(root)};
    if (spec.root) {
        if (root_read_only) spec.root->read_only = true;
        if (root_propagation) spec.root->propagation = root_propagation;
        const bool has_mounts = !mounts.empty() || !devices.empty();
        if (has_mounts && !makes(CLONE_NEWNS)) spec.root->host_mounts = true;
        const mode_t umask = devices.empty() ? 0 : umask_of_caller();
        for (Device device : devices) {
            device.mode &= ~umask;
            spec.devices.push_back(std::move(device));
        }
    }
    if (private_area) spec.private_area = with_absolute_paths(*private_area);
    spec.cgroup = cgroup_of(*this);
    if (makes(CLONE_NEWNET)) spec.network = network_of(*this);
    return spec;
}

void Config::set_spec(Spec spec) {
    *this = Config{};
    for (const auto& [flag, kind] : Kinds) {
        const auto found = spec.namespaces.find(kind);
        if (found == spec.namespaces.end() || !std::holds_alternative<NewNamespace>(found->second)) continue;
        nsmask |= static_cast<unsigned long>(flag);
        spec.namespaces.erase(found);
    }
    loopback_up = spec.network.loopback_up;
    killable = spec.cgroup.own_group;
    controllers = spec.cgroup.controllers;
    base = std::move(spec);
}

void Config::apply(ct::Container& container) const {
    container.set_spec(spec());
    add_mounts(*this, container);
    if (has_root() && cgroup_submount) add_cgroup_mounts(*this, container);
    if (wants_proc(*this)) {
        require(makes(CLONE_NEWNS), 1, "mounting /proc needs a new mount namespace");
        container.add_mount({.source = "proc", .target = "/proc", .type = "proc"});
    }
}

ct::Process Container::start(const Config& config, ProcessSpec process, const std::function<int()>& main) {
    process.new_session = config.new_session;
    const internal::UniqueFd console = set_console(process, config.console);
    ct::Container container = object();
    try {
        make_root_for_private_area(config);
        config.apply(container);
        if (!config.taskless) return main ? container.start(process, main) : container.start(process);
        container.hold();
        try {
            return main ? container.enter(process, main) : container.enter(process);
        } catch (...) {
            container.kill(); // which takes it down
            throw;
        }
    } catch (const Error& error) {
        if (const int code = code_of(error, config); code != 0) throw Failure(code, error);
        throw;
    }
}

ct_process_t Container::spawn(ProcessSpec process, std::function<int()> main) {
    Config config;
    {
        const std::lock_guard lock(mutex_);
        check_stopped();
        starting_ = true;
        config = config_;
    }
    return run(config, [&] { return start(config, std::move(process), main); });
}

void Container::set_process(ProcessSpec process) {
    configure_both([&](const Config&, ct::Container& container) { container.set_process(std::move(process)); });
}

ct_process_t Container::start_set() {
    auto process = object().process();
    require(process.has_value(), LCTERR_BADCTSTATE, "nobody has said what the container is to start");
    return spawn(std::move(*process), nullptr);
}

std::shared_ptr<Process> Container::enter(ProcessSpec process, std::function<int()> main) {
    {
        const std::lock_guard lock(mutex_);
        check_running();
    }
    auto entered = std::make_shared<Process>(Process::Owner::Caller);
    ct::Container container = object();
    entered->set(main ? container.enter(std::move(process), std::move(main)) : container.enter(std::move(process)));
    return entered;
}

namespace {

/// Where execvp(3) looks for a program in a process with that environment.
std::optional<std::string> search_path(const std::optional<std::vector<std::string>>& environment) {
    if (!environment) {
        const char* const path = std::getenv("PATH");
        return path == nullptr ? std::nullopt : std::optional<std::string>(path);
    }
    for (const std::string& entry : *environment) {
        if (entry.starts_with("PATH=")) return entry.substr(5);
    }
    return std::nullopt;
}

} // namespace

ProcessSpec program(ct_process_desc_t desc, const char* path, char* const* argv, char* const* env) {
    ProcessSpec process = get(desc)->attributes().spec();
    require(path != nullptr && argv != nullptr, LCTERR_INVARG, "there is no program");
    if (*path == '\0')
        throw Failure(1, Error(std::make_error_code(std::errc::no_such_file_or_directory), Stage::Exec, "execute", ""));
    process.executable = path;
    process.argv = text_list(argv);
    if (process.argv.empty()) process.argv.emplace_back(); // as the kernel makes of an empty one
    if (env != nullptr) {
        process.search_path = search_path(process.environment);
        process.environment = text_list(env);
    }
    return process;
}

namespace {

/// A function that is NULL has nothing to run, and so needs nothing of the descriptor.
std::pair<ProcessSpec, std::function<int()>> callable(ct_process_desc_t desc, int (*function)(void*), void* argument) {
    ProcessSpec process = get(desc)->attributes().spec();
    if (function == nullptr) return {ProcessSpec{}, [] { return 0; }};
    process.argv.clear();
    process.executable.clear();
    return {std::move(process), [function, argument] { return function(argument); }};
}

ct_process_t handle_of(std::shared_ptr<Process> process) {
    return add_handle<ct_process_t>(std::move(process));
}

} // namespace

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT ct_process_t libct_container_spawn_cb(ct_handler_t ct, ct_process_desc_t pr, int (*cb)(void*), void* arg) {
    return guard_handle([&] {
        const auto container = get(ct);
        auto [process, main] = callable(pr, cb, arg);
        return container->spawn(std::move(process), std::move(main));
    });
}

CT_EXPORT ct_process_t libct_container_spawn_execv(ct_handler_t ct, ct_process_desc_t pr, const char* path,
                                                   char** argv) {
    return libct_container_spawn_execve(ct, pr, path, argv, nullptr);
}

CT_EXPORT ct_process_t libct_container_spawn_execve(ct_handler_t ct, ct_process_desc_t pr, const char* path,
                                                    char** argv, char** env) {
    return guard_handle([&] {
        const auto container = get(ct);
        return container->spawn(program(pr, path, argv, env), nullptr);
    });
}

CT_EXPORT int libct_container_set_process(ct_handler_t ct, ct_process_desc_t pr, const char* path, char** argv,
                                          char** env) {
    return guard([&] {
        const auto container = get(ct);
        container->set_process(program(pr, path, argv, env));
    });
}

CT_EXPORT ct_process_t libct_container_start(ct_handler_t ct) {
    return guard_handle([&] { return get(ct)->start_set(); });
}

CT_EXPORT ct_process_t libct_container_enter_cb(ct_handler_t ct, ct_process_desc_t pr, int (*cb)(void*), void* arg) {
    return guard_handle([&] {
        const auto container = get(ct);
        auto [process, main] = callable(pr, cb, arg);
        return handle_of(container->enter(std::move(process), std::move(main)));
    });
}

CT_EXPORT ct_process_t libct_container_enter_execv(ct_handler_t ct, ct_process_desc_t pr, const char* path,
                                                   char** argv) {
    return libct_container_enter_execve(ct, pr, path, argv, nullptr);
}

CT_EXPORT ct_process_t libct_container_enter_execve(ct_handler_t ct, ct_process_desc_t pr, const char* path,
                                                    char** argv, char** env) {
    return guard_handle([&] {
        const auto container = get(ct);
        return handle_of(container->enter(program(pr, path, argv, env), nullptr));
    });
}

} // extern "C"
