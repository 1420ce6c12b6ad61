// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

/// Starts a program as a user of its image, with few privileges and a low priority, from a thread that ends.

#include <chrono>
#include <csignal>
#include <iostream>
#include <stdexcept>
#include <thread>

#include <ct/ct.hpp>

int main(int argc, char** argv) try {
    if (argc < 3) throw std::invalid_argument("usage: process ROOT COMMAND [ARGUMENT]...");
    using enum ct::Namespace;
    using namespace std::chrono_literals;

    //! [session]
    ct::Session session(ct::SessionOptions{.start_thread = ct::StartThread::Own});
    //! [session]
    ct::Container container = session.create("service");
    container.set_root(argv[1]).add_namespaces({Mount, Pid, Uts, Ipc}).add_default_mounts();

    ct::ProcessSpec process{.argv = {argv + 2, argv + argc}};
    //! [user]
    process.user_name = "service"; // as the image's /etc/passwd and /etc/group have it
    //! [user]
    //! [capabilities]
    process.capability_sets = ct::CapabilitySets{
        .bounding = {"NET_BIND_SERVICE"},
        .permitted = {"NET_BIND_SERVICE"},
        .effective = {"NET_BIND_SERVICE"},
        .inheritable = {"NET_BIND_SERVICE"},
        .ambient = {"NET_BIND_SERVICE"},
    };
    process.no_new_privileges = true;
    //! [capabilities]
    //! [scheduling]
    process.scheduling.nice = 5;
    process.scheduling.scheduler = ct::Scheduler{.policy = ct::SchedulingPolicy::Batch};
    process.scheduling.io_priority = ct::IoPriority{.io_class = ct::IoClass::BestEffort, .level = 7};
    process.scheduling.cpus = {0};
    process.scheduling.timer_slack = 1ms;
    process.oom_score_adj = 500;
    process.session_keyring.emplace();
    //! [scheduling]
    //! [init]
    process.init = ct::Init::Reaper;
    //! [init]
    //! [thread]
    process.parent_death_signal = SIGKILL;
    std::thread([&] { container.start(process); }).join(); // the container lives on
    //! [thread]
    const ct::ExitStatus status = container.wait();
    std::cout << "The command " << status.describe() << ".\n";
    return status.shell_code();
} catch (const std::exception& error) {
    std::cerr << "process: " << error.what() << '\n';
    return 125;
}
