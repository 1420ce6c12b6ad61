// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

/// Answers system calls of a container in the host's own event loop: directories are reported, and refused if others
/// may write to them. And the file /host/greeting does not exist anywhere: who opens it gets a descriptor that this
/// program makes.

#include <cerrno>
#include <cstdint>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ct/ct.hpp>

namespace {

constexpr const char* Script = R"(
mkdir -m 700 /tmp/own
mkdir -m 777 /tmp/shared
cat /host/greeting
ls /tmp
)";

//! [file]
/// A file in memory that holds \p text.
int file_of(const std::string& text) {
    const int fd = ::memfd_create("text", MFD_CLOEXEC);
    if (fd < 0 || ::pwrite(fd, text.data(), text.size(), 0) < 0) throw std::runtime_error("cannot make a file");
    return fd;
}

ct::SeccompReply open_file(const ct::SeccompNotice& notice) {
    if (notice.read_string(notice.arguments()[1]) != "/host/greeting") return ct::SeccompReply::continue_call();
    const int file = file_of("the host has served this\n");
    const int number = notice.add_fd(file);
    ::close(file);
    return ct::SeccompReply::return_value(number);
}
//! [file]

//! [handler]
ct::SeccompReply answer(const ct::SeccompNotice& notice) {
    if (notice.name() == "openat") return open_file(notice);
    std::cout << "host: mkdir " << notice.read_string(notice.arguments()[0]) << std::endl;
    // Decided by a number, not by the path: that lies in memory, which can change before the kernel looks at it.
    constexpr std::uint64_t others_write = 022;
    return (notice.arguments()[1] & others_write) == 0 ? ct::SeccompReply::continue_call()
                                                       : ct::SeccompReply::fail(EACCES);
}
//! [handler]

int run() {
    ct::Session session;
    ct::Container container = session.create("notify")
                                  .add_namespaces({ct::Namespace::Mount, ct::Namespace::Pid, ct::Namespace::Ipc})
                                  .set_root({.path = "/", .read_only = true})
                                  .add_mount({.source = "tmpfs", .target = "/tmp", .type = "tmpfs"})
                                  .add_default_mounts();
    container.on_seccomp(answer);

    //! [filter]
    ct::Seccomp filter = ct::Seccomp::standard();
    // The first rule that matches decides.
    filter.rules.insert(filter.rules.begin(), {{"mkdir", "openat"}, ct::SeccompAction::notify()});
    ct::ProcessSpec process{.argv = {"/bin/sh", "-c", Script}};
    process.no_new_privileges = true;
    process.seccomp = filter;
    //! [filter]
    const ct::Process shell = container.start(process);

    //! [loop]
    // Any event loop: the session's descriptor is one among others.
    pollfd events[] = {{session.fd(), POLLIN, 0}, {shell.pidfd(), POLLIN, 0}};
    while (::poll(events, 2, -1) >= 0 || errno == EINTR) {
        if (events[0].revents != 0) session.dispatch();
        if (events[1].revents != 0) break;
    }
    //! [loop]
    const ct::ExitStatus status = container.wait();
    std::cout << "The shell " << status.describe() << '\n';
    return status.shell_code();
}

} // namespace

int main() {
    try {
        return run();
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 125;
    }
}
