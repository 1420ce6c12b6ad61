// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// monitor FILE COMMAND...: logs what a container writes to FILE, and counts the lines, within a loop of its own.
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
        box.start({.argv = {argv + 2, argv + argc}});
        //! [log]
        //! [loop]
        while (box.running()) {
            pollfd fds[] = {{session.fd(), POLLIN, 0}, {box.init().pidfd(), POLLIN, 0}};
            ::poll(fds, 2, -1); // and whatever else the program waits for
            session.dispatch();
        }
        //! [loop]
        const ct::LogStats stats = box.log_stats();
        std::cout << "It " << box.wait().describe() << " after " << lines << " lines, " << stats.bytes << " bytes.\n";
    } catch (const std::exception& error) {
        std::cerr << "monitor: " << error.what() << '\n';
        return 1;
    }
}
