// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

//! [run]
#include <iostream>

#include <ct/ct.hpp>

int main(int argc, char** argv) try {
    if (argc < 3) throw std::invalid_argument("usage: run ROOT COMMAND [ARGUMENT]...");
    using enum ct::Namespace;

    ct::Session session;
    ct::Container container = session.create("first");
    container.set_root(argv[1]).add_namespaces({Mount, Pid, Uts, Ipc}).set_hostname("first").add_default_mounts();

    container.start({.argv = {argv + 2, argv + argc}});
    const ct::ExitStatus status = container.wait();
    std::cout << "The command " << status.describe() << ".\n";
    return status.shell_code();
} catch (const std::exception& error) { // a ct::Error says what failed, where, and why
    std::cerr << "run: " << error.what() << '\n';
    return 125;
}
//! [run]
