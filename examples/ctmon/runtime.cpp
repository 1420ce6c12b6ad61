// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "runtime.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/concat.hpp"
#include "base/sys.hpp"

namespace ctmon {

using ct::Stage;
using ct::internal::concat;
using ct::internal::UniqueFd;
namespace sys = ct::internal::sys;

namespace {

constexpr int CannotExecute = 127;

void append(std::vector<std::string>& to, const std::vector<std::string>& from) {
    to.insert(to.end(), from.begin(), from.end());
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    result.reserve(texts.size() + 1);
    for (std::string& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

/// LISTEN_PID (sd_listen_fds(3)) has to name the process that gets the descriptors: the runtime.
/// \returns false if its value is no pid
bool set_listen_pid(std::vector<std::string>& environment, bool replace) {
    constexpr std::string_view name = "LISTEN_PID=";
    for (std::string& entry : environment) {
        if (!entry.starts_with(name)) continue;
        long value = 0;
        const char* const end = entry.data() + entry.size();
        const auto [rest, error] = std::from_chars(entry.data() + name.size(), end, value);
        if (error != std::errc() || rest != end || value <= 0) return false;
        if (replace || value == ::getppid()) entry = concat(name, ::getpid());
    }
    return true;
}

/// What is changed for the monitor alone. Signals are unblocked last.
void undo_own_settings(const Inherited& inherited) {
    if (!inherited.oom_score_adj.empty()) {
        const UniqueFd file(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
        (void)!::write(file.get(), inherited.oom_score_adj.data(), inherited.oom_score_adj.size());
    }
    for (const int number : {SIGTERM, SIGINT, SIGQUIT, SIGCHLD, SIGHUP, SIGUSR1, SIGXFSZ})
        (void)::signal(number, SIG_DFL);
    (void)::signal(SIGPIPE, inherited.sigpipe_ignored ? SIG_IGN : SIG_DFL);
    (void)::sigprocmask(SIG_SETMASK, &inherited.blocked_signals, nullptr);
}

/// Gives the child \p streams. They are above 2, as all descriptors of the monitor are.
void set_streams(const ChildStreams& streams) {
    if (streams.inherit) return;
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    const std::array<int, 3> sources{streams.in, streams.out, streams.err};
    for (int target = 0; target < 3; ++target) {
        const int source = sources.at(static_cast<std::size_t>(target));
        (void)::dup2(source < 0 ? null : source, target);
    }
}

/// The further descriptors, at their numbers. Sources may have the numbers of targets: all are moved away first.
void place_fds(const Inherited& inherited) {
    int highest = 2;
    for (const auto& [number, fd] : inherited.fds) highest = std::max(highest, number);
    std::vector<int> moved;
    for (const auto& [number, fd] : inherited.fds) moved.push_back(::fcntl(fd.get(), F_DUPFD_CLOEXEC, highest + 1));
    for (std::size_t i = 0; i < moved.size(); ++i) (void)::dup2(moved[i], inherited.fds[i].first);
}

/// Last: there may be more open now than it is allowed to open itself.
void set_limits(const Inherited& inherited) {
    for (std::size_t i = 0; i < inherited.limits.size(); ++i) {
        (void)::setrlimit(static_cast<__rlimit_resource>(i), &inherited.limits[i]); // higher ones take a privilege
    }
}

/// Closes what execve(2) would close: the ends of other containers' pipes, say, which would be held open meanwhile.
void close_all_but(int kept) {
    DIR* const directory = ::opendir("/proc/self/fd");
    if (directory == nullptr) return;
    while (const dirent* const entry = ::readdir(directory)) {
        const int fd = std::atoi(entry->d_name);
        if (fd <= STDERR_FILENO || fd == kept || fd == ::dirfd(directory)) continue;
        if ((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0) ::close(fd);
    }
    ::closedir(directory);
}

void await(int gate) {
    close_all_but(gate);
    std::array<char, 8192> ignored{};
    while (::read(gate, ignored.data(), ignored.size()) < 0 && errno == EINTR) {
    }
}

[[noreturn]] void fail(std::string_view text) {
    (void)!::write(STDERR_FILENO, text.data(), text.size());
    ::_exit(CannotExecute);
}

/// Runs in the child; the process has one thread, so that everything may be called.
[[noreturn]] void become_runtime(const Options& options, std::vector<std::string>& command, const ChildStreams& streams,
                                 int gate, const Inherited& inherited, pid_t monitor) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != monitor) ::_exit(CannotExecute); // it has ended before
    if (inherited.directory && ::fchdir(inherited.directory.get()) < 0)
        fail("cannot change to the bundle's directory\n");
    undo_own_settings(inherited);
    std::vector<std::string> environment = inherited.environment;
    set_streams(streams);
    place_fds(inherited);
    if (!set_listen_pid(environment, options.replace_listen_pid)) fail("LISTEN_PID is not the number of a process\n");
    if (gate >= 0) await(gate);
    set_limits(inherited);
    ::execve(options.runtime.c_str(), pointers(command).data(), pointers(environment).data());
    fail(concat("execute the runtime '", options.runtime, "': ", ::strerrordesc_np(errno), '\n'));
}

} // namespace

std::vector<std::string> runtime_command(const Options& options, const std::string& console) {
    std::vector<std::string> command{options.runtime};
    const bool exec = options.mode == Mode::Exec;
    if (options.systemd_cgroup && !exec) command.emplace_back("--systemd-cgroup");
    append(command, options.runtime_args);
    if (exec) {
        append(command,
               {"exec", "--pid-file", options.container_pidfile, "--process", options.exec_process_spec, "--detach"});
    } else {
        command.emplace_back(options.mode == Mode::Restore ? "restore" : "create");
        append(command, {"--bundle", options.bundle, "--pid-file", options.container_pidfile});
        if (options.no_pivot) command.emplace_back("--no-pivot");
        if (options.no_new_keyring) command.emplace_back("--no-new-keyring");
        if (options.mode == Mode::Restore) {
            append(command, {"--detach", "--image-path", options.restore, "--work-path", options.bundle});
        }
    }
    append(command, options.runtime_opts);
    if (!console.empty()) append(command, {"--console-socket", console});
    command.push_back(options.cid);
    return command;
}

pid_t start_runtime(const Options& options, const std::string& console, const ChildStreams& streams, int gate,
                    const Inherited& inherited) {
    std::vector<std::string> command = runtime_command(options, console);
    const pid_t monitor = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) throw sys::error(errno, Stage::Process, "start the runtime", options.runtime);
    if (pid == 0) become_runtime(options, command, streams, gate, inherited, monitor);
    return pid;
}

pid_t start_exit_command(const Options& options, const Inherited& inherited) {
    std::vector<std::string> command{options.exit_command};
    append(command, options.exit_command_args);
    const pid_t pid = ::fork();
    if (pid < 0) throw sys::error(errno, Stage::Process, "start the exit command", options.exit_command);
    if (pid > 0) return pid;
    undo_own_settings(inherited);
    if (inherited.directory) (void)!::fchdir(inherited.directory.get());
    set_streams({});
    std::vector<std::string> environment = inherited.environment;
    (void)::close_range(3, ~0U, 0);
    set_limits(inherited);
    ::execve(options.exit_command.c_str(), pointers(command).data(), pointers(environment).data());
    ::_exit(CannotExecute);
}

std::optional<pid_t> read_pid_file(const Options& options, int directory, std::string& why) {
    const UniqueFd file(
        ::openat(directory, options.container_pidfile.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    std::array<char, 32> text{};
    const ssize_t size = file ? ::read(file.get(), text.data(), text.size() - 1) : -1;
    if (size < 0) {
        why = concat("read the pid file '", options.container_pidfile, "': ", ::strerrordesc_np(errno));
        return std::nullopt;
    }
    pid_t pid = 0;
    const char* const end = text.data() + size;
    const auto [rest, error] = std::from_chars(text.data(), end, pid);
    // A number that fills the buffer may go on.
    const bool whole = rest == end ? size + 1 < static_cast<ssize_t>(text.size()) : *rest == '\n';
    if (error == std::errc() && whole && pid > 0) return pid;
    why = concat("the pid file '", options.container_pidfile, "' has no process number");
    return std::nullopt;
}

} // namespace ctmon
