// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// monitor FILE COMMAND...: logs what a container writes to FILE, counts the lines, looks after it, and tells how it
// ended (to FILE.exit, too), within a loop of its own. Needs a cgroup.
#include <poll.h>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <string>

#include <ct/ct.hpp>

using namespace std::chrono_literals;

int main(int argc, char** argv) {
    if (argc < 3) {
        std::cerr << "usage: monitor FILE COMMAND...\n";
        return 2;
    }
    try {
        int lines = 0;
        const auto count = [&](const ct::LogRecord& record) { lines += record.partial ? 0 : 1; };
        //! [log]
        ct::Session session;
        ct::Container box = session.create("monitored");
        box.set_log({.targets = {ct::LogFile{
                         .path = std::filesystem::absolute(argv[1]), .rotate_size = 10 * ct::MiB, .rotate_count = 3}}});
        box.on_log(count);
        //! [log]
        //! [watch]
        box.set_exit_file(std::filesystem::absolute(argv[1]).string() + ".exit").set_cgroup({.own_group = true});
        box.on_stats(1s, [](const ct::StatsEvent& event) {
            if (const auto used = event.stats.cpu.usage) std::cout << "CPU time: " << used->count() << " ns\n";
        });
        const ct::ProcessSpec check{.argv = {"/bin/true"},
                                    .stdio = {ct::Stdio::Null, ct::Stdio::Null, ct::Stdio::Null}};
        box.on_health({.check = check, .interval = 10s, .timeout = 1s}, [](const ct::HealthEvent& event) {
            std::cout << "It is " << ct::to_string(event.health) << ".\n";
        });
        //! [watch]
        //! [events]
        bool ended = false;
        box.on_oom([](const ct::OomEvent& event) { std::cout << "out of memory: " << event.kills << " killed\n"; });
        box.on_exit([&](const ct::ExitEvent& event) {
            std::cout << "It " << event.record.describe() << ".\n";
            ended = true;
        });
        box.start({.argv = {argv + 2, argv + argc}});
        while (!ended) {
            pollfd ready{session.fd(), POLLIN, 0};
            ::poll(&ready, 1, -1); // and whatever else the program waits for
            session.dispatch();
        }
        //! [events]
        const ct::LogStats stats = box.log_stats();
        std::cout << lines << " lines, " << stats.bytes << " bytes\n";
    } catch (const std::exception& error) {
        std::cerr << "monitor: " << error.what() << '\n';
        return 1;
    }
}
