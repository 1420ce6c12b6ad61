// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <ct/ct.hpp>

#include <iostream>

/// A container with nothing set is merely a child process, so this runs without privileges.
int main() {
    ct::Session session;
    const ct::ExitStatus status = session.create("outsider").start({.argv = {"/bin/sh", "-c", "exit 7"}}).wait();
    std::cout << status.describe() << '\n';
    return status.shell_code() == 7 ? 0 : 1;
}
