// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// A session in a loop of one's own, by poll(2).
#include <poll.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "two_containers.hpp"

int main() {
    try {
        bool ended = false;
        TwoContainers containers([&] { ended = true; });
        //! [poll]
        std::array<pollfd, 1> descriptors{{{containers.fd(), POLLIN, 0}}}; // and those of the program
        while (!ended) {
            if (::poll(descriptors.data(), descriptors.size(), -1) < 0) {
                if (errno == EINTR) continue;
                throw std::system_error(errno, std::generic_category(), "poll");
            }
            if (descriptors[0].revents == 0) continue;
            try {
                containers.dispatch();
            } catch (const std::exception& error) {
                containers.failed(error); // what else there is comes with the next turn
            }
        }
        //! [poll]
        containers.sum_up();
    } catch (const std::exception& error) {
        std::cerr << "loop_poll: " << error.what() << '\n';
        return 1;
    }
}
