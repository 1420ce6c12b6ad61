// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// hold, unpin: containers that are nothing but namespaces.
#include <algorithm>
#include <iostream>
#include <stdexcept>

#include "commands.hpp"

namespace ctrun {

int execute(const HoldCommand& command) {
    const ct::Network& network = command.spec.network;
    const bool on_host = std::any_of(network.devices.begin(), network.devices.end(),
                                     [](const auto& device) { return !std::holds_alternative<ct::Dummy>(device); });
    if (on_host || !network.bridges.empty()) {
        throw std::runtime_error("'hold' leaves no process that looks after links on the host: --network can make "
                                 "links of the kind 'dummy' only");
    }
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
