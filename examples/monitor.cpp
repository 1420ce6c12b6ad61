// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// monitor FILE COMMAND...: logs what a container writes to FILE, counts the lines and tells how it ended, within a loop
// of its own.
#include <poll.h>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <string>

#include <ct/ct.hpp>

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
