// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

/// ctrun runs commands in containers: a thin command line over libct.

#include <csignal>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <variant>

#include <fcntl.h>
#include <unistd.h>

#include <ct/ct.hpp>

#include "options.hpp"
#include "record.hpp"
#include "terminal.hpp"

namespace ctrun {

namespace {

/// What shells and their like have agreed on.
enum ExitCode { TimedOut = 124, OwnFailure = 125, CannotExecute = 126, NotFound = 127 };

int exit_code(const ct::Error& error) {
    if (error.stage() != ct::Stage::Exec) return OwnFailure;
    return error.code() == std::errc::no_such_file_or_directory ? NotFound : CannotExecute;
}

ct::Session open_session() {
    return ct::Session({.log_handler = [](ct::LogLevel level, std::string_view text) {
        if (level == ct::LogLevel::Warning) std::cerr << "ctrun: warning: " << text << '\n';
    }});
}

/// The record by which others find the container. Nobody misses it if the name is a made-up one.
std::unique_ptr<Record> make_record(const std::string& name, bool needed) {
    try {
        return std::make_unique<Record>(name);
    } catch (const std::exception& error) {
        if (needed) throw;
        std::cerr << "ctrun: warning: 'ctrun exec' will not find this container: " << error.what() << '\n';
        return nullptr;
    }
}

ct::ProcessSpec process_spec(const ProcessOptions& options) {
    ct::ProcessSpec spec = options.spec;
    if (options.terminal) spec.terminal = terminal_size();
    return spec;
}

int supervise_until_end(const ct::Process& process, const Signals& signals, const ProcessOptions& options) {
    const bool own_session = options.terminal || options.spec.new_session;
    const Outcome outcome = supervise(process, signals, {.shares_terminal = !own_session, .timeout = options.timeout});
    return outcome == Outcome::TimedOut ? TimedOut : process.wait().shell_code();
}

int execute(const RunCommand& command) {
    const Signals signals; // before anything is started, so that none is lost
    ct::Session session = open_session();
    const std::string name = command.name.empty() ? "ctrun-" + std::to_string(::getpid()) : command.name;
    ct::Container container = session.create(name, command.spec);
    const auto record = make_record(name, !command.name.empty());

    const ct::Process init = container.start(process_spec(command.process));
    if (record) record->publish(init.pid());
    const int status = supervise_until_end(init, signals, command.process);
    container.wait();
    return status;
}

/// The container of that name, which another ctrun runs.
ct::Container running_container(ct::Session& session, const std::string& name) {
    const auto found = find_container(name);
    if (!found) throw std::runtime_error("no container '" + name + "' is running");
    ct::Container container = session.adopt(found->name, found->init.pid);
    // The session holds on to the process from now on: if it is still the right one here, it will be.
    if (!found->init.alive()) throw std::runtime_error("container '" + name + "' has just ended");
    return container;
}

int execute(const MountCommand& command) {
    ct::Session session = open_session();
    running_container(session, command.name).mount(command.mount);
    return 0;
}

int execute(const UnmountCommand& command) {
    ct::Session session = open_session();
    running_container(session, command.name).unmount(command.target);
    return 0;
}

int execute(const ExecCommand& command) {
    const Signals signals;
    ct::Session session = open_session();
    ct::Container container = running_container(session, command.name);
    const ct::Process process = container.enter(process_spec(command.process));
    return supervise_until_end(process, signals, command.process);
}

int execute(const ListCommand&) {
    for (const RunningContainer& container : list_containers())
        std::cout << container.name << '\t' << container.init.pid << '\n';
    return 0;
}

int execute(const HelpCommand& command) {
    std::cout << command.text;
    return 0;
}

/// No file that is opened later may become a standard stream of the command.
void fill_standard_descriptors() {
    int fd = 0;
    do {
        fd = ::open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    ::close(fd);
}

int run(int argc, const char* const* argv) {
    fill_standard_descriptors();
    ::signal(SIGPIPE, SIG_IGN); // a broken pipe is an error of write(2)
    ::signal(SIGCHLD, SIG_DFL); // if it came ignored, the kernel would forget how the command ended
    try {
        return std::visit([](const auto& command) { return execute(command); }, parse_command_line(argc, argv));
    } catch (const ct::Error& error) {
        std::cerr << "ctrun: " << error.what() << '\n';
        return exit_code(error);
    } catch (const std::exception& error) {
        std::cerr << "ctrun: " << error.what() << '\n';
        return OwnFailure;
    }
}

} // namespace

} // namespace ctrun

int main(int argc, char** argv) {
    return ctrun::run(argc, argv);
}
