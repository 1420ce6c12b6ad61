// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

/// ctrun makes containers and looks after them: a thin command line over libct.

#include <csignal>
#include <exception>
#include <iostream>
#include <variant>

#include <fcntl.h>
#include <unistd.h>

#include <ct/ct.hpp>

#include "commands/commands.hpp"

namespace ctrun {

namespace {

int exit_code(const ct::Error& error) {
    if (error.stage() != ct::Stage::Exec) return OwnFailure;
    return error.code() == std::errc::no_such_file_or_directory ? NotFound : CannotExecute;
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
