// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

/// ctrun makes containers and looks after them: a thin command line over libct.

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <system_error>
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

/// \throws std::system_error if something that was printed is lost.
void flush_output() {
    errno = 0;
    std::cout.flush();
    if (!std::cout) throw std::system_error(errno != 0 ? errno : EIO, std::system_category(), "write");
}

int run(int argc, const char* const* argv) {
    fill_standard_descriptors();
    static std::array<char, 1 << 20> buffer; // so large that flush_output() is what writes, and knows the error
    (void)std::setvbuf(stdout, buffer.data(), _IOFBF, buffer.size());
    ::signal(SIGPIPE, SIG_IGN); // a broken pipe is an error of write(2)
    ::signal(SIGCHLD, SIG_DFL); // if it came ignored, the kernel would forget how the command ended
    try {
        const int status =
            std::visit([](const auto& command) { return execute(command); }, parse_command_line(argc, argv));
        flush_output();
        return status;
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
