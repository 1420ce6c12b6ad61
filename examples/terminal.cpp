// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

/// Gives a container a terminal, and plays the user who sits at it.

#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>

#include <unistd.h>

#include <ct/ct.hpp>

namespace {

//! [read_until]
/// What the terminal shows up to and with \p mark; up to the end without one.
std::string read_until(int terminal, std::string_view mark = {}) {
    std::string text;
    char c = 0;
    while (::read(terminal, &c, 1) == 1) { // fails with EIO once nobody has the other end open
        text += c;
        if (!mark.empty() && text.ends_with(mark)) break;
    }
    return text;
}
//! [read_until]

} // namespace

int main(int argc, char** argv) try {
    if (argc != 2) throw std::invalid_argument("usage: terminal ROOT");
    using enum ct::Namespace;

    ct::Session session;
    ct::Container container = session.create("terminal");
    container.set_root(argv[1]).add_namespaces({Mount, Pid, Uts, Ipc}).add_default_mounts();

    //! [terminal]
    const ct::Process shell = container.start({
        .argv = {"/bin/sh", "-c", "tty; stty size; printf 'name? '; read name; echo \"hello $name\"; stty size"},
        .terminal = ct::TerminalSize{.rows = 24, .columns = 80},
    });
    std::cout << read_until(shell.terminal(), "name? ");
    shell.resize_terminal({.rows = 50, .columns = 132});
    if (::write(shell.terminal(), "Ada\n", 4) != 4) throw std::runtime_error("cannot write to the terminal");
    std::cout << read_until(shell.terminal());
    //! [terminal]
    return container.wait().shell_code();
} catch (const std::exception& error) {
    std::cerr << "terminal: " << error.what() << '\n';
    return 125;
}
