// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// run, create, start, exec: what starts a process.
#include <cerrno>
#include <functional>
#include <iostream>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "../log.hpp"
#include "../monitor.hpp"
#include "../terminal.hpp"
#include "commands.hpp"

namespace ctrun {

namespace {

/// Each text once: a bad record is met by all that look for records.
void print_warning(ct::LogLevel level, std::string_view text) {
    static std::mutex mutex;
    static std::set<std::string, std::less<>> printed;
    if (level != ct::LogLevel::Warning) return;
    const std::lock_guard lock(mutex);
    if (printed.emplace(text).second) std::cerr << "ctrun: warning: " << text << '\n';
}

/// Whether there is room for what a start writes. Asked before it: a start whose last record cannot be written has
/// executed the command, which must not happen twice.
void check_room(const std::string& directory) {
    constexpr off_t room = 65536;
    const int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    const int error = fd < 0 || ::fallocate(fd, 0, 0, room) != 0 ? errno : 0;
    if (fd >= 0) ::close(fd);
    if (error == ENOSPC || error == EDQUOT || error == EROFS)
        throw ct::Error({error, std::system_category()}, ct::Stage::State, "make room for a record in", directory);
}

struct Created {
    ct::Session session;
    ct::Container container;
};

Created create_in(ct::Session session, const std::string& name, const ct::Spec& spec) {
    ct::Container container = session.create(name, spec);
    return {std::move(session), std::move(container)};
}

/// Nobody misses the record of a container whose name is a made-up one.
Created create_with_or_without_record(const std::string& name, const ct::Spec& spec, const GroupOptions& groups) {
    try {
        Created created = create_in(open_session(groups), name, spec);
        check_room(ct::default_state_directory());
        return created;
    } catch (const ct::Error& error) {
        if (error.stage() != ct::Stage::State) throw;
        std::cerr << "ctrun: warning: other ctruns will not find this container: " << error.what() << '\n';
    }
    return create_in(
        ct::Session({.log_handler = print_warning, .cgroup_parent = groups.parent, .cgroup_manager = groups.manager}),
        name, spec);
}

ct::ProcessSpec process_spec(const ProcessOptions& options) {
    ct::ProcessSpec spec = options.spec;
    if (options.terminal) spec.terminal = terminal_size();
    return spec;
}

ct::ProcessSpec saved_process(const ct::Container& container) {
    std::optional<ct::ProcessSpec> process = container.process();
    if (!process) throw std::runtime_error("container '" + container.name() + "' was saved without a command");
    return std::move(*process);
}

constexpr const char* NoTerminal =
    "a detached container cannot have a terminal that is this one; with --interactive it has one for ctrun attach";

/// Whether a process has to look after the container.
bool needs_monitor(const DetachedOptions& options) {
    return options.detached && (options.interactive || parse_log(options.log));
}

/// Where a detached container writes to.
class Output {
public:
    explicit Output(const std::string& path)
        : fd_(path.empty() ? -1 : ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
        if (fd_ < 0 && !path.empty()) throw std::system_error(errno, std::system_category(), "open '" + path + "'");
    }
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;
    ~Output() {
        if (fd_ >= 0) ::close(fd_);
    }

    /// Gives \p spec standard streams that do not need ctrun, in place of ctrun's own.
    void connect(ct::ProcessSpec& spec) const {
        if (spec.terminal) throw std::runtime_error(NoTerminal);
        if (spec.stdio.in == ct::Stdio::Inherit) spec.stdio.in = ct::Stdio::Null;
        for (const auto& [number, stream] : {std::pair{1, &spec.stdio.out}, std::pair{2, &spec.stdio.err}}) {
            if (*stream != ct::Stdio::Inherit) continue;
            if (fd_ < 0) *stream = ct::Stdio::Null;
            if (fd_ >= 0) spec.fds.push_back({.target = number, .source = fd_});
        }
    }

private:
    int fd_;
};

int supervise_until_end(const ct::Process& process, const Signals& signals, const ct::ProcessSpec& spec,
                        std::optional<std::chrono::milliseconds> timeout) {
    const bool own_session = spec.terminal || spec.new_session;
    const Outcome outcome = supervise(process, signals, {.shares_terminal = !own_session, .timeout = timeout});
    return outcome == Outcome::TimedOut ? TimedOut : process.wait().shell_code();
}

void start_detached(ct::Container& container, ct::ProcessSpec spec, const DetachedOptions& options) {
    const Output output(options.log);
    output.connect(spec);
    container.start(std::move(spec));
    try {
        container.detach();
    } catch (const ct::Error&) {
        if (container.running()) throw; // else it has ended already, which is no concern of ours
    }
}

struct Monitored {
    ct::Session session;
    ct::Container container;
    ct::ProcessSpec process;
};

/// Starts the container in the background, where a process looks after it until it has ended.
/// \param make  called in that process
int start_monitored(const DetachedOptions& options, const std::function<Monitored()>& make) {
    return run_in_background([&](const Started& started) {
        const Signals signals;
        auto [session, container, process] = make();
        if (process.terminal && !options.interactive) throw std::runtime_error(NoTerminal);
        if (const auto log = parse_log(options.log, options.rotation)) container.set_log({.targets = {*log}});
        container.set_attachable({.input = options.interactive});
        const ct::AttachServer server(container, {});
        if (!options.interactive && process.stdio.in == ct::Stdio::Inherit) process.stdio.in = ct::Stdio::Null;
        const ct::Process init = container.start(process);
        started();
        monitor(session, container, init, signals, {.server = &server});
        return 0;
    });
}

int start_attached(ct::Container& container, const ct::ProcessSpec& spec, const Signals& signals,
                   std::optional<std::chrono::milliseconds> timeout) {
    const ct::Process init = container.start(spec);
    const int status = supervise_until_end(init, signals, spec, timeout);
    container.wait();
    return status;
}

} // namespace

ct::Session open_session(const GroupOptions& groups) {
    return ct::Session({.log_handler = print_warning,
                        .state_directory = ct::default_state_directory(),
                        .record_events = true,
                        .cgroup_parent = groups.parent,
                        .cgroup_manager = groups.manager});
}

int execute(const RunCommand& command) {
    const std::string name = command.name.empty() ? "ctrun-" + std::to_string(::getpid()) : command.name;
    DetachedOptions detached = command.detached;
    detached.interactive = detached.interactive || command.process.terminal;
    if (needs_monitor(detached)) {
        const int status = start_monitored(detached, [&] {
            auto [session, container] = create_in(open_session(command.groups), name, command.spec);
            return Monitored{std::move(session), std::move(container), process_spec(command.process)};
        });
        if (status == 0) std::cout << name << '\n';
        return status;
    }
    const Signals signals; // before anything is started, so that none is lost
    const bool needs_record = !command.name.empty() || command.detached.detached;
    auto [session, container] = needs_record ? create_in(open_session(command.groups), name, command.spec)
                                             : create_with_or_without_record(name, command.spec, command.groups);
    if (!command.detached.detached && !command.detached.log.empty())
        return run_logged(session, container, process_spec(command.process), command.detached, signals);
    if (!command.detached.detached)
        return start_attached(container, process_spec(command.process), signals, command.process.timeout);
    start_detached(container, process_spec(command.process), command.detached);
    std::cout << name << '\n';
    return 0;
}

int execute(const StartCommand& command) {
    if (needs_monitor(command.detached)) {
        return start_monitored(command.detached, [&] {
            ct::Session session = open_session(command.groups);
            ct::Container container = session.open(command.name);
            return Monitored{std::move(session), container, saved_process(container)};
        });
    }
    const Signals signals;
    ct::Session session = open_session(command.groups);
    ct::Container container = session.open(command.name);
    ct::ProcessSpec process = saved_process(container);
    if (command.detached.detached) {
        start_detached(container, process, command.detached);
        return 0;
    }
    if (process.terminal) process.terminal = terminal_size();
    return start_attached(container, process, signals, command.timeout);
}

int execute(const ExecCommand& command) {
    const Signals signals;
    ct::Session session = open_session();
    ct::Container container = session.open(command.name);
    const ct::ProcessSpec spec = process_spec(command.process);
    return supervise_until_end(container.enter(spec), signals, spec, command.process.timeout);
}

} // namespace ctrun
