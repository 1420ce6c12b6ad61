// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

/// Starts a service in a container, talks to it through pipes, enters the container twice, and stops it.

#include <chrono>
#include <iostream>
#include <stdexcept>
#include <string>

#include <unistd.h>

#include <ct/ct.hpp>

namespace {

//! [read_line]
std::string read_line(int fd) {
    std::string line;
    for (char c = 0; c != '\n' && ::read(fd, &c, 1) == 1;) line += c;
    return line;
}
//! [read_line]

} // namespace

int main(int argc, char** argv) try {
    if (argc != 2) throw std::invalid_argument("usage: enter ROOT");
    using enum ct::Namespace;
    std::cout << std::unitbuf; // in step with what the container's processes write

    ct::Session session;
    ct::Container container = session.create("service");
    container.set_root(argv[1]).add_namespaces({Mount, Pid, Uts, Ipc}).set_hostname("service").add_default_mounts();

    //! [pipe]
    const ct::Process service = container.start({
        .argv = {"/bin/sh", "-c", "trap 'echo stopping; exit 3' TERM; sleep 1000 & echo ready; wait"},
        .stdio = {.in = ct::Stdio::Null, .out = ct::Stdio::Pipe},
    });
    std::cout << "The service says: " << read_line(service.stream(1));
    //! [pipe]

    //! [enter]
    const ct::Process other = container.enter({
        .argv = {"tr", "a-z", "A-Z"},
        .stdio = {.in = ct::Stdio::Pipe, .out = ct::Stdio::Pipe},
    });
    if (::write(other.stream(0), "from outside\n", 13) != 13) throw std::runtime_error("cannot write to tr");
    other.close_stream(0); // tr sees the end of its input
    std::cout << "A second process says: " << read_line(other.stream(1));
    std::cout << "It " << other.wait().describe() << ".\n";
    //! [enter]

    //! [callable]
    const ct::Process own_code = container.enter({}, [] {
        char name[65] = {};
        ::gethostname(name, sizeof name - 1);
        std::cout << "My own code runs on '" << name << "'.\n";
        return 7;
    });
    const ct::ExitStatus result = own_code.wait();
    std::cout << "It " << result.describe() << ".\n";
    //! [callable]

    //! [stop]
    const ct::ExitStatus status = container.stop(std::chrono::seconds(5));
    std::cout << "At its end the service says: " << read_line(service.stream(1));
    std::cout << "It " << status.describe() << "; the container is " << to_string(container.state()) << ".\n";
    //! [stop]
    return 0;
} catch (const std::exception& error) {
    std::cerr << "enter: " << error.what() << '\n';
    return 125;
}
