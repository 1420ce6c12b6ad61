// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

/// The container that Documentation/guide/first-container.md builds step by step.

#include <iostream>
#include <stdexcept>

#include <sys/resource.h>

#include <ct/ct.hpp>

int main(int argc, char** argv) try {
    if (argc < 4) throw std::invalid_argument("usage: first_container ROOT FILES COMMAND [ARGUMENT]...");
    const std::string root = argv[1];
    const std::string files = argv[2];

    //! [session]
    ct::Session session;
    ct::Container container = session.create("first");
    //! [session]

    //! [namespaces]
    using enum ct::Namespace;
    container.add_namespaces({Mount, Pid, Net, Uts, Ipc, Cgroup}).set_hostname("first");
    //! [namespaces]

    //! [root]
    container.set_root({.path = root, .read_only = true});
    //! [root]

    //! [private]
    container.set_private(ct::BindDir{.source = files, .target = "/srv"});
    //! [private]

    //! [mounts]
    container.add_default_mounts().add_mount(
        {.target = "/tmp", .type = "tmpfs", .options = {"size=1m", "mode=1777"}, .no_suid = true, .no_dev = true});
    //! [mounts]

    //! [process]
    ct::ProcessSpec process;
    process.argv.assign(argv + 3, argv + argc);
    process.environment = {"PATH=/bin", "HOME=/srv"}; // instead of the host's
    process.user = ct::User{.uid = 1000, .gid = 1000};
    process.capabilities.emplace(); // none
    process.no_new_privileges = true;
    process.limits = {{.resource = RLIMIT_NOFILE, .soft = 64, .hard = 64}};
    process.new_session = true;
    //! [process]

    //! [start]
    container.start(process);
    const ct::ExitStatus status = container.wait();
    //! [start]
    std::cout << "The command " << status.describe() << ".\n";
    return status.shell_code();
} catch (const std::exception& error) {
    std::cerr << "first_container: " << error.what() << '\n';
    return 125;
}
