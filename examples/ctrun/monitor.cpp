// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ctrun {

namespace {

[[noreturn]] void throw_errno(const char* what) {
    throw std::system_error(errno, std::system_category(), what);
}

/// Those above the standard streams.
std::vector<int> open_descriptors() {
    std::vector<int> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        const int fd = std::atoi(entry.path().filename().c_str());
        // The directory itself is closed by now.
        if (fd > STDERR_FILENO) found.push_back(fd);
    }
    std::erase_if(found, [](int fd) { return ::fcntl(fd, F_GETFD) < 0; });
    return found;
}

/// Whoever has given us something to hold, such as a pipe, does not wait for the end of the container.
void let_go(const std::vector<int>& inherited) {
    for (const int fd : inherited) ::close(fd);
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) throw_errno("open '/dev/null'");
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) ::dup2(null, fd);
    ::close(null);
    if (::chdir("/") < 0) throw_errno("chdir");
}

int wait_for(pid_t child) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0)
        if (errno != EINTR) throw_errno("waitpid");
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    std::cerr << "ctrun: the process that was to look after the container was killed by signal " << WTERMSIG(status)
              << '\n';
    return 128 + WTERMSIG(status);
}

} // namespace

int run_in_background(const std::function<int(const Started&)>& body) {
    std::array<int, 2> ends{};
    const std::vector<int> inherited = open_descriptors();
    if (::pipe2(ends.data(), O_CLOEXEC) < 0) throw_errno("pipe");
    const auto [read_end, write_end] = ends;
    std::cout.flush(); // or both would write it
    const pid_t child = ::fork();
    if (child < 0) throw_errno("fork");
    if (child == 0) {
        ::close(read_end);
        ::setsid();
        int status = 0;
        try {
            status = body([&] {
                if (::write(write_end, "", 1) != 1) throw_errno("tell that the container runs");
                ::close(write_end);
                let_go(inherited);
            });
        } catch (...) {
            // Whoever reports errors has to be the one who called us.
            ::close(write_end);
            throw;
        }
        std::cout.flush();
        ::_exit(status);
    }
    ::close(write_end);
    char byte = 0;
    ssize_t count;
    do {
        count = ::read(read_end, &byte, 1);
    } while (count < 0 && errno == EINTR);
    ::close(read_end);
    return count == 1 ? 0 : wait_for(child);
}

void monitor(ct::Session& session, ct::Container& container, const ct::Process& init, const Signals& signals,
             const MonitorOptions& options) {
    for (bool ended = false;;) {
        ended = ended || container.try_wait();
        if (ended && (options.server == nullptr || options.server->finished())) break;
        std::array<pollfd, 3> fds{{{.fd = session.fd(), .events = POLLIN, .revents = 0},
                                   {.fd = signals.fd(), .events = POLLIN, .revents = 0},
                                   {.fd = ended ? -1 : init.pidfd(), .events = POLLIN, .revents = 0}}};
        if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) throw_errno("poll");
        while (const auto info = signals.next())
            if (!ended && (info->ssi_code != SI_KERNEL || !options.shares_terminal))
                init.signal(static_cast<int>(info->ssi_signo));
        session.dispatch();
        // What is left to be written, and hooks.
        if (!ended && init.wait_for(std::chrono::nanoseconds(0))) container.wait();
    }
}

} // namespace ctrun
