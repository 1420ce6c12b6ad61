// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// mount, umount: what changes the files of a running container.
#include "commands.hpp"

namespace ctrun {

int execute(const MountCommand& command) {
    ct::Session session = open_session();
    session.open(command.name).mount(command.mount);
    return 0;
}

int execute(const UnmountCommand& command) {
    ct::Session session = open_session();
    session.open(command.name).unmount(command.target);
    return 0;
}

} // namespace ctrun
