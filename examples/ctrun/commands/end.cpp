// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// pause, unpause, kill, stop, rm: what halts or ends a container.
#include <csignal>
#include <iostream>

#include "commands.hpp"

namespace ctrun {

int execute(const PauseCommand& command) {
    ct::Session session = open_session();
    session.open(command.name).freeze();
    return 0;
}

int execute(const UnpauseCommand& command) {
    ct::Session session = open_session();
    session.open(command.name).thaw();
    return 0;
}

int execute(const KillCommand& command) {
    ct::Session session = open_session();
    ct::Container container = session.open(command.name);
    if (command.signal == SIGKILL) {
        container.kill();
    } else {
        container.signal(command.signal);
    }
    return 0;
}

int execute(const StopCommand& command) {
    ct::Session session = open_session();
    session.open(command.name).stop(command.grace, command.signal);
    return 0;
}

/// Goes on with the others when one of them cannot be removed.
int execute(const RemoveCommand& command) {
    ct::Session session = open_session();
    int status = 0;
    for (const std::string& name : command.names) {
        try {
            session.open(name).remove(command.force ? ct::Remove::Force : ct::Remove::Stopped);
        } catch (const ct::Error& error) {
            std::cerr << "ctrun: " << error.what() << '\n';
            status = OwnFailure;
        }
    }
    return status;
}

} // namespace ctrun
