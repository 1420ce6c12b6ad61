// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

/// Runs commands and functions of its own at points of a container's life.

#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>

#include <ct/ct.hpp>

int main(int argc, char** argv) try {
    if (argc != 2) throw std::invalid_argument("usage: hooks ROOT");
    ct::Session session({.log_handler = [](ct::LogLevel, std::string_view text) { std::cout << text << std::endl; }});
    ct::Container box = session.create("box");
    box.set_root(argv[1]).add_default_mounts();
    box.add_namespaces({ct::Namespace::Mount, ct::Namespace::Pid, ct::Namespace::Uts, ct::Namespace::Net});

    //! [command]
    ct::Hook log{.point = ct::HookPoint::Poststop, .command = {.argv = {"/bin/sh", "-c", "cat >&2; exit 3"}}};
    log.time_limit = std::chrono::seconds(2);
    box.add_hook(log);
    box.set_annotation("com.example.team", "web");
    //! [command]

    //! [callable]
    box.add_hook(ct::HookPoint::CreateRuntime, [](const ct::HookEvent& event) {
        std::cout << event.container << " is made" << std::endl;
        if (event.pid <= 0) throw std::runtime_error("there is no process to give a network to");
    });
    //! [callable]

    box.start({.argv = {"/bin/echo", "hello"}});
    box.wait();
    return 0;
} catch (const std::exception& error) {
    std::cerr << "hooks: " << error.what() << '\n';
    return 125;
}
