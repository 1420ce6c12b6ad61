// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// hold, unpin: containers that are nothing but namespaces.
#include <iostream>

#include "commands.hpp"

namespace ctrun {

int execute(const HoldCommand& command) {
    ct::Session session;
    ct::Container container = session.create(command.name, command.spec);
    container.hold();
    const std::string directory = container.pin(command.directory);
    try {
        if (!command.netns.empty()) container.pin_network(command.netns);
    } catch (...) {
        container.unpin(directory);
        throw;
    }
    std::cout << directory << '\n';
    return 0; // the names keep what the session lets go
}

int execute(const UnpinCommand& command) {
    ct::Session session;
    session.create(command.name).unpin(command.directory);
    if (!command.netns.empty()) ct::unpin_network(command.netns);
    return 0;
}

} // namespace ctrun
